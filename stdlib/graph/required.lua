--- Which permissions and directory roles let a call of Graph through.
---
--- stdlib/data/calls.tsv has what each call needs, with its sources. Microsoft's own table misleads: it ignores what a
--- body sets, and names rare special-purpose permissions as the least.

local fact_tables = require "base.fact_tables"

local M = {}

---@alias graph.required.kind "application"|"delegated"

---@class graph.required.row
---@field call string "PATCH /users/{id}#passwordProfile"
---@field application string[][] alternatives, the least first, each of what counts together; empty: impossible
---@field delegated string[][]
---@field roles string[][]? directory roles that do, the weakest first; empty: a member needs none; nil: not known
---@field source string

local METHODS = {} -- the key under which a node of the tree holds its rows
local tree ---@type table? of paths

local function alternatives(text)
  local list = {}
  for one in text:gmatch("[^,]+") do
    local together = {}
    for name in one:gmatch("[^+]+") do together[#together + 1] = name end
    list[#list + 1] = together
  end
  return list
end

local function roles_of(text)
  if text == "" then return nil end
  return text == "member" and {} or alternatives(text)
end

local function add_row(method, path, row)
  local node = tree
  for segment in path:gsub("#.*", ""):gmatch("[^/]+") do
    node[segment] = node[segment] or {}
    node = node[segment]
  end
  node[METHODS] = node[METHODS] or {}
  local member = path:match("#(.*)$") or ""
  node[METHODS][method .. "#" .. member:lower()] = row
end

local function load_tree()
  tree = {}
  for _, fields in ipairs(fact_tables.rows "stdlib/data/calls.tsv") do
    local method, path, application, delegated, roles, source = table.unpack(fields)
    if delegated == "=" then delegated = application end
    add_row(method, path, {
      call = method .. " " .. path, application = alternatives(application), delegated = alternatives(delegated),
      roles = roles_of(roles), source = source,
    })
  end
end

-- "/applications(uniqueName='x')/owners/microsoft.graph.user/$count" -> { "applications", "{id}", "owners" }
local function segments_of(path)
  local list = {}
  for segment in path:lower():gmatch("[^/]+") do
    local name, inside = segment:match("^([^(]+)%((.*)%)$")
    list[#list + 1] = name or segment
    if inside then list[#list + 1] = "{id}" end
  end
  if list[#list] == "$count" then list[#list] = nil end
  return list
end

local function walk(segments)
  local node = tree
  for _, segment in ipairs(segments) do
    node = node[segment] or segment ~= "*" and node["{id}"]
    if not node then return nil end
  end
  return node[METHODS]
end

local function rows_at(path)
  if not tree then load_tree() end
  local segments = segments_of(path)
  local found = walk(segments)
  if not found and (segments[#segments] or ""):find("^microsoft%.graph%.") then -- a cast
    segments[#segments] = nil
    found = walk(segments)
  end
  return found
end

--- What a call needs; several rows when its members need different things. Empty when
--- nothing is known of it.
---@param method string
---@param path string a template as in needs, or a real path
---@param members string[]? of the body, where they are known
---@return graph.required.row[]
function M.rows(method, path, members)
  local there = rows_at(path)
  if not there then return {} end
  local base, found, seen = there[method .. "#"], {}, {}
  for _, member in ipairs(members or {}) do
    local row = there[method .. "#" .. member:lower()] or base
    if row and not seen[row] then found[#found + 1] = row end
    if row then seen[row] = true end
  end
  if #found == 0 then found[1] = base end
  return found
end

local function has_all(held, together)
  for _, name in ipairs(together) do
    if not held[name] then return false end
  end
  return true
end

--- Is one of the alternatives held?
---@param held table<string, boolean>
---@param list string[][]
---@return boolean
function M.covers(held, list)
  for _, together in ipairs(list) do
    if has_all(held, together) then return true end
  end
  return false
end

return M
