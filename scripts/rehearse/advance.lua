--- Move the clock of the emulator that the profile names forward, to see what becomes due.

local log = require "log"
local rehearse = require "rehearse"
local time = require "time"

return {
  summary = "Move the emulator's clock forward",
  args = { by = { type = "duration", required = true, help = "how far: 30d, 12h; the clock never goes back" } },
  needs = {},
  examples = { "moonlatch run rehearse/advance --by 155d --config DIR/moonlatch.lua" },

  run = function(args)
    log.prose("The emulator's clock shows " .. time.iso(rehearse.advance(args.by)) .. ".")
  end,
}
