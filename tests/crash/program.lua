--- Programs beside each other, waited for as tasks: what they write goes to
--- files, and they can be killed at any moment.

local process = require "host.process"
local sys = require "host.sys"
local task = require "task"

local M = {}

local LOOK = 0.005 -- seconds between two looks at what runs

---@class crash.program.outcome
---@field status integer? nil: it did not end in time, and was killed
---@field out string
---@field err string

---@class crash.program
---@field child host.process.child
---@field folder string where it writes
local Program = { __name = "program" }
Program.__index = Program

-- The shell only names the files and is gone; the signal reaches the program itself.
local SHELL = 'cd "$0"; exec "$@" >out 2>err </dev/null'

--- Start it, its environment empty; what it writes goes to `out` and `err` in the folder.
---@param folder string
---@param words string[] the first is an absolute path
---@return crash.program
function M.start(folder, words)
  assert(sys.mkdir(folder))
  local line = { "/bin/sh", "-c", SHELL, folder, "/usr/bin/env", "-i", "HOME=" .. folder, "PATH=/usr/bin:/bin",
    "LANG=C.UTF-8", table.unpack(words) }
  return setmetatable({ child = assert(process.start(line)), folder = folder }, Program)
end

--- Has it ended? Its exit status.
---@return integer?
function Program:status()
  self.code = self.code or self.child:wait(0)
  return self.code
end

--- Wait until `seen()` says yes or it has ended.
---@param seconds number
---@param seen nil|fun(): any
---@return any seen what it said; nil when it ended or time did
function Program:watch(seconds, seen)
  local ends = sys.monotonic() + seconds
  while not self:status() and sys.monotonic() < ends do
    local found = seen and seen()
    if found then return found end
    task.sleep(LOOK)
  end
end

--- Send a signal. What is killed is gone when this returns.
---@param name "KILL"|"INT"
function Program:signal(name)
  self.child:kill(name)
  if name == "KILL" then self:watch(10) end
end

function Program:__close() self.child:close() end

--- A file's text; "" when there is none.
---@param path string
---@return string
function M.read(path)
  local file <close> = io.open(path)
  return file and file:read("a") or ""
end

--- Wait for its end; one that does not come to it is killed.
---@param seconds number
---@return crash.program.outcome
function Program:finish(seconds)
  self:watch(seconds)
  if not self:status() then self.child:kill("KILL") end
  self.child:close()
  return { status = self.code, out = M.read(self.folder .. "/out"), err = M.read(self.folder .. "/err") }
end

--- Let it come upon the cloud's faults, and signal it when it does; wait for its end.
---@param cloud crash.cloud
---@param signal "KILL"|"INT"|nil nil: the fault is all
---@param seconds number
---@return string? struck the request that met the fault, if one did
---@return crash.program.outcome
function Program:meet(cloud, signal, seconds)
  local struck = self:watch(seconds, signal and function() return cloud:struck() end or nil)
  if struck then self:signal(signal) end
  local outcome = self:finish(signal == "KILL" and 1 or seconds)
  struck = struck or cloud:struck()
  cloud:calm()
  return struck, outcome
end

--- Run it to its end.
---@param folder string
---@param words string[]
---@return crash.program.outcome
function M.run(folder, words)
  return M.start(folder, words):finish(120)
end

--- Wait for nothing else than time: what scheduler.run polls with here.
---@param ms integer
---@return integer
function M.poll(ms)
  if ms > 0 then sys.sleep(ms) end
  return 0
end

return M
