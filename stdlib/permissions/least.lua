--- The least permissions and directory roles that a set of Graph calls needs.
---
--- stdlib/data/calls.tsv has what each call needs, with its sources. Microsoft's own table misleads: it ignores what a
--- body sets, and names rare special-purpose permissions as the least.

local required = require "graph.required"
local sets = require "base.sets"

local M = {}

---@class permissions.need
---@field entry string as it was declared
---@field row graph.required.row

---@class permissions.least
---@field application string[] sorted
---@field delegated string[]
---@field roles string[] the weakest directory roles that a person needs
---@field needs permissions.need[]
---@field unknown string[] declared calls that the table does not have
---@field unavailable table<graph.required.kind, string[]> declared calls that this kind of principal cannot make at all
---@field roles_unknown string[] calls whose role is not known
---@field notes string[]

local function missing_permissions(held, together)
  local list = {}
  for _, name in ipairs(together) do
    if not held[name] then list[name] = true end
  end
  return list
end

local function is_permission_subset(some, all)
  for name in pairs(some) do
    if not all[name] then return false end
  end
  return true
end

-- The first alternative, unless another alternative adds only a part of what the first would add to `held`.
local function cheapest_alternative(held, list)
  local best
  for _, together in ipairs(list) do
    local added, added_by_best = missing_permissions(held, together), best and missing_permissions(held, best)
    if not best or is_permission_subset(added, added_by_best) and not is_permission_subset(added_by_best, added) then
      best = together
    end
  end
  return best
end

local function covers_every_list(held, wanted)
  for _, list in ipairs(wanted) do
    if not required.covers(held, list) then return false end
  end
  return true
end

-- The names to add so that each list of alternatives is covered: first the lists with one alternative, then the
-- cheapest alternative of each other list; at the end, names that are needless after all are taken out.
---@param wanted string[][][] lists of alternatives
---@param had string[]? names that the holder has already, and keeps
local function least_permissions_added(wanted, had)
  local held = sets.of(had)
  local function add_cheapest(list)
    for _, name in ipairs(cheapest_alternative(held, list)) do held[name] = true end
  end
  for _, list in ipairs(wanted) do
    if #list == 1 then add_cheapest(list) end
  end
  for _, list in ipairs(wanted) do
    if not required.covers(held, list) then add_cheapest(list) end
  end
  for _, name in ipairs(had or {}) do held[name] = nil end
  local added = sets.sorted(held)
  for _, name in ipairs(had or {}) do held[name] = true end
  for i = #added, 1, -1 do
    held[added[i]] = nil
    if covers_every_list(held, wanted) then table.remove(added, i) else held[added[i]] = true end
  end
  return added
end

---------------------------------------------------------------------------
-- A script's needs

local function split_needs_entry(entry)
  local method, path, members = entry:match("^(%u+) ([^#]+)#?(.*)$")
  local list = {}
  for member in (members or ""):gmatch("[^,]+") do list[#list + 1] = member end
  return method, path, list
end

local function permission_rows_of_entries(entries)
  local needs, unknown = {}, {}
  for _, entry in ipairs(entries) do
    local rows = required.rows(split_needs_entry(entry))
    for _, row in ipairs(rows) do needs[#needs + 1] = { entry = entry, row = row } end
    if #rows == 0 then unknown[#unknown + 1] = entry end
  end
  return needs, unknown
end

-- Remarks on calls whose needs are greater, or less certain, than their rows say.
local NOTES = {
  ["PATCH /users/{id}"] = "PATCH /users/{id} without members: a password and accountEnabled need permissions of their "
    .. "own; say PATCH /users/{id}#passwordProfile where that is what is set.",
  ["PATCH /users/{id}#passwordProfile"] = "Passwords: whether an application needs a directory role besides the "
    .. "permission, Microsoft's pages contradict each other; it is not known before a first reset. For users with "
    .. "admin roles one is needed, by the table of who may reset whom: Privileged Authentication Administrator reaches "
    .. "all.",
  ["POST /serviceprincipals/{id}/approleassignedto"] = "App roles: Privileged Role Administrator is for those of "
    .. "Microsoft Graph; for those of other APIs Cloud Application Administrator does.",
  ["GET /users"] = "GET /users: User.ReadBasic.All does where only displayName, givenName, id, mail, surname and "
    .. "userPrincipalName are read.",
  -- hashicorp/terraform-provider-azuread issue 939 (2022), and a log of 2026
  ["POST /applications"] = "Creating an application: a person needs no role where the tenant lets its members register "
    .. "applications. An application with Application.ReadWrite.OwnedBy alone was refused (403) in two reports, so "
    .. "creating may take Application.ReadWrite.All.",
}
NOTES["POST /serviceprincipals/{id}/approleassignments"] = NOTES["POST /serviceprincipals/{id}/approleassignedto"]

-- An upsert by its own key creates, too.
local function note_on(need)
  return NOTES[need.entry:find "^PATCH /applications%(uniqueName" and "POST /applications" or need.row.call]
end

local function notes_on_needs(needs)
  local notes, said = {}, {}
  for _, need in ipairs(needs) do
    local note = note_on(need)
    local silent = need.row.call == "PATCH /users/{id}" and need.entry:find("#", 1, true)
    if note and not silent and not said[note] then notes[#notes + 1] = note end
    if note then said[note] = true end
  end
  return notes
end

-- The least names of this kind that the needs require; and the entries of calls that this kind of principal cannot
-- make, or whose roles are unknown.
local function least_for_needs(needs, kind)
  local wanted, impossible = {}, {}
  for _, need in ipairs(needs) do
    local list = need.row[kind]
    if not list or (#list == 0 and kind ~= "roles") then impossible[#impossible + 1] = need.entry end
    if list and #list > 0 then wanted[#wanted + 1] = list end
  end
  return least_permissions_added(wanted), impossible
end

--- The least permissions and roles that these calls need.
---@param entries string[] as in needs.graph
---@return permissions.least
function M.least(entries)
  local needs, unknown = permission_rows_of_entries(entries)
  local application, without_app = least_for_needs(needs, "application")
  local delegated, without_person = least_for_needs(needs, "delegated")
  local roles, roles_unknown = least_for_needs(needs, "roles")
  return {
    application = application, delegated = delegated, roles = roles, needs = needs, unknown = unknown,
    unavailable = { application = without_app, delegated = without_person }, roles_unknown = roles_unknown,
    notes = notes_on_needs(needs),
  }
end

--- The calls that need this permission or role: the calls that are not covered without it.
---@param least permissions.least
---@param kind graph.required.kind|"roles"
---@param name string
---@return string[] entries
function M.reasons(least, kind, name)
  local held, found = {}, {}
  for _, other in ipairs(least[kind]) do held[other] = other ~= name or nil end
  for _, need in ipairs(least.needs) do
    local list = need.row[kind]
    if list and #list > 0 and not required.covers(held, list) then found[#found + 1] = need.entry end
  end
  return found
end

---@class permissions.difference
---@field missing string[] the least names to add
---@field blocked string[] calls that are refused without them
---@field needless string[] names that the holder has, and that none of the calls needs

--- Compare what the calls need with what a holder has.
---@param least permissions.least
---@param kind graph.required.kind|"roles"
---@param held string[]
---@return permissions.difference
function M.compare(least, kind, held)
  local set, wanted, covered, blocked, needless = sets.of(held), {}, {}, {}, {}
  for _, need in ipairs(least.needs) do
    local list = need.row[kind]
    if list and #list > 0 and not required.covers(set, list) then
      blocked[#blocked + 1], wanted[#wanted + 1] = need.entry, list
    elseif list and #list > 0 then
      covered[#covered + 1] = list
    end
  end
  local lacking = least_permissions_added(wanted, held)
  for _, name in ipairs(held) do
    set[name] = nil
    if covers_every_list(set, covered) then needless[#needless + 1] = name else set[name] = true end
  end
  return { missing = lacking, blocked = blocked, needless = needless }
end

return M
