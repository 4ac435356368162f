--- Client secrets of the applications that we own: a new secret each quarter, stored in Devolutions Server. The secret
-- before stays until somebody confirms that the new one is in use.

local policy = require "policy"

return policy {
  summary = "Client secrets of our applications, quarterly",

  -- Which applications: those that the signed-in principal owns. By client id:
  -- policy.applications { client_id = { "…", "…" } }.
  select = policy.applications { owned = true },

  -- A new secret when the last is three months old; each lives for six.
  every = "90d", lifetime = "180d", grace = "7d",
  limits = { max_changes = 10, canary = 1, stop_on_failure = true },

  -- Stored in an entry; where the profile names no Devolutions Server, handed to a person: `moonlatch handover`.
  sink = policy.devolutions.server { path = "Entra\\Applications" },
}
