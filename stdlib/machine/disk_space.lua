--- Check that the disk has room for the journal.

local fail = require "fail"
local sys = require "host.sys"

local M = {}

local LEAST_FREE_BYTES = 16 << 20

--- Raise a failure when the disk of the profile's journal is nearly full.
---@param profile profile
function M.check(profile)
  local folder = profile.state
  local free = folder and sys.free_space(folder)
  if not free or free >= LEAST_FREE_BYTES then return end
  fail.raise {
    kind = "journal", what = "begin", why = ("there are %d KiB left on the disk of %s"):format(free // 1024, folder),
    fix = "Free space on this disk, then run the same command again: a change is not sent without its record.",
  }
end

return M
