--- A library of its own for one process of ours: every Lua module of stdlib is loaded
--- anew and keeps its own state, as in a program of its own. The native modules are shared.

local M = {}

--- Changes the text of a module before it is compiled: to see whether a fault put in is found.
M.edit = nil ---@type nil|fun(name: string, text: string): string

local STDLIB = SOURCE .. "/stdlib/"
-- Tables that nobody changes, and long to read.
local SHARED = { ["base.fact_tables"] = true, ["graph.required"] = true }

local compiled = {} ---@type table<string, { code: string, path: string }|false> by module

-- The compiled file of a stdlib module; false when it is no file of stdlib.
local function compile(name)
  if compiled[name] == nil then
    local path = STDLIB .. name:gsub("%.", "/") .. ".lua"
    local file = io.open(path, "rb")
    local text = file and file:read "a"
    if file then file:close() end
    if text and M.edit then text = M.edit(name, text) end
    compiled[name] = text and { code = string.dump(assert(load(text, "@" .. path, "t"))), path = path } or false
  end
  return compiled[name]
end

-- How much garbage there may be is the simulation's to say.
local function keep_garbage(what) return what == "count" and collectgarbage "count" or 0 end

--- Compile everything anew.
function M.forget() compiled = {} end

---@class simulate.universe
---@field require fun(name: string): any
---@field loaded table<string, any>

--- A new one. Nothing is loaded yet.
---@return simulate.universe
function M.new()
  local self = { loaded = {} }
  local own_package = setmetatable({ loaded = self.loaded }, { __index = package })
  local env = setmetatable({ package = own_package }, { __index = _G })
  env._G = env
  env.collectgarbage = keep_garbage
  function env.require(name)
    local known = self.loaded[name]
    if known ~= nil then return known end
    local found = not SHARED[name] and not name:find("^host%.") and compile(name)
    if not found then return require(name) end
    local value = load(found.code, "@" .. found.path, "b", env)(name, found.path)
    if self.loaded[name] == nil then self.loaded[name] = value == nil and true or value end
    return self.loaded[name]
  end
  self.require = env.require
  return self
end

return M
