--- Write a file that must not exist yet.

local fail = require "fail"
local path_fix = require "machine.path_fix"
local sys = require "host.sys"

local M = {}

--- Write a new file. Raises "conflict" when it exists, and "config" when it cannot be written.
---@param path string
---@param text string
---@param about { what: string, exists: string, otherwise: string? } what is done; the fix when the file exists; what
--- else can be done when it cannot be written
function M.write(path, text, about)
  local ok, message, kind = sys.write(path, text, "new")
  if ok then return end
  fail.raise {
    kind = kind == "exists" and "conflict" or "config", what = about.what, why = message,
    fix = kind == "exists" and about.exists or path_fix.write(path, about.otherwise),
  }
end

return M
