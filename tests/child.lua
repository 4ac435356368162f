--- Lua in a process of its own: the built moonlatch with another `cli`.

local process = require "host.process"
local sys = require "host.sys"

local M = {}

local Folder = { __name = "folder" }
Folder.__index = Folder

function Folder:__close()
  assert(sys.remove_tree(self.path))
end

--- A private folder that goes when its variable does.
---@return { path: string }
function M.folder()
  return setmetatable({ path = assert(sys.temporary("moonlatch-spec-")) }, Folder)
end

--- Arguments that run `body`, a Lua chunk that gets the arguments, with the native modules there.
---@param place { path: string } where the chunk is kept
---@param body string
---@param ... string
---@return string[]
function M.arguments(place, body, ...)
  local name = "/lua-" .. #assert(sys.list(place.path))
  assert(sys.mkdir(place.path .. name))
  local text = ("return { main = function(arguments) %s end }"):format(body)
  assert(sys.write(place.path .. name .. "/cli.lua", text, "new"))
  local arguments = { "/usr/bin/env" }
  for _, option in ipairs { "ASAN_OPTIONS", "LSAN_OPTIONS" } do
    if os.getenv(option) then arguments[#arguments + 1] = option .. "=" .. os.getenv(option) end
  end
  for _, word in ipairs { os.getenv("MOONLATCH"), "--stdlib", place.path .. name, ... } do
    arguments[#arguments + 1] = word
  end
  return arguments
end

--- The same below strace, which the leak checker cannot work under.
---@param options string[] of strace
---@param arguments string[]
---@return string[]
function M.traced(options, arguments)
  local all = { "/usr/bin/strace", "-f", "-qq", table.unpack(options) }
  for _, word in ipairs(arguments) do
    if word == os.getenv("MOONLATCH") then all[#all + 1] = "ASAN_OPTIONS=detect_leaks=0" end
    all[#all + 1] = word
  end
  return all
end

--- Start it.
---@return host.process.child
function M.start(place, body, ...)
  return assert(process.start(M.arguments(place, body, ...)))
end

return M
