--- Read and write files in a folder that the profile names, through the gate. For the library; scripts use `folder`.

local commit = require "journal.commit"
local fail = require "fail"
local http = require "http.client"
local profiles = require "profile.current"
local rights = require "task.rights"
local scheduler = require "task.scheduler"

local M = {}

local FIXES = {
  undeclared = "Add its name to `needs.files` of the script; with -e, run and repl: add --write to the command.",
  missing = "Add it to `folders` of the profile: folders = { NAME = \"/path/of/the/folder\" }.",
  name = "Name a file in the folder itself, without / and ..",
  rights = "Call it from a step or from `run` of a script, not while the file is loaded.",
  io = "Check the folder's path in `folders` of the profile, and who may read and write the folder.",
}

-- Call a method of the door with the rights of the running task. Returns the value; or nil, a function that raises the
-- failure, and the door's kind of failure.
local function call_door(method, what, folder, ...)
  scheduler.require_current() -- raises where nothing can wait
  profiles.current() -- opens a session where a session is opened on demand
  local door, rights_in_use = assert(http.door(), "no door is open"), rights.of(scheduler.require_current())
  local value, why, kind
  if rights_in_use then value, why, kind = door[method](door, rights_in_use, folder, ...) else
    why, kind = "this call belongs to no script, so it has no rights", "rights"
  end
  if value ~= nil then return value end
  if kind == "journal" then error(commit.failure(why), 0) end
  return nil, function()
    fail.raise { kind = "refused", what = ("%s the folder '%s'"):format(what, folder), why = why, fix = FIXES[kind] }
  end, kind
end

--- Write a whole file that only its owner can read. An existing file of that name is replaced. A file that holds a
--- secret is put on record first. Raises "refused".
---@param folder string the name that the profile gives the folder
---@param name string without a slash, not beginning with a dot
---@param content string|host.secret
---@param note string? the purpose of the file, for the record
function M.write(folder, name, content, note)
  local ok, raise = call_door("write", ("write '%s' in"):format(name), folder, name, content, note)
  if not ok then raise() end
end

--- Read a whole file, at most 16 MiB; nil when the folder has no file of that name. Raises "refused".
---@param folder string
---@param name string
---@return string?
function M.read(folder, name)
  local text, raise, kind = call_door("read", ("read '%s' in"):format(name), folder, name)
  if text then return text end
  if kind ~= "absent" then raise() end
end

--- The names of the plain files in a folder, sorted. Raises "refused".
---@param folder string
---@return string[]
function M.list(folder)
  local names, raise = call_door("list", "list", folder)
  if not names then raise() end
  return names
end

return M
