--- The owners of applications and service principals. Where few objects are shown, their owners are read twenty in a
--- request; where many are, the list of all applications brings them along, a hundred to a page (Microsoft Learn,
--- query-parameters: $expand of directory objects).

local batches = require "applications.batches"
local check_answer = require "entra.check_answer"
local graph = require "graph"

local M = {}

local WHAT = "read who owns an application"
local SELECT = { "id", "displayName", "userPrincipalName" }
local MOST_EXPANDED = 20 -- owners that $expand brings; when there are as many, there may be more
local PER_PAGE, PER_BATCH = 100, 20
local PATHS = { application = "/applications/{id}/owners", ["service principal"] = "/servicePrincipals/{id}/owners" }

-- The name of an owner; nil when we may not read more than its id.
local function owner_name(object)
  if type(object.userPrincipalName) == "string" then return object.userPrincipalName end
  return type(object.displayName) == "string" and object.displayName or nil
end

local NOBODY = {}

local function set_owners(list, place, objects)
  local names = #objects == 0 and NOBODY or {}
  for i, object in ipairs(objects) do
    names[i] = owner_name(object)
    if not names[i] then names[i], list.unnamed[place] = tostring(object.id), true end
  end
  table.sort(names)
  list.owners[place] = names
end

-- The owners that the list of all applications brings along, of those at these places.
local function read_with_list(list, places)
  local by_id = {}
  for _, place in ipairs(places) do
    local object = list:object_at(place)
    if object.origin == "application" then by_id[object.id] = place end
  end
  for object in graph.list("/applications", {
    select = { "id" }, expand = { owners = { select = SELECT } }, top = PER_PAGE,
    what = "read who owns the applications",
  }) do
    local place, owners = by_id[object.id], object.owners -- nil where the service passed over $expand
    if place and owners and #owners < MOST_EXPANDED then set_owners(list, place, owners) end
  end
end

-- All owners, where the first page has them all or not.
local function all_owners(first, path)
  check_answer.require_members(first, WHAT, "value")
  if not first["@odata.nextLink"] then return first.value end
  return graph.all(path, { select = SELECT, top = 999, what = WHAT })
end

local function read_in_batches(list, places)
  local function path_of(place)
    local object = list:object_at(place)
    return graph.path(PATHS[object.origin], object.id)
  end
  batches.each(places, function(place)
    return { path = path_of(place), select = SELECT, what = WHAT }
  end, function(place, page) set_owners(list, place, all_owners(page, path_of(place))) end)
end

local function count_registrations(list, places)
  local count = 0
  for _, place in ipairs(places) do count = count + (list:object_at(place).origin == "application" and 1 or 0) end
  return count
end

--- Fill in the owners of the objects at these places. Waits. Raises the first failure, after the others were filled in.
---@param list applications.credential_list
---@param places integer[]
---@param applications integer registrations of the tenant
function M.fill(list, places, applications)
  local rest = {}
  if count_registrations(list, places) / PER_BATCH > applications / PER_PAGE then read_with_list(list, places) end
  for _, place in ipairs(places) do
    if list.owners[place] == nil then rest[#rest + 1] = place end
  end
  read_in_batches(list, rest)
end

return M
