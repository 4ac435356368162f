--- Replace the text of a person's configuration file.

local fail = require "fail"
local path_fix = require "machine.path_fix"
local profile_file = require "profile.file"
local sys = require "host.sys"

local M = {}

local function raise_configuration_unwritten(file, why, fix, backup)
  fail.raise {
    kind = "config", what = "write the configuration " .. file, why = why,
    fix = backup and ("Bring the former text back: mv '%s' '%s'. Then run the same command again."):format(backup, file)
      or fix,
  }
end

--- Replace the text of a file. A copy of the old text exists until the new text is in place. Owner and mode of the file
--- stay as they are, and so does a symbolic link to the file.
---@param file string
---@param old string the text that was read
---@param new string
function M.write(file, old, new)
  local backup = file .. ".before"
  local ok, why, kind = sys.write(backup, old, "new")
  if not ok then
    raise_configuration_unwritten(file, why, "Nothing was changed. " .. (kind == "exists"
      and ("Compare it with %s, remove it, then run the same command again."):format(file) or path_fix.write(backup)))
  end
  if profile_file.read(file) ~= old then
    sys.remove(backup)
    raise_configuration_unwritten(file, "another program changed it meanwhile",
      "Nothing was changed. Run the same command again: it reads the file anew.")
  end
  ok, why = sys.write(file, new, "edit")
  if not ok or profile_file.read(file) ~= new then
    raise_configuration_unwritten(file, why or "it does not hold what was written", nil, backup)
  end
  sys.remove(backup)
end

return M
