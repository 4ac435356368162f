--- The types of Graph: which properties they have, which come without $select, which a client may write; and rows in
--- that form.

local fact_tables = require "base.fact_tables"
local json = require "json"

local M = {}

---@class emulator.property
---@field name string
---@field kind "string"|"boolean"|"integer"|"number"|"array"|"object"
---@field default boolean does it come without $select?
---@field nullable boolean
---@field read_only boolean
---@field navigation boolean does it come only with $expand?

local types ---@type table<string, {list: emulator.property[], by_name: table<string, emulator.property>}>

local function load_types()
  types = {}
  for _, fields in ipairs(fact_tables.rows("scripts/emulator/data/properties.tsv")) do
    local name, flags = fields[1], fields[4]
    types[name] = types[name] or { list = {}, by_name = {} }
    local property = {
      name = fields[2],
      kind = fields[3],
      default = flags:find("d") ~= nil,
      nullable = flags:find("n") ~= nil,
      read_only = flags:find("r") ~= nil,
      navigation = flags:find("v") ~= nil,
    }
    table.insert(types[name].list, property)
    types[name].by_name[property.name] = property
  end
end

local function type_of(name)
  if not types then load_types() end
  return types[name] or error(("no table of the properties of %q"):format(name), 3)
end

--- A property of a type; nil when it has none of that name.
---@param type_name string "application"
---@param name string
---@return emulator.property?
function M.property(type_name, name)
  return type_of(type_name).by_name[name]
end

--- The name of a property that was spelt in another case; nil when there is none.
---@param type_name string
---@param name string
---@return string?
function M.spelling(type_name, name)
  local wanted = name:lower()
  for _, property in ipairs(type_of(type_name).list) do
    if property.name:lower() == wanted then return property.name end
  end
end

local function form(property, value)
  if value ~= nil then return value end
  if property.kind == "array" then return json.array {} end
  if property.nullable then return json.null end
  return nil
end

--- A row as an answer shows it: the selected properties, or the default ones.
---@param type_name string
---@param row table
---@param select string[]?
---@return table
function M.show(type_name, row, select)
  local shown = {}
  local type_table = type_of(type_name)
  if select then
    for _, name in ipairs(select) do
      local property = type_table.by_name[name]
      if property then shown[name] = form(property, row[name]) end -- mixed lists select for several types
    end
    return shown
  end
  for _, property in ipairs(type_table.list) do
    if property.default then shown[property.name] = form(property, row[property.name]) end
  end
  return shown
end

--- The names in a $select that the type has.
---@param type_name string
---@param select string
---@return string[]
function M.names(type_name, select)
  local list = {}
  for name in select:gmatch("[^,%s]+") do
    if M.property(type_name, name) then list[#list + 1] = name end
  end
  return list
end

local LUA_TYPES = { string = "string", boolean = "boolean", array = "table", object = "table" }

local function fits(property, value)
  if value == json.null then return property.nullable end
  local wanted = LUA_TYPES[property.kind]
  if not wanted then return math.type(value) ~= nil end
  if type(value) ~= wanted then return false end
  return property.kind ~= "array" or json.is_array(value) or next(value) == nil
end

--- What is wrong with a body that writes to this type; nil when nothing is wrong.
---@param type_name string
---@param body table
---@param allowed table<string, boolean>? read-only properties that may be set by this call
---@return string? message
function M.refusal(type_name, body, allowed)
  for name, value in pairs(body) do
    local property = M.property(type_name, name)
    if not property and not name:find("@odata.", 1, true) then
      return ("Invalid property '%s'."):format(name)
    elseif property and property.read_only and not (allowed and allowed[name]) then
      return ("Property '%s' is read-only and cannot be set."):format(name)
    elseif property and not fits(property, value) then
      return ("Invalid value specified for property '%s' of resource '%s'."):format(name,
        type_name:sub(1, 1):upper() .. type_name:sub(2))
    end
  end
end

--- Does a body have this member, with another value than null?
---@param value any
---@return boolean
function M.is_given(value) return value ~= nil and value ~= json.null end

return M
