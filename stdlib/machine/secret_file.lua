--- A sink for a client secret: a new file that only its owner can read. That the file can be read back does not prove
--- that a consumer uses the secret, so this sink confirms nothing.

local fail = require "fail"
local sys = require "host.sys"

local M = {}

local function refuse_secret_file(path, why, fix)
  fail.raise { kind = "usage", what = "write the client secret to " .. path, why = why, fix = fix }
end

--- Raise "usage" when the file exists already, or its folder does not exist. Called before the client secret is made.
---@param path string
function M.check(path)
  if sys.stat(path) then refuse_secret_file(path, "the file exists already",
    "Name a new file with --secret-file PATH: an existing file is never overwritten.") end
  local folder = path:match("^(.*)/[^/]*$")
  folder = folder == nil and "." or folder == "" and "/" or folder
  local parent = sys.stat(folder)
  if not parent or parent.type ~= "directory" then refuse_secret_file(path, ("there is no folder %s"):format(folder),
    ("Make the folder first: mkdir -p '%s'"):format(folder)) end
end

--- Write the secret to a new file with mode 0600.
---@param path string
---@param value host.secret
function M.write(path, value)
  local ok, message, kind = sys.write(path, value, "new")
  if ok then return end
  if kind == "exists" then M.check(path) end
  fail.raise {
    kind = "config", what = "write the client secret to " .. path, why = message or "the file cannot be written",
    fix = "The secret is kept in the journal: name another file with --secret-file and run the same command again.",
  }
end

return M
