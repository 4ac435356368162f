--- Graph's paths and the properties of its types, from a table in the program. For completion and help; never to refuse
--- anything.

local fact_tables = require "base.fact_tables"

local M = {}

---@class repl.path
---@field path string "/users/{id}"
---@field methods string[]
---@field type string "user"; "" when nothing of interest is returned

local paths ---@type repl.path[]?
local types ---@type table<string, { name: string, kind: string }[]>?

local function split(text, pattern)
  local list = {}
  for word in text:gmatch(pattern) do list[#list + 1] = word end
  return list
end

--- All paths, sorted.
---@return repl.path[]
function M.all()
  if paths then return paths end
  paths = {}
  for i, row in ipairs(fact_tables.rows "stdlib/data/graph-paths.tsv") do
    paths[i] = { path = row[1], methods = split(row[2], "[^,]+"), type = row[3] }
  end
  return paths
end

local function all_types()
  if types then return types end
  types = {}
  for _, row in ipairs(fact_tables.rows "stdlib/data/graph-types.tsv") do
    local list = {}
    for i, word in ipairs(split(row[2], "%S+")) do
      local name, kind = word:match("^([^:]+):?(.*)$")
      list[i] = { name = name, kind = kind == "" and "text" or kind }
    end
    types[row[1]] = list
  end
  return types
end

--- The properties of a type. An object that is only known as a directory object may be a user.
---@param name string "user"
---@return { name: string, kind: string }[]
function M.properties(name)
  local list = all_types()[name] or {}
  if name ~= "directoryObject" then return list end
  return all_types().user
end

local function segments(path)
  return split(path:gsub("%?.*$", ""), "[^/]+")
end

-- Does a typed segment fit a segment of a template? An id fits {id}, and nothing else.
local function fits(template, typed)
  if template == "{id}" then return true end
  local name = template:match("^(.-)%(") -- applications(appId='{id}')
  return template == typed or (name ~= nil and template:gsub("{id}.*$", "") == typed:sub(1, #template:match("^(.-){")))
end

--- The path that a typed path is an instance of: "/users/ada@x" is "/users/{id}". Nil when there is none.
---@param typed string
---@return repl.path|nil
function M.find(typed)
  local wanted, best, literal = segments(typed), nil, -1
  for _, entry in ipairs(M.all()) do
    local parts, same = segments(entry.path), 0
    local ok = #parts == #wanted
    for i, part in ipairs(ok and parts or {}) do
      ok = ok and fits(part, wanted[i])
      if part == wanted[i] then same = same + 1 end
    end
    if ok and same > literal then best, literal = entry, same end
  end
  return best
end

--- What may follow `typed`, which ends with "/" or within a segment: whole segments, "{id}" among them.
---@param typed string "/users/", "/us"
---@return string[]
function M.next_segments(typed)
  local above = segments(typed:match("^(.*)/[^/]*$") or "")
  local found, list = {}, {}
  for _, entry in ipairs(M.all()) do
    local parts = segments(entry.path)
    local ok = #parts > #above
    for i, part in ipairs(above) do ok = ok and fits(parts[i], part) end
    local following = ok and parts[#above + 1]
    if following and not found[following] then list[#list + 1] = following end
    if following then found[following] = true end
  end
  table.sort(list)
  return list
end

return M
