--- Is there room to put on record what is about to be done?

local fail = require "fail"
local sys = require "host.sys"

local M = {}

local ROOM = 16 << 20 -- bytes the journal must have room for

--- Raise when the disk of the profile's journal is nearly full.
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
