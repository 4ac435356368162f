-- Every call of the setup job, answered in turn by each far side that repeats
-- what it was told: nothing that is said or written then holds a secret.

local canary = require "canary"
local sys = require "host.sys"
local tap = require "tap"

local JOB = "setup/entra-pam-provider"

local CALLS = {
  "login POST */devicecode*", "login POST *device_code=*", "login POST *client_credentials*",
  "graph GET */organization*", "graph GET */applications*", "graph PATCH */applications*",
  "graph PATCH */servicePrincipals*", "graph POST *addPassword*", "graph POST */appRoleAssignedTo*",
  "graph POST */roleAssignmentScheduleRequests*", "graph GET */roleAssignments*",
  "devolutions POST */login*", "devolutions GET */vault*", "devolutions POST */entry*probe*",
  "devolutions POST */entry*clientSecret*", "devolutions DELETE */entry/*",
}

local POLICY = "policies/tier0-users"

local ROTATION_CALLS = {
  "graph PATCH */users/*passwordProfile*", "graph GET */users*", "graph POST */revokeSignInSessions*",
  "devolutions POST */entry*password*", "devolutions PUT */entry/*", "devolutions GET */entry/*",
}

-- Rules whose notices are printed; nothing takes them, so they stay in the journal.
local NOTICES = [[return require("notice") { summary = "test", rules = { { to = "notify/sendmail",
  args = { to = { "a@contoso.com" } }, what = { expiring = { first = "999d" }, rotation = {}, doctor = {} } } } }]]

-- Run it; what it said is kept to be searched.
local function run(far, said, words)
  local outcome = far:run(words, { seconds = 120 })
  said[#said + 1] = far.place:write("said-" .. #said + 1, outcome.out .. outcome.err)
  return outcome
end

local function search(far, said)
  local found = canary.search(far, { files = { far.directory .. "/state", table.unpack(said) } })
  assert.equal("", canary.describe(found))
  return found
end

describe("no secret", function()
  it("is in an error of any call", function()
    local far <close> = tap.start()
    local said, failed = {}, 0
    for i, call in ipairs(CALLS) do
      for k, name in ipairs(far.answers) do
        if name:find("^repeats_") then
          far:rules { call .. " " .. name }
          local words = { "apply", JOB, "--name", ("Case %d %d"):format(i, k), "--yes", "--verbose" }
          if k % 2 == 0 then words[#words + 1] = "--json" end
          local outcome = run(far, said, words)
          assert.is_true(outcome.status <= 1, outcome.err)
          assert.equal("", assert(sys.read(far.directory .. "/rules", 4096)), call)
          failed = failed + outcome.status
        end
      end
    end
    assert.is_true(failed > 60, failed)
    assert.is_true(search(far, said).secrets.access_token > 200)
  end)

  it("is in what rotating people's passwords says, writes, or fails with at any call", function()
    local far <close> = tap.start()
    local said, failed = {}, 0
    local notices = far.place:write("notices.lua", NOTICES)
    assert.equal(0, run(far, said, { "rotate", POLICY, "--yes", "--verbose" }).status)
    for _, call in ipairs(ROTATION_CALLS) do
      for k, name in ipairs(far.answers) do
        if name:find("^repeats_") then
          run(far, said, { "run", "rehearse/advance", "--by", "40d" })
          far:rules { call .. " " .. name }
          local more = k % 2 == 0 and "--json" or nil
          local outcome = run(far, said, { "rotate", POLICY, "--yes", "--verbose", more })
          assert.is_true(outcome.status <= 1, outcome.err)
          assert.equal("", assert(sys.read(far.directory .. "/rules", 4096)), call)
          failed = failed + outcome.status
        end
      end
    end
    run(far, said, { "journal", "list", "--json" })
    run(far, said, { "journal", "history", "--json" })
    assert.equal(0, run(far, said, { "journal", "export" }).status)
    assert.equal(0, run(far, said, { "metrics" }).status)
    assert.equal(0, run(far, said, { "expiring", "--offline", "--json" }).status % 3) -- 0 or 3
    local calendar = far.place.path .. "/calendar.ics"
    assert.equal(0, run(far, said, { "expiring", "--offline", "--calendar", calendar }).status % 3)
    said[#said + 1] = calendar
    run(far, said, { "notify", notices, "--offline" })
    run(far, said, { "notify", notices, "--json" })
    run(far, said, { "doctor", "--json" })
    assert.is_true(failed > 10, failed)
    assert.is_true(search(far, said).secrets.password > 50)
  end)
end)
