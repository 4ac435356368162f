--- This computer and this profile: how secrets are kept.

local remarks = require "profile.remarks"
local secret = require "host.secret"

---@type doctor.check
return {
  name = "machine",
  run = function(record, look)
    local _ <close> = secret.random(16) -- the memory is had with the first
    for _, remark in ipairs(remarks.of(look.profile)) do
      record:warning { evidence = remark.what, cause = remark.why, fix = remark.fix }
    end
    if secret.heap() == "locked" then record:ok("the memory for secrets is locked") end
  end,
}
