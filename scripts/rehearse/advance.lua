--- Move the clock of the emulator that the profile names, to see what time brings.

local fail = require "fail"
local log = require "log"
local profile = require "profile.current"
local time = require "time"
local time_source = require "time.clock"

return {
  summary = "Move the emulator's clock",
  args = { by = { type = "duration", required = true, help = "how far: 30d, 12h; it never goes back" } },
  needs = {},
  examples = { "moonlatch run rehearse/advance --by 155d --config DIR/moonlatch.lua" },

  run = function(args)
    local used = profile.current()
    if used.kind ~= "emulator" then
      fail.raise {
        kind = "usage", what = "move the clock of the profile '" .. used.name .. "'",
        why = "it is a real tenant's, and time there is not ours",
        fix = "Name an emulator's profile with --config, as `moonlatch emulator` prints it.",
      }
    end
    time_source.advance(args.by)
    log.say("The emulator's clock shows " .. time.iso(time.now()) .. ".")
  end,
}
