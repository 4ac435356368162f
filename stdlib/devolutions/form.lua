--- The provider form of Devolutions (Administration > Privileged access >
--- Providers > Add > Entra ID user), its fields in the order of the form.
--- There is no public call that fills it in (facts on Devolutions, 2.2 and 3.5).

local M = {}

--- The field that takes the client secret.
M.SECRET = "Secret key"

---@class devolutions.form.values
---@field name string
---@field description string?
---@field tenant string
---@field client_id any unknown before there is an application
---@field entry sink.entry?

--- Fields and what to put into them. The secret itself is never among them.
---@param values devolutions.form.values
---@return { field: string, value: string }[]
function M.fields(values)
  local linked = values.entry and values.entry:confirms()
  return {
    { field = "Name", value = values.name },
    { field = "Description", value = values.description or "(optional)" },
    { field = "Password template", value = "(optional: the shape of the passwords it sets)" },
    { field = "Tenant ID", value = values.tenant },
    { field = "Client ID", value = tostring(values.client_id) },
    { field = "Credential type", value = linked and "Linked credential" or "Custom" },
    linked and { field = "Linked credential", value = values.entry:where() }
      or { field = M.SECRET, value = "the client secret's Value (not its Secret ID), shown once on request" },
    { field = "Test connection", value = "must succeed before Add" },
  }
end

--- Say what to put where.
---@param run workflow.Run
---@param values devolutions.form.values
function M.tell(run, values)
  run:note "the provider form (Administration > Privileged access > Providers > Add; once, if it is not there yet):"
  for _, field in ipairs(M.fields(values)) do run:note("  %-18s %s", field.field, field.value) end
end

return M
