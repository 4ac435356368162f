--- What a person has to do about a file that cannot be read or written: the fix of a failure.

local sys = require "host.sys"

local M = {}

local function folder_of_path(path)
  local folder = path:match("^(.*)/[^/]*$")
  return folder == nil and "." or folder == "" and "/" or folder
end

--- The fix for a file that cannot be written: its folder, access to the folder, and room on the disk.
---@param path string
---@param otherwise string? what else can be done: "name another file with --config"
---@return string fix sentences
function M.write(path, otherwise)
  local other = otherwise and ("; or " .. otherwise) or ""
  return ("Make sure that the folder %s exists, that the user %s may write to it, and that its disk has room%s. Then "
    .. "run the same command again."):format(folder_of_path(path), sys.user(), other)
end

--- The fix for a file that cannot be read.
---@param path string
---@return string fix sentences
function M.read(path)
  return ("Make sure that the user %s may read %s and the folders above it. Then run the same command again.")
    :format(sys.user(), path)
end

return M
