--- Remember the files that a person named on the command line, as an argument of type `path`. The library writes a
--- secret to these files only, so that a script cannot choose the file.

local fail = require "fail"

local M = {}

local named_paths = {} ---@type table<string, true>

--- Remember that a person named this path.
---@param path string
---@return string path
function M.remember(path)
  named_paths[path] = true
  return path
end

--- Raise "config" unless a person named the path.
---@param path string
---@param what string the action, for the failure: "write the client secret"
---@return string path
function M.check(path, what)
  if named_paths[path] then return path end
  fail.raise {
    kind = "config", what = ("%s to %s"):format(what, path), why = "nobody named this file on the command line",
    fix = 'Declare an argument of type "path" in `args` of the script, and pass the value of that argument unchanged.',
  }
end

return M
