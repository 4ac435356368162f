--- Tier 0 accounts: a new password each month, by night, into Devolutions Server.
-- Copy this policy (`moonlatch scripts copy policies/tier0-users`), then edit the copy.

local policy = require "policy"
local users = policy.users

return policy {
  summary = "Tier 0 accounts, monthly",

  -- Which accounts: everybody in the group, but never the break-glass accounts.
  select = users { group = "PAM managed tier 0" },
  never = {},

  -- When: spread over three days, so that the accounts do not become due all at once.
  every = "30d", jitter = "3d",
  -- window = "02:00-04:00 America/Toronto",
  -- except = "2026-12-15..2027-01-05", -- days on which nothing begins

  -- How carefully: one account first; after a failure no other is begun.
  limits = { max_changes = 50, canary = 1, stop_on_failure = true },
  -- A run fails (exit 1) when an account has to be refused, for example a guest. Say which refusals you expect, or
  -- leave such accounts out: select = users { … } - policy.guests() - policy.synced() - policy.disabled().
  -- accept = { "guest", "synced" },
  -- When the outcome of a change is unknown for an hour, a person is asked; or the same value is sent again:
  -- on_unknown = "repeat",

  password = { length = 32 },

  -- Where the passwords are kept: entries of Devolutions Server. Elsewhere, such as with Devolutions Cloud, which has
  -- no API for them, a sink script keeps them, under the object id of each account:
  -- sink = policy.sink("sinks/vault", { path = "tier0/{id}", field = "password" }),
  -- sink = policy.sink("sinks/azure-key-vault", { name = "tier0-{id}" }),
  -- Several sinks all get each password: sink = { policy.devolutions.server {…}, policy.sink(…) }.
  -- A function chooses one for each account: sinks = { a, b }, sink = function(account) return … and a or b end.
  sink = policy.devolutions.server { vault = "Privileged", path = "Entra\\Tier0" },
  after = { revoke_sessions = true },
}
