--- Files in a folder that the profile names, through the gate. For the library; scripts use `folder`.

local commit = require "journal.commit"
local fail = require "fail"
local http = require "http.client"
local profiles = require "profile.current"
local rights = require "task.rights"
local scheduler = require "task.scheduler"

local M = {}

local FIXES = {
  undeclared = "Declare it in `needs.files` of the script, or use --write where a person types.",
  missing = "Add it to `folders` of the profile: folders = { NAME = \"/path/of/the/folder\" }.",
  name = "Name a file in the folder itself.",
  io = "Look at the folder that `folders` of the profile names.",
}

-- Call a method of the door with the rights of the running task.
local function call(method, what, folder, ...)
  scheduler.require_current() -- raises where nothing can wait
  profiles.current() -- opens the session that comes when it is needed
  local door, acting = assert(http.door(), "no door is open"), rights.of(scheduler.require_current())
  local value, why, kind
  if acting then value, why, kind = door[method](door, acting, folder, ...) else
    why = "this call belongs to no script, so it has no rights"
  end
  if value ~= nil then return value end
  if kind == "journal" then error(commit.failure(why), 0) end
  return nil, function()
    fail.raise { kind = "refused", what = ("%s the folder '%s'"):format(what, folder), why = why, fix = FIXES[kind] }
  end, kind
end

--- Write a file whole, readable by the owner only; one of that name is replaced. One that holds a secret is on record
--- first. Raises "refused".
---@param folder string as the profile calls it
---@param name string without a slash, not beginning with a dot
---@param content string|host.secret
---@param note string? what it is for, for the record
function M.write(folder, name, content, note)
  local ok, raise = call("write", ("write '%s' in"):format(name), folder, name, content, note)
  if not ok then raise() end
end

--- What a file holds, at most 16 MiB; nil when there is none of that name. Raises "refused".
---@param folder string
---@param name string
---@return string?
function M.read(folder, name)
  local text, raise, kind = call("read", ("read '%s' in"):format(name), folder, name)
  if text then return text end
  if kind ~= "absent" then raise() end
end

--- Names of the plain files in a folder, sorted. Raises "refused".
---@param folder string
---@return string[]
function M.list(folder)
  local names, raise = call("list", "list", folder)
  if not names then raise() end
  return names
end

return M
