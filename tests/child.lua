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
  assert(sys.mkdir(place.path .. name .. "/command"))
  assert(sys.write(place.path .. name .. "/command/main.lua", text, "new"))
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
---@param options string[] of strace; they name the system calls to stop at, "trace=…"
---@param arguments string[]
---@return string[]
function M.traced(options, arguments)
  local all = { "/usr/bin/strace", "-f", "-qq", table.unpack(options) }
  -- A signal is not delivered where the filter stops (strace 6.1).
  local sends_signal = table.concat(options, " "):find("signal=", 1, true)
  if not sends_signal then table.insert(all, 2, "--seccomp-bpf") end
  for _, word in ipairs(arguments) do
    if word == os.getenv("MOONLATCH") then all[#all + 1] = "ASAN_OPTIONS=detect_leaks=0" end
    all[#all + 1] = word
  end
  return all
end

--- Play a person at a program that runs `body`; steps are pairs of what to wait for and what to type.
---@param place { path: string }
---@param steps string[] also TERM
---@param body string
---@return { status: integer, echo: boolean, shown: string }
function M.play(place, steps, body)
  local arguments = { "/usr/bin/env", "TERM=" .. (steps.TERM or "xterm") }
  for _, option in ipairs { "ASAN_OPTIONS", "LSAN_OPTIONS" } do
    if os.getenv(option) then arguments[#arguments + 1] = option .. "=" .. os.getenv(option) end
  end
  for _, word in ipairs { "/usr/bin/python3", SOURCE .. "/tests/terminal.py" } do arguments[#arguments + 1] = word end
  for _, word in ipairs(steps) do arguments[#arguments + 1] = word end
  arguments[#arguments + 1] = "--"
  for _, word in ipairs(M.arguments(place, body)) do arguments[#arguments + 1] = word end
  local person <close> = assert(process.start(arguments))
  local status, echo, lines = tonumber(person:line(30)), person:line(5), {}
  for line in function() return person:line(5) end do lines[#lines + 1] = line end
  return { status = status, echo = echo == "on", shown = table.concat(lines, "\n") }
end

--- Start it.
---@return host.process.child
function M.start(place, body, ...)
  return assert(process.start(M.arguments(place, body, ...)))
end

return M
