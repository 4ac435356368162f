--- Soft deletion: an application, a service principal, a user or a group is deleted with what depends on it, and can be
--- restored within 30 days. Restoring an application does not restore its service principal, which needs a call of its
--- own (Microsoft Learn: directory-deleteditems-restore); with the flag restore_brings_principal it does, as in the
--- portal. An assumption: a restored service principal has its grants again.

local time = require "time"

local M = {}

local KEPT = 30 * 86400
local COLLECTIONS = {
  application = "applications", servicePrincipal = "service_principals", user = "users", group = "groups",
}
local LINKS = { app_role_assignments = "principalId", grants = "clientId", role_assignments = "principalId",
  role_eligibilities = "principalId", group_eligibilities = "principalId" }

local function take_links(tenant, id)
  local links = {}
  for collection, property in pairs(LINKS) do
    for _, row, stored in tenant[collection]:scan(math.huge, 1, { property, id }) do
      if row[property] == id then
        local key = stored or row.id
        links[#links + 1] = { collection = collection, key = key, row = row }
        tenant[collection]:drop(key)
      end
    end
  end
  return links
end

--- Delete softly.
---@param type_name "application"|"servicePrincipal"|"user"|"group"
---@param row table
function M:bury(type_name, row)
  local newest = self[COLLECTIONS[type_name]]:newest(row.id)
  if not newest then return end
  local copy = { deletedDateTime = time.iso(self.now()) }
  for name, value in pairs(newest) do
    copy[name] = value
  end
  local item = { type = type_name, row = copy, at = self.now() }
  self:unaudited(function() item.links = take_links(self, row.id) end)
  self[COLLECTIONS[type_name]]:drop(row.id)
  self.deleted:put(row.id, item)
  if type_name == "user" then self:remember_name(newest) end
end

-- The directory audits name this "Restore", not "Add".
local function bring_back(tenant, item)
  local row = {}
  for name, value in pairs(item.row) do
    if name ~= "deletedDateTime" then row[name] = value end
  end
  tenant[COLLECTIONS[item.type]]:put(row.id, row)
  tenant:unaudited(function()
    for _, link in ipairs(item.links) do
      tenant[link.collection]:put(link.key, link.row)
    end
    tenant.deleted:drop(row.id)
  end)
end

--- Restore a deleted item; an application with its service principal where the flag says so.
---@param item table
function M:exhume(item)
  bring_back(self, item)
  if item.type ~= "application" or not self.flags.restore_brings_principal then return end
  local principal = self.deleted:find(function(other)
    return other.type == "servicePrincipal" and other.row.appId == item.row.appId
  end)
  if principal then bring_back(self, principal) end
end

--- Forget what was deleted more than 30 days ago. Called before deleted items are read. How the directory audits show
--- that is not known; here not at all.
function M:decay()
  self:unaudited(function()
    for _, item, id in self.deleted:scan(math.huge) do
      if item.at + KEPT < self.now() then self.deleted:drop(id, 0) end
    end
  end)
end

--- The newest version of an object that can be deleted softly.
---@param type_name "application"|"servicePrincipal"|"user"|"group"
---@param id string
---@return table?
function M:newest(type_name, id)
  return self[COLLECTIONS[type_name]]:newest(id)
end

return M
