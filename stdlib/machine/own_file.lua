--- Write a file for a person, over a file that Moonlatch wrote and over no other.

local fail = require "fail"
local path_fix = require "machine.path_fix"
local sys = require "host.sys"

local M = {}

local LIMIT = 32 << 20 -- bytes of a file that is replaced

---@class machine.own_file
---@field path string
---@field text string holds the mark
---@field mark string the text by which a file of this kind is known
---@field noun string "the calendar"
---@field command string the command with its option, for the fix: "moonlatch handover --calendar FILE"
---@field target string? what the command's option names, where that is not the file itself: "folder"
---@field public boolean? may other programs read it? Then it is 0644, and 0600 otherwise

--- Write it, completely or not at all. Raises "usage" when there is a file without the mark, "config" when it
--- cannot be written.
---@param file machine.own_file
function M.write(file)
  local there, target = sys.stat(file.path), file.target or "file"
  local content = there and sys.read(file.path, LIMIT)
  local what = ("write %s %s"):format(file.noun, file.path)
  if there and not (content and content:find(file.mark, 1, true)) then
    fail.raise {
      kind = "usage", what = what, why = "there is a file that Moonlatch did not write",
      fix = ("Name a new %s: %s"):format(target, file.command),
    }
  end
  local ok, message = sys.write(file.path, file.text, file.public and "public" or there and "replace" or "new")
  if ok then return end
  fail.raise {
    kind = "config", what = what, why = message or "the file cannot be written",
    fix = path_fix.write(file.path, ("name another %s: %s"):format(target, file.command)),
  }
end

return M
