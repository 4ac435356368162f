--- The rotations of users' passwords on record: which of them are open, wait for a person or have an unknown outcome;
--- which entries are left over; and how far the directory's clock is from Graph's.

local directory_clock = require "rotation.directory_clock"
local hint = require "log.hint"
local left_over = require "journal.left_over"
local rows = require("journal.rotations").user_passwords
local time = require "time"

local MOST = 10 -- rotations reported one by one

local function report_orphaned(findings, row)
  findings:broken { id = "rotation", about = row.id,
    evidence = ("the rotation of %s stopped: %s"):format(row.body.name, row.body.why),
    cause = "It is not known which password is in force, or somebody else set it.",
    fix = hint.text("Find out which password is in force, then: {moonlatch} journal resume %s (a new password is "
      .. "set), or {moonlatch} journal close %s (it stays as it is)", row.body.name, row.body.name) }
end

local function report_left(findings, row)
  findings:warning {
    id = "rotation", about = row.id,
    evidence = ("a rotation of %s ended with an unknown outcome: %s"):format(row.body.name, row.body.why),
    cause = "The account had left its policy, or a person closed it.",
    fix = hint.text("Its values stay sealed until %s: {moonlatch} journal show %s --reveal --value 1. Remove its "
      .. "pending entry when it is not needed.", time.day(row.body.kept_until), row.body.name) }
end

local function report_open_rotation(findings, row)
  findings:warning { id = "rotation", about = row.id,
    evidence = ("a rotation of %s was left in the state '%s'"):format(row.body.name, row.state),
    cause = "A run was cut off, or could not end it.",
    fix = hint.text("Run {moonlatch} rotate %s: it goes on with it.", row.body.policy) }
end

local REPORT = { orphaned = report_orphaned, left = report_left }

local LEFT_OVER_FIX = "Delete the entry in Devolutions Server when nobody needs its password, or have the policy "
  .. "select the account again. The next `{moonlatch} rotate %s` looks anew."

-- Report the left-over entries that the last run of a policy found.
local function report_left_over_entries(findings, row)
  local body = row.body
  for i = 1, math.min(MOST, #body.entries) do
    local entry = body.entries[i]
    findings:warning { id = "left over " .. entry.name, about = row.id,
      evidence = ("%s is left over: %s (%s)"):format(entry.name, entry.why, row.id),
      cause = ("A run on %s found it."):format(time.day(body.at)), fix = hint.text(LEFT_OVER_FIX, row.id) }
  end
  if body.count > MOST then
    findings:warning { id = "more left over", about = row.id,
      evidence = ("and %d more entries are left over from %s"):format(body.count - MOST, row.id),
      fix = hint.text("See their names: {moonlatch} plan %s --verbose", row.id) }
  end
end

local function report_directory_clock(findings, journal)
  local known = directory_clock.of(journal)
  if not known.seen_at then return end
  findings:ok("the directory dates password changes %.1f to %.1f seconds after Graph's own time", known.low, known.high)
end

---@type doctor.check
return {
  name = "rotations",
  shared = true,
  run = function(findings, facts)
    local journal = facts:want "journal"
    if not journal or #rows:all(journal) == 0 then return end
    local open = rows:unfinished(journal)
    for i = 1, math.min(MOST, #open) do (REPORT[open[i].state] or report_open_rotation)(findings, open[i]) end
    if #open > MOST then
      findings:warning { id = "more open", evidence = ("and %d more open rotations"):format(#open - MOST),
        fix = hint.text "See all of them: {moonlatch} journal list" }
    end
    if #open == 0 then findings:ok "no rotation of a user's password is open" end
    for _, row in ipairs(left_over.recorded(journal)) do report_left_over_entries(findings, row) end
    report_directory_clock(findings, journal)
  end,
}
