--- Do this computer and this profile keep secrets safely?

local remarks = require "profile.remarks"
local secret = require "host.secret"

---@type doctor.check
return {
  name = "machine",
  shared = true,
  run = function(findings, facts)
    local _ <close> = secret.random(16) -- the first secret allocates the protected memory
    for _, remark in ipairs(remarks.of(facts.profile)) do
      findings:warning { id = remark.what, evidence = remark.what, cause = remark.why, fix = remark.fix }
    end
    if secret.heap() == "locked" then findings:ok("the memory for secrets is locked") end
  end,
}
