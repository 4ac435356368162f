--- The folders in which scripts and their modules are looked for, and how the files in them are read.

local fail = require "fail"
local path_fix = require "machine.path_fix"
local sys = require "host.sys"

local M = {}

local MOST_BYTES = 4 << 20 -- bytes of a file

local given_folder ---@type string? of --scripts

--- Look for scripts in this folder first (--scripts).
---@param path string?
function M.use(path)
  local stat = path and sys.stat(path, true)
  if path and (not stat or stat.type ~= "directory") then
    fail.raise {
      kind = "usage", what = "look for scripts in " .. path,
      why = stat and "it is not a folder" or "there is no such folder",
      fix = "Name a folder that exists with --scripts DIR.",
    }
  end
  given_folder = path
end

--- The user's own folder.
---@return string
function M.own()
  return require("profile.file").folder() .. "/scripts"
end

--- The folder that new files are written into: that of --scripts, else the user's own.
---@return string
function M.for_new_files() return given_folder or M.own() end

---@class script.folder
---@field origin "folder"|"yours"|"bundled" folder: the one given with --scripts
---@field path string? nil: the scripts in the program

--- The folders in which a script is looked for by its name, in order.
---@return script.folder[]
function M.list()
  local list = {}
  if given_folder then list[#list + 1] = { origin = "folder", path = given_folder } end
  local ok, own_folder = pcall(M.own) -- without HOME there is none
  if ok then list[#list + 1] = { origin = "yours", path = own_folder } end
  list[#list + 1] = { origin = "bundled" }
  return list
end

--- Can it be the name of a script: "setup/entra-pam-provider"?
---@param name string
---@return boolean
function M.is_name(name)
  if name == "" or name:find("//", 1, true) then return false end
  return name:match("^[%w_][%w_/-]*$") ~= nil and not name:match("/$")
end

--- Read a file of Lua that a person wrote; nil when there is none. Raises "config" for a file that cannot be read, or
--- that others may write.
---@param path string
---@return string?
function M.read_file(path)
  local text, message, kind = sys.read(path, MOST_BYTES)
  if text then return text end
  if kind == "missing" then return nil end
  local fixes = {
    mode = ("Let only its owner write it, because a script acts in your name: chmod go-w '%s'"):format(path),
    owner = ("Read it, then make it yours, because a script acts in your name: sudo chown %s '%s'")
      :format(sys.user(), path),
    type = "Name the file of the script.", size = "Divide the script: a file is at most 4 MiB of text.",
    link = "Name the file itself: the links lead in a circle.", io = path_fix.read(path),
  }
  fail.raise {
    kind = "config", what = "read the script " .. path, why = message,
    fix = fixes[kind],
  }
end

--- Read the file of this name in one of the folders.
---@param folder script.folder
---@param name string "setup/entra-pam-provider"
---@return string path, string? text nil when there is no such file
function M.read_in(folder, name)
  if folder.origin == "bundled" then
    local path = "scripts/" .. name .. ".lua"
    return path, sys.embedded(path)
  end
  local path = folder.path .. "/" .. name .. ".lua"
  return path, M.read_file(path)
end

return M
