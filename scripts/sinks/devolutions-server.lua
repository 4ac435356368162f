--- A sink: entries of Devolutions Server, one for each application or account. A policy names it as
--- `policy.devolutions.server { vault = "Privileged", path = "Entra\\Tier0" }`.
--
-- The library keeps the entries (kept_by = "entries"), because Devolutions Server has neither a lock nor a
-- compare-and-set, and rules that every writer follows take their place:
--  - Client secrets: the entry has the application's name and the type "Azure service principal". One machine at a
--    time writes it, by a lease entry beside it.
--  - Users' passwords: the entry has the account's user name, and its object id in the description. Each pending value
--    is an entry of its own. Before Entra is asked, all pending entries of the account are listed, and any that is not
--    known stops the change.
-- A tag says which entries Moonlatch may write. An entry of another rotation is never overwritten.
--
-- Client secrets count as in use when the profile says that the consumer reads these entries (`linked = true` in its
-- `devolutions`).

return {
  summary = "Store secrets in entries of Devolutions Server",
  args = {
    vault = { type = "string", help = "name or id of the vault; by default the profile's" },
    path = { type = "string", help = "folders, separated by \\; by default the profile's" },
  },
  needs = { devolutions = { "vaults:read", "entries:read", "entries:write" } },
  kept_by = "entries",
}
