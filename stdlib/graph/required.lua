--- Which permissions and directory roles let a call of Graph through.
---
--- stdlib/data/calls.tsv has what each call needs, with its sources. Microsoft's own table misleads: it ignores what a
--- body sets, and names rare special-purpose permissions as the least.

local fact_tables = require "base.fact_tables"

local M = {}

---@alias graph.required.kind "application"|"delegated"

---@class graph.required.row
---@field call string "PATCH /users/{id}#passwordProfile"
---@field application string[][] alternatives, the least first; each is a list of permissions that are needed together;
--- empty: an application cannot make the call
---@field delegated string[][] the same for a person
---@field roles string[][]? alternatives of directory roles, the weakest first; empty: a member needs no role; nil: not
--- known
---@field source string

local ROWS = {} -- the key under which a node of the tree has its rows
local path_tree ---@type table? segment -> node, from the root

local function parse_alternatives(text)
  local list = {}
  for one in text:gmatch("[^,]+") do
    local together = {}
    for name in one:gmatch("[^+]+") do together[#together + 1] = name end
    list[#list + 1] = together
  end
  return list
end

local function parse_roles(text)
  if text == "" then return nil end
  return text == "member" and {} or parse_alternatives(text)
end

local function add_call_row(method, path, row)
  local node = path_tree
  for segment in path:gsub("#.*", ""):gmatch("[^/]+") do
    node[segment] = node[segment] or {}
    node = node[segment]
  end
  node[ROWS] = node[ROWS] or {}
  local member = path:match("#(.*)$") or ""
  node[ROWS][method .. "#" .. member:lower()] = row
end

local function load_path_tree()
  path_tree = {}
  for _, fields in ipairs(fact_tables.rows "stdlib/data/calls.tsv") do
    local method, path, application, delegated, roles, source = table.unpack(fields)
    if delegated == "=" then delegated = application end
    add_call_row(method, path, {
      call = method .. " " .. path, application = parse_alternatives(application),
      delegated = parse_alternatives(delegated), roles = parse_roles(roles), source = source,
    })
  end
end

-- Split a path into segments. A key in parentheses becomes the segment "{id}", and "/$count" at the end is dropped:
-- "/applications(uniqueName='x')/owners/$count" gives { "applications", "{id}", "owners" }.
local function segments_of_call_path(path)
  local list = {}
  for segment in path:lower():gmatch("[^/]+") do
    local name, inside = segment:match("^([^(]+)%((.*)%)$")
    list[#list + 1] = name or segment
    if inside then list[#list + 1] = "{id}" end
  end
  if list[#list] == "$count" then list[#list] = nil end
  return list
end

local function permission_rows_of_segments(segments)
  local node = path_tree
  for _, segment in ipairs(segments) do
    node = node[segment] or segment ~= "*" and node["{id}"]
    if not node then return nil end
  end
  return node[ROWS]
end

local function permission_rows_of_path(path)
  if not path_tree then load_path_tree() end
  local segments = segments_of_call_path(path)
  local found = permission_rows_of_segments(segments)
  if not found and (segments[#segments] or ""):find("^microsoft%.graph%.") then -- a cast
    segments[#segments] = nil
    found = permission_rows_of_segments(segments)
  end
  return found
end

--- The rows of the table for a call: several rows when the members of its body need different permissions; none when
--- the table does not have the call.
---@param method string
---@param path string a template as in needs, or the path of a request
---@param members string[]? the members of the body, where they are known
---@return graph.required.row[]
function M.rows(method, path, members)
  local rows_here = permission_rows_of_path(path)
  if not rows_here then return {} end
  local base, found, seen = rows_here[method .. "#"], {}, {}
  for _, member in ipairs(members or {}) do
    local row = rows_here[method .. "#" .. member:lower()] or base
    if row and not seen[row] then found[#found + 1] = row end
    if row then seen[row] = true end
  end
  if #found == 0 then found[1] = base end
  return found
end

local function has_all_permissions(held, together)
  for _, name in ipairs(together) do
    if not held[name] then return false end
  end
  return true
end

--- Does the holder have all permissions of one of the alternatives?
---@param held table<string, boolean> permissions or roles
---@param list string[][] alternatives
---@return boolean
function M.covers(held, list)
  for _, together in ipairs(list) do
    if has_all_permissions(held, together) then return true end
  end
  return false
end

return M
