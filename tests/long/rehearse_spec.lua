--- A year of each bundled policy, and of what `moonlatch new` writes.

local moonlatch = require "moonlatch"

describe("a year is rehearsed without anything to complain of:", function()
  for _, name in ipairs {
    "policies/tier0-users", "policies/app-client-secrets", "policies/pam-provider-secret", "policies/people",
    "policies/secrets",
  } do
    it(name, function()
      local place <close> = moonlatch.place()
      assert.equal(0, place:run({ "new", "policy", "people" }).status)
      assert.equal(0, place:run({ "new", "policy", "secrets", "--applications" }).status)
      local outcome = place:run({ "rehearse", name }, { seconds = 300 })
      assert.equal(0, outcome.status, outcome.out .. outcome.err)
    end)
  end
end)
