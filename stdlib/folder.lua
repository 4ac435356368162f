--- Files in folders that the profile names.
--
-- A profile gives a folder a name: folders = { reports = "/var/lib/reports" }. A script that says
-- needs = { files = { "reports" } } may read and write plain files in it; typed code needs --write.

local files = require "folder.files"
local secret = require "host.secret"

local M = {}

local function check(folder, name)
  if type(folder) ~= "string" then error("the name that the profile gives the folder is needed", 3) end
  if type(name) ~= "string" then error("the name of a file is needed", 3) end
end

--- Write a file whole, readable by its owner only; a file of that name is replaced. Raises a failure of kind "refused"
--- when it may not be written or cannot be.
---@param folder string
---@param name string without a slash, not beginning with a dot
---@param text string
function M.write(folder, name, text)
  check(folder, name)
  if secret.is(text) then error("a secret goes to the sinks of its policy only, not to a file", 2) end
  if type(text) ~= "string" then error("the text of the file is needed", 2) end
  files.write(folder, name, text)
end

--- What a file holds, at most 16 MiB; nil when there is none of that name. Raises a failure of kind "refused".
---@param folder string
---@param name string
---@return string?
function M.read(folder, name)
  check(folder, name)
  return files.read(folder, name)
end

--- Names of the plain files in a folder, sorted. Raises a failure of kind "refused".
---@param folder string
---@return string[]
function M.list(folder)
  check(folder, "")
  return files.list(folder)
end

return M
