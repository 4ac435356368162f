--- What a rehearsal may say: which policy, for how long, what goes wrong and what
--- happens meanwhile, and what must have come of it. It reads as data; `moonlatch
--- rehearse` plays it on a private emulator, whose clock makes a year take seconds.
--
--   local rehearse = require "rehearse"
--   return rehearse {
--     summary = "A year of it", policy = "policies/mine", over = "365d",
--     events = { { at = "60d", fault = "graph PATCH /users/* drop-after" } },
--   }

local clock = require "time.clock"
local declaration = require "rehearse.declaration"
local fail = require "fail"
local profile = require "profile.current"

local M = {}

--- Move the clock of the emulator that the profile names; it never goes back. Raises "usage" where the profile names a
--- real tenant.
---@param seconds number
---@return number now by that clock, in seconds since 1970
function M.advance(seconds)
  local used = profile.current()
  if used.kind ~= "emulator" then
    fail.raise {
      kind = "usage", what = "move the clock of the profile '" .. used.name .. "'",
      why = "it is a real tenant's, and time there is not ours",
      fix = "Name an emulator's profile with --config, as `moonlatch emulator` prints it.",
    }
  end
  clock.advance(seconds)
  return clock.now()
end

return setmetatable(M, { __call = function(_, fields) return declaration.mark(fields) end })
