--- Classes whose methods and metatable cannot be reached through an object: the metatable is protected, and the table
--- of methods is not a member of an object. The functions of this module tell the class of an object.
--
--   local Counter = class("counter", { open = { "add" } })
--   function Counter:add(n) self.sum = self.sum + n end
--   function Counter:__tostring() return ("%d in all"):format(self.sum) end
--   local counter = Counter { sum = 0 }

local M = {}

local metatable_of = debug.getmetatable -- a protected metatable gives its name only

---@class class.options
---@field open string[]|"all"|nil the members of an object that a script may read, and the methods that it may call
---@field parent table? a class, whose methods the new class inherits

---@class class.description
---@field name string
---@field open table<string, true>
---@field opens_all boolean every member is open
---@field meta table of the objects

local description_of = setmetatable({}, { __mode = "k" }) ---@type table<table, class.description> by metatable
local metatable_for = setmetatable({}, { __mode = "k" }) ---@type table<table, table> by class

-- Return the function that stores a new member of a class: a metamethod in the metatable of the class's objects, any
-- other member in the table of methods.
local function new_member_setter(meta)
  return function(methods, name, value)
    if type(name) == "string" and name:sub(1, 2) == "__" then meta[name] = value else rawset(methods, name, value) end
  end
end

local function new_class(_, name, options)
  local methods, parent, open = {}, options and options.parent, {}
  local meta = {}
  for event, value in pairs(parent and metatable_for[parent] or {}) do meta[event] = value end
  meta.__name, meta.__metatable, meta.__index = name, name, methods
  for member in pairs(parent and description_of[metatable_for[parent]].open or {}) do open[member] = true end
  local added = options and options.open or {}
  for _, member in ipairs(added == "all" and {} or added) do open[member] = true end
  metatable_for[methods] = meta
  description_of[meta] = { name = name, open = open, opens_all = added == "all", meta = meta, parent = parent }
  return setmetatable(methods, {
    __name = "class", __metatable = "class", __index = parent, __newindex = new_member_setter(meta),
    __call = function(_, fields) return setmetatable(fields, meta) end,
  })
end

--- The class of an object; nil for any other value.
---@param value any
---@return class.description?
function M.of(value)
  return type(value) == "table" and description_of[metatable_of(value)] or nil
end

--- The class whose objects have this metatable; nil for any other table.
---@param meta table
---@return class.description?
function M.describe(meta) return description_of[meta] end

--- The name of an object's class; nil for any other value.
---@param value any
---@return string?
function M.name(value)
  local found = M.of(value)
  return found and found.name
end

--- Is the value an object of this class, or of a class that inherits from it?
---@param value any
---@param class table
---@return boolean
function M.is(value, class)
  local found = M.of(value)
  while found do
    if found.meta == metatable_for[class] then return true end
    found = found.parent and description_of[metatable_for[found.parent]]
  end
  return false
end

--- Make a class: `class "name"`. Methods and metamethods are added to the class that this returns. Calling the class
--- with a table of fields turns the table into an object.
return setmetatable(M, { __call = new_class })
