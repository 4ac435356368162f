--- The values in the vaults, compared with those that are in force in the tenant. Only the emulator sees both sides. No
--- secret is shown.

local json = require "json"
local secret = require "secret.emulator"

local M = {}

local PENDING = " (pending)"

-- An entry is named as the person was when it was made: the person may have another name now, or be deleted.
local function of_person(tenant, entry, name)
  local person, deleted = tenant:person(name), nil
  if not person then person, deleted = tenant:former_person(name) end
  return person and {
    kind = "password", of = person.userPrincipalName, changed = person.lastPasswordChangeDateTime,
    in_force = not deleted and secret.equals(person._password, entry.data.password),
    deleted = deleted, renamed = person.userPrincipalName:lower() ~= name:lower() or nil,
  }
end

local function of_application(tenant, entry)
  local accepted, why = tenant:check_secret(entry.data.clientId, entry.data.clientSecret)
  return { kind = "client secret", of = entry.data.clientId, in_force = accepted == true, why = why }
end

local function describe(tenant, entry)
  local data = entry.data or {}
  local pending = entry.name:sub(-#PENDING) == PENDING
  local name = pending and entry.name:sub(1, -#PENDING - 1) or entry.name
  local row = data.clientId and data.clientSecret and of_application(tenant, entry)
    or data.password and of_person(tenant, entry, name)
  if not row then return nil end
  row.name, row.pending = name, pending
  return row
end

--- Every credential in a vault that belongs to somebody in the tenant.
---@param tenant emulator.tenant
---@param server emulator.devolutions
---@return { name: string, of: string, kind: string, pending: boolean, in_force: boolean, renamed: boolean?,
--- deleted: boolean? }[]
function M.list(tenant, server)
  local list = json.array {}
  for _, vault in ipairs(server.vaults) do
    for entry in server.entries[vault.id]:each() do list[#list + 1] = describe(tenant, entry) end
  end
  return list
end

return M
