--- Start the private emulator of --emulator: a child process of this program, which exits when its standard input
--- closes.

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local process = require "host.process"
local sys = require "host.sys"

local M = {}

local START_TIMEOUT = 30 -- seconds

---@class session.emulator
---@field child host.process.child
---@field config string path of its profile file
local Emulator = class "session.emulator"

--- Stop the emulator, and wait until it has exited. A second call does nothing.
function Emulator:close()
  if self.child then self.child:close() end
  self.child = nil
end

Emulator.__close = Emulator.close

local function raise_emulator_not_started(why)
  fail.raise {
    kind = "config", what = "start a private emulator", why = why,
    fix = hint.text "Run `{moonlatch} emulator` and read what it prints; then run the same command again.",
  }
end

local function read_ready_line(child)
  local line = child:line(START_TIMEOUT)
  local ready = line and json.decode(line)
  if type(ready) == "table" and type(ready.config) == "string" then return ready end
  child:close()
  raise_emulator_not_started(line and "its first line is not the expected JSON: " .. line:sub(1, 200)
    or "it did not print the line that says it is ready")
end

--- Start an emulator, and wait until it is ready.
---@param choice { scripts: string? }
---@return session.emulator
function M.start(choice)
  local words = { sys.executable(), "emulator", "--private" }
  if choice.scripts then table.move({ "--scripts", choice.scripts }, 1, 2, #words + 1, words) end
  log.detail("starting a private emulator")
  local child, message = process.start(words)
  if not child then raise_emulator_not_started(message) end
  return Emulator { child = child, config = read_ready_line(child).config }
end

return M
