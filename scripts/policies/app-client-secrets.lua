--- Client secrets of the applications we own: a new one each quarter, into Devolutions
-- Server. The one before stays until somebody says that the new one is in use.

local policy = require "policy"

return policy {
  summary = "Client secrets of our applications, quarterly",

  -- Which: those owned by whoever runs this. By name: policy.applications { client_id = { "…", "…" } }.
  select = policy.applications { owned = true },

  -- A new one when the last is three months old; each lives for six.
  every = "90d", lifetime = "180d", grace = "7d",
  limits = { max_changes = 10, canary = 1, stop_on_failure = true },

  -- Into an entry; where the profile names no Devolutions Server, to a person: `moonlatch handover`.
  sink = policy.devolutions.server { path = "Entra\\Applications" },
}
