--- Edit a configuration file by a copy beside it.

local fail = require "fail"
local path_fix = require "machine.path_fix"
local process = require "host.process"
local profile_file = require "profile.file"
local replace = require "profile.replace"
local sys = require "host.sys"

local M = {}

-- What an editor on a terminal or a desktop needs to know.
local PASSED_VARIABLES = {
  "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "TERMINFO", "LC_ALL", "LC_CTYPE", "DISPLAY",
  "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
  "XDG_CACHE_HOME", "DBUS_SESSION_BUS_ADDRESS",
}

--- Make the copy of a file that a person edits. A copy that an earlier edit left is kept.
---@param file string
---@param text string of the file
---@return string path, boolean is_kept
function M.copy(file, text)
  local path = file:gsub("%.lua$", "") .. ".edit.lua"
  local ok, why, kind = sys.write(path, text, "new")
  if ok then return path, false end
  if kind == "exists" then return path, true end
  fail.raise { kind = "config", what = "write " .. path, why = why, fix = path_fix.write(path) }
end

--- Open the copy in the person's editor, and wait until the person leaves it. Raises "config" when the editor failed.
---@param path string
function M.open(path)
  local status, why = process.edit(path, PASSED_VARIABLES)
  if status == 0 then return end
  fail.raise {
    kind = "config", what = "edit " .. path,
    why = why or ("the editor ended with the status %d"):format(status),
    fix = "The configuration is unchanged. Set EDITOR to the name or the absolute path of your editor, with its "
      .. "options; or change the file by other means.",
  }
end

--- Put the copy in the place of the file. Returns whether the text has changed. Raises "config"; then the copy stays.
---@param file string
---@param old string the text of the file when the copy was made
---@param path string of the copy
---@return boolean
function M.take_over(file, old, path)
  local new = profile_file.read(path)
  if new ~= old then replace.write(file, old, new) end
  sys.remove(path)
  return new ~= old
end

return M
