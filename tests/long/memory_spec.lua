-- What is left of secrets in the memory of a program after each kind of job, over
-- HTTP/1.1 and HTTP/2, whose library has buffers of its own.

local front = require "front"
local json = require "host.json"
local memory = require "memory"
local tap = require "tap"

local SETUP = "setup/entra-pam-provider"

local JOBS = {
  { "whoami" }, { "login", "--for", SETUP }, { "apply", SETUP, "--yes" },
  { "apply", SETUP, "--yes", "--json", "--verbose" },
  { "run", "rehearse/advance", "--by", "155d" }, { "login", "--for", SETUP }, { "apply", SETUP, "--yes" },
  { "verify", SETUP }, { "doctor", status = 3 }, { "logout" },
  { "rotate", "policies/tier0-users", "--yes" }, { "destroy", SETUP, "--yes" },
}

describe("the memory of a program holds no secret after a job", function()
  local obstacle = memory.obstacle()

  it("over HTTP/1.1", function()
    if obstacle then return pending(obstacle) end
    local far <close> = tap.start()
    for _, words in ipairs(JOBS) do memory.check_clean(far, words, words.status) end
  end)

  it("over HTTP/2", function()
    if obstacle then return pending(obstacle) end
    if not front.is_there() then return pending("nginx is not installed") end
    local before <close> = front.start()
    for _, words in ipairs(JOBS) do memory.check_clean(before.far, words, words.status) end
    assert.is_true(before:shared() > 50)
  end)

  it("and while it runs, HTTP/2's library keeps one more of what went over an open connection", function()
    if obstacle then return pending(obstacle) end
    if not front.is_there() then return pending("nginx is not installed") end
    local before <close> = front.start()
    local raw = memory.held(before.far, "require('graph').all('/users') print('held') while true do end", "held")
    local text = json.encode(raw)
    assert(raw.access_token <= 12 and raw.refresh_token <= 6 and (raw.device_code or 0) <= 6, text)
    assert.is_nil(raw["key devolutions.secret"])
  end)
end)
