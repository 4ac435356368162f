--- Recorded answers of Graph and of the login service, through the client: each success decodes, and each refusal has
--- the kind, the cause and the fix that a person judged to be right for it.

local fail = require "fail"
local log = require "log"
local recordings = require "recordings"

local LOGIN = "token-errors.json"

-- What is right for each refusal: kind, and the beginnings of cause and fix. A refusal that is not here fails its test:
-- somebody has to judge it first.
---@type table<string, { [1]: fail.kind, [2]: string, [3]: string, who: "person"|"application"|nil }>
local JUDGED = {
  ["denied-2025.json 1"] = { "denied", "we are not allowed to do this: a permission is missing",
    "See what the script needs with `moonlatch permissions`" },
  ["graph-errors.json 1"] = { "refused", "a policy of the tenant allows client secrets only a shorter life",
    "Ask for a shorter life" },
  ["graph-errors.json 2"] = { "conflict", "it exists already", "Run this again" },
  ["graph-errors.json 3"] = { "conflict", "it exists already", "Run this again" },
  ["graph-errors.json 4"] = { "conflict", "it exists already", "Run this again" },
  ["graph-errors.json 5"] = { "conflict", "another object has the same value",
    "Choose another value, or look at the object that has it" },
  ["graph-errors.json 6"] = { "denied", "Entra does not know the application yet, or we may not create service",
    "If the application was made a moment ago, run this again" },
  ["graph-errors.json 7"] = { "refused", "the object has no room for another value",
    "Remove expired credentials first" },
  ["graph-errors.json 8"] = { "throttled", "there were too many requests", "Run the same command again after " },
  ["graph-errors.json 9"] = { "missing", "the directory does not know the object or tenant (yet)",
    "Check the name or id" },
  ["graph-errors.json 10"] = { "denied", "we are not allowed to do this: a permission is missing",
    "See what the script needs with `moonlatch permissions`" },
  ["graph-errors.json 11"] = { "denied", "we may not set this person's password: the permission User-PasswordProfile",
    "Grant the permission. For administrators, also assign" },
  ["pim-2024.json 4"] = { "conflict", "it exists already", "Run this again" },
  ["pim-2024.json 5"] = { "refused", "there is no such role assignment", "Run this again" },

  [LOGIN .. " 1"] = { "auth", "the client secret is not valid", "Use the secret's value, not its id." },
  [LOGIN .. " 2"] = { "auth", "the client secret is not valid", "Use the secret's value, not its id." },
  [LOGIN .. " 3"] = { "auth", "the client secret has expired", "Rotate it, or add a new one" },
  [LOGIN .. " 4"] = { "auth", "the client secret has expired", "Rotate it, or add a new one" },
  [LOGIN .. " 5"] = { "auth", "a Conditional Access policy blocks this sign-in (id of the policy: 99999999-0000-4000-"
    .. "8000-000000000002)", "Have the policy exclude this application" },
  [LOGIN .. " 6"] = { "auth", "a Conditional Access policy blocks this sign-in", "Many tenants block device codes",
    who = "person" },
  [LOGIN .. " 7"] = { "person", "nobody signed in with the code before it expired", "Run the command again",
    who = "person" },
  [LOGIN .. " 8"] = { "person", "nobody signed in with the code before it expired", "Run the command again",
    who = "person" },
  [LOGIN .. " 9"] = { "config", "there is no such tenant at this login service", "Check `tenant` in the profile" },
  [LOGIN .. " 10"] = { "auth", "the application has no service principal in this tenant", "If the application or its" },
  [LOGIN .. " 11"] = { "auth", "the code or the refresh token is not valid", "Sign in again", who = "person" },
}

local function begins(text, start)
  assert(text and text:sub(1, #start) == start, ("%q does not begin with %q"):format(tostring(text), start))
end

describe("a recorded answer", function()
  local all, why = recordings.all()
  if not all then
    pending(why)
    return
  end

  local instruct = log.instruct
  before_each(function() log.instruct = function() end end)
  after_each(function() log.instruct = instruct end)

  local function check(failure, judged)
    assert(fail.is(failure), tostring(failure))
    assert.equal(judged[1], failure.kind)
    begins(failure.why, judged[2])
    begins(failure.fix, judged[3])
  end

  for _, one in ipairs(all) do
    local call = one.method and one.method .. " " .. one.path or "sign-in"
    it(("%s is understood (%s)"):format(one.place, call), function()
      local judged = JUDGED[one.place]
      local ok, value = pcall(recordings.replay, one, judged and judged.who)
      if one.refuses then
        assert(not ok, "it was taken for a success")
        check(value, assert(judged, "nobody has judged this refusal yet: " .. tostring(value)))
      else
        assert(ok, tostring(value))
        assert.equal("table", type(value))
      end
    end)
  end

  it("has a list of what is right for it that names no answer twice, and none that is not there", function()
    local there = {}
    for _, one in ipairs(all) do there[one.place] = one.refuses end
    for place in pairs(JUDGED) do assert(there[place], place .. " is judged, and not recorded") end
  end)
end)
