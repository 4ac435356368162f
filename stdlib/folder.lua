--- Files in folders that the profile names.
--
-- A profile gives a folder a name: folders = { reports = "/var/lib/reports" }. A script that says
-- needs = { files = { "reports" } } may read and write plain files in it; typed code needs --write.

local files = require "folder.files"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local sealed = require "folder.sealed"
local secret = require "host.secret"

local M = {}

local function check_file_arguments(folder, name)
  if type(folder) ~= "string" then error("the name that the profile gives the folder is needed", 3) end
  if type(name) ~= "string" then error("the name of a file is needed", 3) end
end

--- Write a whole file that only its owner can read. An existing file of that name is replaced. Raises a failure of kind
--- "refused" when the script may not write the file, or the file cannot be written.
---@param folder string the name that the profile gives the folder
---@param name string without a slash, not beginning with a dot
---@param text string
function M.write(folder, name, text)
  check_file_arguments(folder, name)
  if secret.is(text) then error("a secret goes to the sinks of its policy only, not to a file", 2) end
  if type(text) ~= "string" then error("the text of the file is needed", 2) end
  files.write(folder, name, text)
end

--- Write a secret to a file that only the holder of a private key can open. For a certificate: CMS in PEM, opened by
--- `openssl cms -decrypt -inform PEM -inkey KEY`. For a recipient of age (age1…): opened by `age -d -i IDENTITY`. Only
--- for a sink script. Raises a failure of kind "refused" as `write` does, and of kind "config" for a wrong
--- key.
---@param folder string the name that the profile gives the folder
---@param name string without a slash, not beginning with a dot
---@param value any a secret
---@param key string a file with a certificate in PEM (RSA), or with a recipient of age
function M.write_sealed(folder, name, value, key)
  check_file_arguments(folder, name)
  if not rights.is_sink(scheduler.require_current()) then
    error("only a sink of a policy writes a secret to a file", 2)
  end
  if not secret.is(value) then error("the secret is needed", 2) end
  if type(key) ~= "string" then error("the file of the public key is needed", 2) end
  sealed.write(folder, name, value, key)
end

--- Read a whole file, at most 16 MiB; nil when the folder has no file of that name. Raises a failure of kind "refused".
---@param folder string the name that the profile gives the folder
---@param name string
---@return string?
function M.read(folder, name)
  check_file_arguments(folder, name)
  return files.read(folder, name)
end

--- The names of the plain files in a folder, sorted. Raises a failure of kind "refused".
---@param folder string the name that the profile gives the folder
---@return string[]
function M.list(folder)
  check_file_arguments(folder, "")
  return files.list(folder)
end

return M
