--- Definitions for editors that are made of tables and rules in the program: Graph's paths and the types of what they
--- answer, and the members that a policy or a script may have.

local load_rule = require("script.load").rule
local paths = require "graph.paths"
local policy_rule = require("policy.declaration").rule
local sets = require "base.sets"

local M = {}

---------------------------------------------------------------------------
-- Graph

local KINDS = { text = "string", time = "string", boolean = "boolean", number = "number", list = "table[]",
  object = "table" }

local function add_entity(lines, name)
  lines[#lines + 1] = ""
  lines[#lines + 1] = "---@class graph.entity." .. name
  for _, property in ipairs(paths.properties(name)) do
    local text = property.kind == "time" and " a moment: time.parse reads it" or ""
    lines[#lines + 1] = ("---@field %s %s?%s"):format(property.name, KINDS[property.kind], text)
  end
end

--- The names of the types that the paths answer with, sorted.
---@return string[]
function M.entities()
  local names = {}
  for _, entry in ipairs(paths.all()) do
    if entry.type ~= "" and #paths.properties(entry.type) > 0 then names[entry.type] = true end
  end
  return sets.sorted(names)
end

--- The text of the file for Graph: a class for each type, and the paths.
---@return string
function M.graph_types()
  local lines = {
    "---@meta graph_types",
    "--- What Graph answers, as far as the program knows: each member may be missing, or null (json.null).",
  }
  for _, name in ipairs(M.entities()) do add_entity(lines, name) end
  lines[#lines + 1] = "\n--- The paths that the program knows. Others may exist. For {id}: graph.path(\"/users/{id}\", "
    .. "id).\n---@alias graph.address string"
  for _, entry in ipairs(paths.all()) do
    lines[#lines + 1] = ("---| %q # %s%s"):format(entry.path, table.concat(entry.methods, ", "),
      entry.type ~= "" and ": " .. entry.type or "")
  end
  return table.concat(lines, "\n") .. "\n"
end

-- What a function returns for a list of such objects.
local OF_LIST = { list = "fun(): graph.entity.%s?", all = "graph.entity.%s[]", first = "graph.entity.%s?",
  get = "{ value: graph.entity.%s[] }" }

local function is_list(path)
  for _, entry in ipairs(paths.all()) do
    if entry.path == path .. "/{id}" then return true end
  end
  return false
end

--- The overloads of a function of `graph`, for paths without an id: what it returns.
---@param name string "list"
---@return string[] lines
function M.graph_overloads(name)
  local lines = {}
  for _, entry in ipairs(paths.all()) do
    local is_plain = entry.type ~= "" and #paths.properties(entry.type) > 0 and not entry.path:find("{", 1, true)
    local given = OF_LIST[name]
    if is_plain and given and is_list(entry.path) then
      lines[#lines + 1] = ("---@overload fun(path: %q, options: graph.options?): " .. given)
        :format(entry.path, entry.type)
    elseif entry.path == "/me" and name == "get" then
      lines[#lines + 1] = ("---@overload fun(path: %q, options: graph.options?): graph.entity.%s")
        :format(entry.path, entry.type)
    end
  end
  return lines
end

---------------------------------------------------------------------------
-- Members

local type_of_rule

local function members_text(rule)
  local parts = {}
  for _, name in ipairs(sets.sorted(rule.members)) do
    local member = rule.members[name]
    parts[#parts + 1] = ("%s: %s%s"):format(name, type_of_rule(member), member.required and "" or "?")
  end
  return ("{ %s }"):format(table.concat(parts, ", "))
end

function type_of_rule(rule)
  if rule.choices then
    local words = {}
    for i, word in ipairs(rule.choices) do words[i] = ("%q"):format(word) end
    return ("(%s)"):format(table.concat(words, "|"))
  end
  if rule.members then return members_text(rule) end
  local types = type(rule.type) == "table" and table.concat(rule.type, "|") or rule.type
  if types == "table" and rule.each then return ("table<any, %s>"):format(type_of_rule(rule.each)) end
  return types:find("|", 1, true) and ("(%s)"):format(types) or types
end

local function fields_class(name, doc, rule)
  local lines = { "", "--- " .. doc, "---@class " .. name }
  for _, member in ipairs(sets.sorted(rule.members)) do
    local one = rule.members[member]
    lines[#lines + 1] = ("---@field %s %s%s"):format(member, type_of_rule(one), one.required and "" or "?")
  end
  return table.concat(lines, "\n")
end

--- The classes of the members that files of a person may have.
---@return string
function M.field_types()
  return fields_class("policy.fields", "The members of a policy: moonlatch-policy(5).", policy_rule)
    .. "\n" .. fields_class("script.fields", "The members of a script: moonlatch-scripts(7).", load_rule) .. "\n"
end

return M
