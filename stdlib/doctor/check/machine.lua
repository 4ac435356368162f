--- This computer: the memory for secrets.

local secret = require "host.secret"

---@type doctor.check
return {
  name = "machine",
  run = function(record)
    local _ <close> = secret.random(16) -- the memory is had with the first
    if secret.heap() == "unlocked" then
      return record:warning { evidence = "the memory for secrets is not locked",
        cause = "The system may write it to swap: the limit for locked memory is too low.",
        fix = "Raise it (`ulimit -l`, or LimitMEMLOCK in a systemd unit)." }
    end
    record:ok("the memory for secrets is %s", secret.heap())
  end,
}
