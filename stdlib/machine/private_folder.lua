--- A private folder for temporary things: an emulator's certificate authority, clock and profile.
---
--- It writes only into a folder that is new, empty, or marked as its own, so that a wrong path does no harm.

local class = require "base.class"
local fail = require "fail"
local sys = require "host.sys"

local M = {}

local MARK = ".moonlatch-place"

---@class place
---@field path string
---@field temporary boolean is it removed when it is closed?
local Place = class "place"

local function check(value, message, what)
  if not value then fail.raise { kind = "config", what = what, why = message, fix = "Name another folder." } end
  return value
end

local function is_usable(path)
  local found = sys.stat(path)
  if not found then return true end
  if found.type ~= "directory" or not found.ours then return false end
  return sys.stat(path .. "/" .. MARK) ~= nil or #(sys.list(path) or { "?" }) == 0
end

local function folder(path, what)
  if path then
    local ok, message = sys.mkdir(path)
    check(ok, message, what)
    return path
  end
  local made, message = sys.temporary("moonlatch-emulator-")
  return check(made, message, what)
end

--- Open the folder, or make a temporary one.
---@param path string?
---@return place
function M.open(path)
  local what = "use the folder " .. (path or "for temporary files")
  if path and not is_usable(path) then
    fail.raise {
      kind = "config", what = what, why = "it contains other files, or is not ours",
      fix = "Name a new or empty folder.",
    }
  end
  local self = Place { path = folder(path, what), temporary = not path }
  self:write(MARK, "")
  return self
end

--- The path of a file in it.
---@param name string
---@return string
function Place:file(name)
  if not name:match("^[%w._-]+$") or name:match("^%.%.?$") then error("a file's plain name is wanted", 2) end
  return self.path .. "/" .. name
end

--- Is there a file of that name?
---@param name string
---@return boolean
function Place:has(name)
  return sys.stat(self:file(name)) ~= nil
end

--- Write a file, 0600. Returns its path.
---@param name string
---@param content string|host.secret
---@return string
function Place:write(name, content)
  local path = self:file(name)
  local ok, message = sys.write(path, content, "replace")
  check(ok, message, "write " .. path)
  return path
end

--- Make a folder in it. Returns the path.
---@param name string
---@return string
function Place:folder(name)
  local path = self:file(name)
  local ok, message = sys.mkdir(path)
  check(ok, message, "make the folder " .. path)
  return path
end

--- Open a clock that other processes can share through its file.
---@param path string
---@return host.sys.clock
function M.clock(path)
  local clock, message = sys.clock(path, true)
  return check(clock, message, "open the clock " .. path)
end

--- Remove the folder when it is temporary.
function Place:close()
  if self.temporary then sys.remove_tree(self.path) end
end
Place.__close = Place.close

return M
