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
  "graph POST */roleAssignments*", "graph GET */roleAssignments*",
  "devolutions POST */login*", "devolutions GET */vault*", "devolutions POST */entry*probe*",
  "devolutions POST */entry*clientSecret*", "devolutions DELETE */entry/*",
}

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
          local outcome = far:run(words, { seconds = 120 })
          said[#said + 1] = far.place:write("said-" .. #said + 1, outcome.out .. outcome.err)
          assert.is_true(outcome.status <= 1, outcome.err)
          assert.equal("", assert(sys.read(far.directory .. "/rules", 4096)), call)
          failed = failed + outcome.status
        end
      end
    end
    assert.is_true(failed > 60, failed)
    local found = canary.search(far, { files = { far.directory .. "/state", table.unpack(said) } })
    assert.equal("", canary.describe(found))
    assert.is_true(found.secrets.access_token > 200)
  end)
end)
