-- What is left of secrets in the memory of a program, looked at from outside;
-- more in tests/long.

local json = require "host.json"
local memory = require "memory"
local tap = require "tap"

-- Signs in everywhere, and stays.
local HOLD = [[
local profile = require "profile.current"
require("oauth.sign_in").credential()
require("devolutions.server").login(profile.current())
local key = profile.key()
print("held", key)
while true do end]]

describe("the memory of a program", function()
  local far
  local obstacle = memory.obstacle()
  setup(function() far = not obstacle and tap.start() or nil end)
  teardown(function() if far then far:close() end end)

  it("holds no secret after a job", function()
    if obstacle then return pending(obstacle) end
    memory.check_clean(far, { "apply", "setup/entra-pam-provider", "--yes" })
  end)

  it("holds few copies of those in use, which the scan finds", function()
    if obstacle then return pending(obstacle) end
    local raw = memory.held(far, HOLD, "held")
    -- One copy is the secret's own, one more the header line of a credential.
    local text = json.encode(raw)
    assert(raw.access_token >= 6 and raw.access_token <= 8, text)
    assert(raw.refresh_token == 3 and not raw.device_code, text)
    assert(raw["key journal.key"] == 3 and not raw["key devolutions.secret"] and raw.tokenId <= 6, text)
  end)
end)
