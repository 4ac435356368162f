--- What a rehearsal file contains: which policy, for how long, the faults and events, and the conditions that must
--- hold. `moonlatch rehearse` runs it on a private emulator, whose clock makes a year take seconds.
--
--   local rehearse = require "rehearse"
--   return rehearse {
--     summary = "A year of it", policy = "policies/mine", over = "365d",
--     events = { { at = "60d", fault = "graph PATCH /users/* drop-after" } },
--   }

local fail = require "fail"
local hint = require "log.hint"
local profiles = require "profile.current"
local rehearse_declaration = require "rehearse.declaration"
local time_clock = require "time.clock"

local M = {}

--- Move the emulator's clock forward. Raises "usage" when the profile names a real tenant.
---@param seconds number
---@return number now by that clock, in seconds since 1970
function M.advance(seconds)
  local used = profiles.current()
  if used.kind ~= "emulator" then
    fail.raise {
      kind = "usage", what = "move the clock of the profile '" .. used.name .. "'",
      why = "it names a real tenant, whose clock cannot be moved",
      fix = hint.text("Start an emulator ({moonlatch} emulator), and name the configuration that it prints: --config "
        .. "FILE."),
    }
  end
  time_clock.advance(seconds)
  return time_clock.now()
end

return setmetatable(M, { __call = function(_, fields) return rehearse_declaration.mark(fields) end })
