--- Graph's paths and the properties of its types, from tables in the program. For completion and help only: a path that
--- the table does not have may exist.

local fact_tables = require "base.fact_tables"

local M = {}

---@class graph.paths.path
---@field path string "/users/{id}"
---@field methods string[]
---@field type string the type of the returned object: "user"; "" when the table has none

local known_paths ---@type graph.paths.path[]?
local known_types ---@type table<string, { name: string, kind: string }[]>?

local function split_table_field(text, pattern)
  local list = {}
  for word in text:gmatch(pattern) do list[#list + 1] = word end
  return list
end

--- All paths, sorted.
---@return graph.paths.path[]
function M.all()
  if known_paths then return known_paths end
  known_paths = {}
  for i, row in ipairs(fact_tables.rows "stdlib/data/graph-paths.tsv") do
    known_paths[i] = { path = row[1], methods = split_table_field(row[2], "[^,]+"), type = row[3] }
  end
  return known_paths
end

local function load_graph_types()
  if known_types then return known_types end
  known_types = {}
  for _, row in ipairs(fact_tables.rows "stdlib/data/graph-types.tsv") do
    local list = {}
    for i, word in ipairs(split_table_field(row[2], "%S+")) do
      local name, kind = word:match("^([^:]+):?(.*)$")
      list[i] = { name = name, kind = kind == "" and "text" or kind }
    end
    known_types[row[1]] = list
  end
  return known_types
end

--- The properties of a type. For directoryObject, the properties of user, because such an object may be a user.
---@param name string "user"
---@return { name: string, kind: string }[]
function M.properties(name)
  local list = load_graph_types()[name] or {}
  if name ~= "directoryObject" then return list end
  return load_graph_types().user
end

local function segments_of_graph_path(path)
  return split_table_field(path:gsub("%?.*$", ""), "[^/]+")
end

-- Does a typed segment fit a segment of a template? Every segment fits {id}.
local function fits_template_segment(template, typed)
  if template == "{id}" then return true end
  local name = template:match("^(.-)%(") -- applications(appId='{id}')
  return template == typed or (name ~= nil and template:gsub("{id}.*$", "") == typed:sub(1, #template:match("^(.-){")))
end

--- The path whose template a typed path fits: "/users/{id}" for "/users/ada@x"; nil when there is none.
---@param typed string
---@return graph.paths.path|nil
function M.find(typed)
  local wanted, best, literal = segments_of_graph_path(typed), nil, -1
  for _, entry in ipairs(M.all()) do
    local parts, same = segments_of_graph_path(entry.path), 0
    local ok = #parts == #wanted
    for i, part in ipairs(ok and parts or {}) do
      ok = ok and fits_template_segment(part, wanted[i])
      if part == wanted[i] then same = same + 1 end
    end
    if ok and same > literal then best, literal = entry, same end
  end
  return best
end

--- The segments that may follow a typed path, which ends with "/" or within a segment. "{id}" is one of them where an
--- id may follow.
---@param typed string "/users/", "/us"
---@return string[]
function M.next_segments(typed)
  local above = segments_of_graph_path(typed:match("^(.*)/[^/]*$") or "")
  local found, list = {}, {}
  for _, entry in ipairs(M.all()) do
    local parts = segments_of_graph_path(entry.path)
    local ok = #parts > #above
    for i, part in ipairs(above) do ok = ok and fits_template_segment(parts[i], part) end
    local following = ok and parts[#above + 1]
    if following and not found[following] then list[#list + 1] = following end
    if following then found[following] = true end
  end
  table.sort(list)
  return list
end

return M
