--- Tier 0 accounts: a new password each month, by night, into Devolutions Server.
-- Copy it (`moonlatch scripts copy policies/tier0-users`) and make it yours.

local policy = require "policy"
local users = policy.users

return policy {
  summary = "Tier 0 accounts, monthly",

  -- Whom: everybody in the group, but never the break-glass accounts.
  select = users { group = "PAM managed tier 0" },
  never = {},

  -- When: spread over three days, so that not all fall due at once.
  every = "30d", jitter = "3d",
  -- window = "02:00-04:00 America/Toronto",
  -- except = "2026-12-15..2027-01-05", -- days on which nothing begins

  -- How carefully: one first, alone; after a failure no other is begun.
  limits = { max_changes = 50, canary = 1, stop_on_failure = true },
  -- Who cannot be changed is refused, and a run that refuses somebody has failed (exit 1), unless that is expected;
  -- or leave them out: select = users { … } - policy.guests() - policy.synced() - policy.disabled().
  -- accept = { "guest", "synced" },
  -- The outcome of a change stayed unknown for an hour: a person is asked, or the same value is sent again.
  -- on_unknown = "repeat",

  -- Passwords are kept by entries of Devolutions Server only; Devolutions Cloud has no sink for them yet.
  password = { length = 32 },
  sink = policy.devolutions.server { vault = "Privileged", path = "Entra\\Tier0" },
  after = { revoke_sessions = true },
}
