--- Rotations of users' passwords on record: those that wait for a person or whose outcome is unknown, entries of
--- accounts that no policy changes any more, and how far the directory's clock is from Graph's.

local directory_clock = require "rotation.directory_clock"
local left_over = require "journal.left_over"
local rows = require("journal.rotations").user_passwords
local time = require "time"

local MOST = 10 -- rotations reported one by one

local function tell_person(record, row)
  record:broken { evidence = ("the rotation of %s stopped: %s"):format(row.body.name, row.body.why),
    cause = "It is not known which password is in force, or somebody else set it.",
    fix = ("moonlatch journal resume %s (a new one is set), or moonlatch journal close %s (it stays as it is)")
      :format(row.body.name, row.body.name) }
end

local function tell_left(record, row)
  record:warning {
    evidence = ("a rotation of %s ended with an unknown outcome: %s"):format(row.body.name, row.body.why),
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

local LEFT_OVER_FIX = "Delete the entry in Devolutions Server when nobody needs its password, or have the policy "
  .. "select the account again. The next `moonlatch rotate %s` looks anew."

-- As the last run of the policy found it.
local function tell_left_over(record, row)
  local body = row.body
  for i = 1, math.min(MOST, #body.entries) do
    record:warning { evidence = ("%s is left over: %s (%s)"):format(body.entries[i].name, body.entries[i].why, row.id),
      cause = ("A run on %s found it."):format(time.day(body.at)), fix = LEFT_OVER_FIX:format(row.id) }
  end
  if body.count > MOST then
    record:warning { evidence = ("and %d more entries are left over from %s"):format(body.count - MOST, row.id),
      fix = ("moonlatch plan %s --verbose names them."):format(row.id) }
  end
end

local function tell_clock(record, journal)
  local known = directory_clock.of(journal)
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
      record:warning { evidence = ("and %d more open rotations"):format(#open - MOST),
        fix = "moonlatch journal list shows them all." }
    end
    if #open == 0 then record:ok "no rotation of a user's password is open" end
    for _, row in ipairs(left_over.recorded(journal)) do tell_left_over(record, row) end
    tell_clock(record, journal)
  end,
}
