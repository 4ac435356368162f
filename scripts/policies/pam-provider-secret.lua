--- The client secret of the Entra ID provider itself, which Devolutions cannot rotate:
-- as `moonlatch apply setup/entra-pam-provider` would make the next one.

local policy = require "policy"

return policy {
  summary = "The PAM provider's own client secret",

  select = policy.applications { provider = "Devolutions PAM" },
  every = "150d", lifetime = "180d", grace = "7d",

  -- The entry that the setup made. Where Devolutions reads that very entry (linked = true in the profile), nobody has
  -- to do anything; otherwise a person pastes the secret and confirms that. Devolutions Cloud has no such entry: a
  -- person gets the secret from `moonlatch handover`.
  sink = policy.devolutions.server {},
}
