--- Check that the disk has room to record what will be done.

local fail = require "fail"
local sys = require "host.sys"

local M = {}

local ROOM = 16 << 20 -- bytes of free space that the journal needs

--- Raise a failure when the disk of the profile's journal is nearly full.
---@param profile profile
function M.check(profile)
  local folder = profile.state
  local free = folder and sys.free_space(folder)
  if not free or free >= ROOM then return end
  fail.raise {
    kind = "journal", what = "begin", why = ("there are %d KiB left on the disk of %s"):format(free // 1024, folder),
    fix = "Make room: nothing is sent that could not be put on record.",
  }
end

return M
