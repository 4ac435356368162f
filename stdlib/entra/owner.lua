--- A service principal as an owner of an application: the permission Application.ReadWrite.OwnedBy lets it change the
--- applications that it owns (Microsoft Learn: application-post-owners).

local graph = require "graph"
local options_of = require("base.options").of
local ownership = require "resource.ownership"
local profiles = require "profile.current"
local resource = require "resource.new"
local upsert = require "entra.upsert"

---@class entra.owner: resource.Resource
---@field host table the application of the service principal
---@field principal table the service principal
---@field owned table the application it is to own
local Owner = resource.kind "owner"
Owner.once = "its application and owner"

local M = {}

local read_fields = options_of("entra.owner.of", { application = "table", principal = "table", owned = "table" })

--- The service principal owns this application.
---@param fields { application: table, principal: table, owned: table }
---@return entra.owner
function M.of(fields)
  fields = read_fields(fields)
  return Owner {
    name = fields.owned.displayName, host = fields.application, principal = fields.principal, owned = fields.owned,
    from = { fields.principal }, made = "of the application " .. fields.owned.appId,
  }
end

function Owner:key() return ("owner/%s/%s"):format(self.owned.id, self.principal.id) end

function Owner:read()
  for object in graph.list(graph.path("/applications/{id}/owners", self.owned.id), {
    select = { "id" }, top = 999, what = ("read who owns '%s'"):format(self.owned.displayName),
  }) do
    if object.id == self.principal.id then return object end
  end
end

-- The body names the object by its address at Graph.
function Owner:create()
  upsert.post(graph.path("/applications/{id}/owners/$ref", self.owned.id), {
    ["@odata.id"] = ("%s/directoryObjects/%s"):format(profiles.current().graph, self.principal.id),
  }, { fresh_write = true, what = ("make it an owner of '%s'"):format(self.owned.displayName) })
  return { id = self.principal.id }
end

function Owner:ours(_, run) return ownership.is_ours_on_host(run, self) end

function Owner:delete()
  graph.delete(graph.path("/applications/{id}/owners/{owner}/$ref", self.owned.id, self.principal.id), {
    repeatable = true, missing = "nil", what = ("make it no owner of '%s' any more"):format(self.owned.displayName),
  })
end

return M
