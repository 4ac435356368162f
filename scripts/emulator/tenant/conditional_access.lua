--- Conditional Access for workload identities: named locations, policies that block from some of them, and where the
--- tenant's applications sign in from.
---
--- Policies only block: a policy for a workload identity can do nothing else (Microsoft Learn: Conditional Access for
--- workload identities).

local directory = require "emulator.tenant.directory"
local json = require "json"

local M = {}

local EVERY = "ServicePrincipalsInMyTenant"

local function ranges_of(list)
  local ranges = {}
  for i, range in ipairs(list or {}) do
    ranges[i] = { ["@odata.type"] = "#microsoft.graph.iPv4CidrRange", cidrAddress = range }
  end
  return json.array(ranges)
end

--- Name a location.
---@param options { name: string, ranges: string[], trusted: boolean? }
---@return string id
function M:add_location(options)
  local id = directory.new_id(self)
  self.locations:put(id, { id = id, displayName = options.name, isTrusted = options.trusted == true,
    ipRanges = ranges_of(options.ranges), _type = "ipNamedLocation" }, 0)
  return id
end

local function service_principal(self, who)
  local principal = self:principal_of(who)
  return principal and principal.id or who
end

local function mapped(list, fn)
  local made = {}
  for i, value in ipairs(list or {}) do made[i] = fn(value) end
  return json.array(made)
end

local function locations_of(options)
  if not options.except then return json.null end
  return { includeLocations = json.array { "All" }, excludeLocations = json.array(options.except) }
end

--- Block applications: everywhere, or everywhere but in some locations.
---@param options { name: string, only: string[]?, state: string?, except: string[]? } client ids; ids of locations
---@return string id
function M:add_access_policy(options)
  local id = directory.new_id(self)
  local function principal(who) return service_principal(self, who) end
  local included = options.only and mapped(options.only, principal) or json.array { EVERY }
  self.access_policies:put(id, { id = id, displayName = options.name, state = options.state or "enabled",
    grantControls = { operator = "OR", builtInControls = json.array { "block" } },
    conditions = {
      clientAppTypes = json.array { "all" }, applications = { includeApplications = json.array { "All" } },
      locations = locations_of(options),
      clientApplications = { includeServicePrincipals = included, excludeServicePrincipals = json.array {} },
    } }, 0)
  return id
end

--- Exclude an application from a policy that blocks it, as an admin does.
---@param id string
---@param client string
function M:exclude_from_access_policy(id, client)
  local policy = assert(self.access_policies:newest(id), "no such policy")
  local principal = service_principal(self, client)
  policy.conditions.clientApplications.excludeServicePrincipals[1] = principal
  self.access_policies:put(id, policy, 0)
end

--- Remove a policy.
---@param id string
function M:remove_access_policy(id)
  self.access_policies:drop(id, 0)
end

local function has(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function blocks(policy, id, here)
  local clients, locations = policy.conditions.clientApplications, policy.conditions.locations
  if policy.state ~= "enabled" or has(clients.excludeServicePrincipals, id) then return false end
  if not has(clients.includeServicePrincipals, EVERY) and not has(clients.includeServicePrincipals, id) then
    return false
  end
  return locations == json.null or not has(locations.excludeLocations, here)
end

--- The policy that refuses this service principal, where its sign-ins come from now (flag `location`); nil: none.
---@param id string
---@return string? id of the policy
function M:blocked_by(id)
  for _, policy in self.access_policies:scan(self.now()) do
    if blocks(policy, id, self.flags.location) then return policy.id end
  end
end

return M
