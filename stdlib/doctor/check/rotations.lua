--- Users' passwords on record: rotations that wait for a person, or whose outcome is not known,
--- and how far the directory's clock is from Graph's.

local directory = require "rotation.directory"
local rows = require("rotation.store").user_passwords
local time = require "time"

local MOST = 10 -- told one by one

local function tell_person(record, row)
  record:broken { evidence = ("the rotation of %s stopped: %s"):format(row.body.name, row.body.why),
    cause = "It is not known which password is in force, or somebody else set it.",
    fix = ("moonlatch journal resume %s (a new one is set), or moonlatch journal close %s (it stays as it is)")
      :format(row.body.name, row.body.name) }
end

local function tell_left(record, row)
  record:warning { evidence = ("a rotation of %s ended on an unknown outcome: %s"):format(row.body.name, row.body.why),
    cause = "The account had left its policy, or a person closed it.",
    fix = ("Its values stay sealed until %s: moonlatch journal show %s --reveal --value 1. Remove its pending entry "
      .. "when it is not needed."):format(time.day(row.body.kept_until), row.body.name) }
end

local function tell_open(record, row)
  record:warning { evidence = ("a rotation of %s was left in the state '%s'"):format(row.body.name, row.state),
    cause = "A run was cut off, or could not end it.",
    fix = ("moonlatch rotate %s goes on with it."):format(row.body.policy) }
end

local TELL = { orphaned = tell_person, left = tell_left }

local function tell_clock(record, journal)
  local known = directory.of(journal)
  if not known.seen_at then return end
  record:ok("the directory dates password changes %.1f to %.1f seconds after Graph's own time", known.low, known.high)
end

---@type doctor.check
return {
  name = "rotations",
  run = function(record, look)
    local journal = look:want "journal"
    if not journal or #rows:all(journal) == 0 then return end
    local open = rows:unfinished(journal)
    for i = 1, math.min(MOST, #open) do (TELL[open[i].state] or tell_open)(record, open[i]) end
    if #open > MOST then
      record:warning { evidence = ("and %d more rotations that have not ended"):format(#open - MOST),
        fix = "moonlatch journal list shows them all." }
    end
    if #open == 0 then record:ok "no rotation of a user's password is open" end
    tell_clock(record, journal)
  end,
}
