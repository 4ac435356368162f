--- Does this computer's clock agree with the clocks of the servers?

local layout = require "terminal.layout"
local time = require "time"

local MOST, MUCH = 300, 60 -- seconds of difference beyond which rotation stops, and beyond which doctor warns

---@type doctor.check
return {
  name = "clock",
  shared = true,
  run = function(findings, facts)
    local ahead = facts:want("login").ahead
    if not ahead then return findings:unknown { id = "no date",
      evidence = "the login service's answer carries no date" } end
    local off = math.abs(ahead)
    local says = ("this computer's clock is %s %s the login service's")
      :format(time.span(math.floor(off)), ahead > 0 and "behind" or "ahead of")
    local fix = "Set the clock right, and have it kept right (NTP)."
    if off > MOST then
      return findings:broken { id = "off", evidence = says, fix = fix,
        cause = "More than five minutes stop rotation and make signed assertions and dates wrong." }
    elseif off > MUCH then
      return findings:warning { id = "off",
        evidence = says, cause = "Beyond five minutes nothing is rotated.", fix = fix }
    end
    findings:ok("the clock agrees with the login service's within %s", layout.count(math.ceil(off), "second"))
  end,
}
