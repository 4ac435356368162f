--- For tests of the library's inside in the real program: `moonlatch --stdlib tests/inside …` is the program as it is
--- built, but scripts and -e may require every module of the library, unchanged and without a border.

local sys = require "host.sys"

local AS_IT_IS = { arguments = "as they are", depth = 0, raw = true }

local function path_of(name) return ("stdlib/%s.lua"):format((name:gsub("%.", "/"))) end

local function chunk_of(path) return assert(load(sys.embedded(path), "@" .. path)) end

local function inside(name) return name:find "^host%." or sys.embedded(path_of(name)) end

-- The list of interfaces, on which all is.
local function opened()
  local interfaces = chunk_of(path_of "script.interfaces")()
  local of = interfaces.of
  function interfaces.of(name) return of(name) or inside(name) and AS_IT_IS or nil end
  return interfaces
end

table.insert(package.searchers, 1, function(name)
  if name == "script.interfaces" then return opened end
  return sys.embedded(path_of(name)) and chunk_of(path_of(name)) or nil
end)

package.loaded["command.main"] = nil
return chunk_of(path_of "command.main")()
