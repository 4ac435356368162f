--- A private folder for temporary files: an emulator's certificate authority, clock and profile.
---
--- Files are written only into a folder that is new, empty, or has the marker file, so that a wrong path does no harm.

local class = require "base.class"
local fail = require "fail"
local sys = require "host.sys"

local M = {}

local MARKER_FILE = ".moonlatch-place"

---@class machine.private_folder
---@field path string
---@field temporary boolean is the folder removed when it is closed?
local PrivateFolder = class "machine.private_folder"

-- Return the value; raise "config" when there is none: `message` is the reason, `what` the action.
local function check_folder_operation(value, message, what)
  if not value then
    fail.raise { kind = "config", what = what, why = message,
      fix = "Make sure that your user may write there and that the disk has room; or name another folder." }
  end
  return value
end

local function is_usable_folder(path)
  local found = sys.stat(path)
  if not found then return true end
  if found.type ~= "directory" or not found.ours then return false end
  return sys.stat(path .. "/" .. MARKER_FILE) ~= nil or #(sys.list(path) or { "?" }) == 0
end

local function make_private_folder(path, what)
  if path then
    local ok, message = sys.mkdir(path)
    check_folder_operation(ok, message, what)
    return path
  end
  local made, message = sys.temporary("moonlatch-emulator-")
  return check_folder_operation(made, message, what)
end

--- Open the folder; without a path, make a temporary folder. Raises "config".
---@param path string?
---@return machine.private_folder
function M.open(path)
  local what = "use the folder " .. (path or "for temporary files")
  if path and not is_usable_folder(path) then
    fail.raise {
      kind = "config", what = what, why = "it contains other files, or belongs to another user",
      fix = "Name a new or empty folder.",
    }
  end
  local self = PrivateFolder { path = make_private_folder(path, what), temporary = not path }
  self:write(MARKER_FILE, "")
  return self
end

--- The path of a file in the folder.
---@param name string
---@return string
function PrivateFolder:file(name)
  if not name:match("^[%w._-]+$") or name:match("^%.%.?$") then error("a file's plain name is needed", 2) end
  return self.path .. "/" .. name
end

--- Does the folder have a file of that name?
---@param name string
---@return boolean
function PrivateFolder:has(name)
  return sys.stat(self:file(name)) ~= nil
end

--- Write a file with mode 0600. Returns its path.
---@param name string
---@param content string|host.secret
---@return string
function PrivateFolder:write(name, content)
  local path = self:file(name)
  local ok, message = sys.write(path, content, "replace")
  check_folder_operation(ok, message, "write " .. path)
  return path
end

--- Make a folder in the folder. Returns the path.
---@param name string
---@return string
function PrivateFolder:folder(name)
  local path = self:file(name)
  local ok, message = sys.mkdir(path)
  check_folder_operation(ok, message, "make the folder " .. path)
  return path
end

--- Open a clock that other processes can share through its file.
---@param path string
---@return host.sys.clock
function M.clock(path)
  local clock, message = sys.clock(path, true)
  return check_folder_operation(clock, message, "open the clock " .. path)
end

--- Remove the folder when the folder is temporary.
function PrivateFolder:close()
  if self.temporary then sys.remove_tree(self.path) end
end
PrivateFolder.__close = PrivateFolder.close

return M
