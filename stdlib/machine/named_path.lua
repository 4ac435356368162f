--- Files that a person named on the command line, as an argument of a script whose type is `path`. The library writes a
--- secret there and nowhere else: a script cannot choose a place for it.

local fail = require "fail"

local M = {}

local named = {} ---@type table<string, true>

--- A person named this path.
---@param path string
---@return string path
function M.note(path)
  named[path] = true
  return path
end

--- Raise "config" unless a person named the path.
---@param path string
---@param what string what would be done: "write the client secret"
---@return string path
function M.check(path, what)
  if named[path] then return path end
  fail.raise {
    kind = "config", what = ("%s to %s"):format(what, path), why = "nobody named this file on the command line",
    fix = 'Let the script have an argument of type "path", and hand its value over as it is.',
  }
end

return M
