--- Goes through all that a script can reach from some values, and tells what it must not: native handles, coroutines
--- and functions of the library as they are, and tables that the library or another script can reach as well.

local border = require "script.border"
local class = require "base.class"
local interfaces = require "script.interfaces"
local json = require "host.json"
local secret = require "host.secret"

local M = {}

local OF_BORDER = { ["script.border"] = true, ["script.sandbox"] = true }

local function source_of(fn) return debug.getinfo(fn, "S").source end

local LIBRARY = source_of(border.new):match "^(.*)script/border%.lua$" -- "@stdlib/"

local function module_of(fn)
  local source = source_of(fn)
  return source:sub(1, #LIBRARY) == LIBRARY and source:sub(#LIBRARY + 1):match "^(.+)%.lua$" or nil
end

local function is_of_border(fn)
  local name = module_of(fn)
  return name and OF_BORDER[name:gsub("/", ".")]
end

---------------------------------------------------------------------------
-- What the library reaches

local function upvalues_of(fn)
  local list = {}
  for n = 1, 255 do
    local name, value = debug.getupvalue(fn, n)
    if not name then break end
    list[n] = value == nil and false or value
  end
  return list
end

-- The next values below one, with their names.
local function below(value)
  local list = {}
  if type(value) == "function" then
    return module_of(value) and not is_of_border(value) and upvalues_of(value) or {}
  end
  local meta = debug.getmetatable(value)
  local is_weak = type(meta) == "table" and tostring(rawget(meta, "__mode")):find "k" -- nobody reads what is its key
  for key, member in next, value do list[#list + 1], list[#list + 2] = not is_weak and key, member end
  list[#list + 1] = meta
  return list
end

--- All tables that the library reaches: from its modules, by members, metatables and what its functions hold.
---@return table<table, true>
function M.of_library()
  local seen, left = {}, {}
  for name, module in pairs(package.loaded) do
    local is_ours = not OF_BORDER[name] and (interfaces.of(name) or name:find "^host%." or name:find "%.")
    if is_ours and (type(module) == "table" or type(module) == "function" and module_of(module)) then
      left[#left + 1] = module
    end
  end
  while #left > 0 do
    local value = table.remove(left)
    if not seen[value] then
      seen[value] = true
      for _, member in ipairs(below(value)) do
        if type(member) == "table" or type(member) == "function" then left[#left + 1] = member end
      end
    end
  end
  return seen
end

---------------------------------------------------------------------------
-- What a script reaches

---@class walk.finding
---@field path string how a script gets there
---@field what string

---@class walk
---@field globals table of the script
---@field seen table<any, string> value -> path
---@field tables table<table, string> what it can write
---@field findings walk.finding[]

local function find(walk, path, what) table.insert(walk.findings, { path = path, what = what }) end

-- Names that are worth a try on a face: all that its object and its class have.
local function names_of(object)
  local names = {}
  while type(object) == "table" do
    for key in next, object do names[key] = true end
    local meta = debug.getmetatable(object)
    object = meta and type(meta.__index) == "table" and meta.__index or meta and meta.parent
  end
  return names
end

local visit

local function visit_metatable(walk, value, path)
  local meta = walk.globals.getmetatable(value)
  if type(meta) ~= "string" then visit(walk, meta, ("getmetatable(%s)"):format(path)) end
end

local function visit_members(walk, value, path)
  local names = names_of(border.library_value_of(value))
  for key in walk.globals.pairs(value) do names[key] = true end
  for key in pairs(names) do
    local ok, member = pcall(function() return value[key] end)
    if ok then visit(walk, member, ("%s.%s"):format(path, tostring(key))) end
    visit(walk, key, path .. " (a key)")
  end
end

local function visit_table(walk, value, path)
  if not border.is_face_or_view(value) then
    walk.tables[value] = path
    if class.of(value) and class.name(value) ~= "failure" then find(walk, path, "an object as the library has it") end
    if walk.library[value] then find(walk, path, "a table that the library reads, and a script can write") end
  end
  visit_metatable(walk, value, path)
  visit_members(walk, value, path)
end

local function visit_function(walk, value, path)
  local name = module_of(value)
  if not name or border.library_value_of(value) ~= value or is_of_border(value) then return end
  local how = interfaces.of((name:gsub("/", ".")))
  if not (how and how.raw) and not walk.plain[value] then find(walk, path, "a function as the library has it") end
end

local VISITORS = {
  table = visit_table,
  ["function"] = visit_function,
  thread = function(walk, _, path) find(walk, path, "a coroutine") end,
  userdata = function(walk, value, path)
    if value == json.null or secret.is(value) then return end
    local meta = debug.getmetatable(value)
    find(walk, path, "a native handle: " .. tostring(meta and meta.__name))
  end,
}

function visit(walk, value, path)
  local visitor = VISITORS[type(value)]
  if not visitor or walk.seen[value] then return end
  walk.seen[value] = path
  visitor(walk, value, path)
end

-- Functions of interfaces whose values need no conversion are seen as they are.
local function plain_functions()
  local plain = {}
  for _, name in ipairs(interfaces.names()) do
    for _, value in pairs(interfaces.of(name).raw and require(name) or {}) do plain[value] = true end
  end
  return plain
end

--- Walk from these values, as a script with these globals can.
---@param globals table
---@param roots table<string, any>
---@return walk
function M.from(globals, roots)
  local walk = {
    globals = globals, seen = {}, tables = {}, findings = {}, library = M.of_library(), plain = plain_functions(),
  }
  for name, value in pairs(roots) do visit(walk, value, name) end
  return walk
end

--- The tables that both walks reached and can write.
---@param one walk
---@param other walk
---@return walk.finding[]
function M.shared(one, other)
  local findings = {}
  for value, path in pairs(one.tables) do
    if other.tables[value] then
      findings[#findings + 1] = { path = path, what = "a table that two scripts can write" }
    end
  end
  return findings
end

--- As text, for a failing test.
---@param findings walk.finding[]
---@return string
function M.text(findings)
  local lines = {}
  for i, one in ipairs(findings) do lines[i] = ("%s: %s"):format(one.path, one.what) end
  table.sort(lines)
  return table.concat(lines, "\n")
end

return M
