--- The client secret of the Entra ID provider itself, which Devolutions cannot rotate:
-- as `moonlatch apply setup/entra-pam-provider` would make the next one.

local policy = require "policy"

return policy {
  summary = "The PAM provider's own client secret",

  select = policy.applications { provider = "Devolutions PAM" },
  every = "150d", lifetime = "180d", grace = "7d",

  -- The same entry setup made. Where Devolutions reads that very entry (linked = true in
  -- the profile), nobody has to do anything; otherwise a person pastes it and confirms. With
  -- Devolutions Cloud there is no such entry: a person has it from `moonlatch handover`.
  sink = policy.devolutions.server {},
}
