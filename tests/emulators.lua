--- How specs start an emulator, as a process or in their own. All emulators of a test run sign
--- their tokens with one key, because a new key takes longer than the rest of the start.

package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local sys = require "host.sys"

local M = {}

local KEY_FILE = os.getenv "EMULATOR_SIGNING_KEY"

--- The words that start an emulator as a process, which ends when its standard input does.
---@param directory string? for its authority, its clock and its profile; by default a temporary one
---@param ... string more of its options
---@return string[]
function M.words(directory, ...)
  local words = { os.getenv "MOONLATCH", "emulator", "--private" }
  if KEY_FILE then table.move({ "--signing-key", KEY_FILE }, 1, 2, #words + 1, words) end
  if directory then table.move({ "--directory", directory }, 1, 2, #words + 1, words) end
  return table.move({ ... }, 1, select("#", ...), #words + 1, words)
end

--- An emulator in this process: nobody else in it, no lag, and device codes that may be polled each second.
---@param options emulator.options? in place of those
---@return emulator.world
function M.open(options)
  local given = { lag = "0", users = 0, interval = 1, signing_key = KEY_FILE and assert(sys.read(KEY_FILE, 16384)) }
  for name, value in pairs(options or {}) do given[name] = value end
  return require("emulator.world").open(given)
end

return M
