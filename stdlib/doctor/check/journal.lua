--- Is the journal intact, and is a rotation unfinished?

local time = require "time"

-- Is the chain of records unbroken?
local function check_chain(record, journal, profile)
  local count, message, seq = journal:verify()
  if not count then
    return record:broken { evidence = "the journal was altered" .. (seq and (" (record %d)"):format(seq) or ""),
      cause = message, fix = ("Keep %s as it is: it is evidence. Restore a backup to go on."):format(profile.state) }
  end
  record:ok("the journal's %d records are unbroken", count)
end

local function tell_overdue(record, look, row)
  local by_person = row.body.by_person
  record:warning {
    evidence = ("%s was replaced, and its grace ended on %s"):format(row.body.marker, time.day(row.body.retire_at)),
    cause = by_person and "A person made it, so only a person removes it." or "No run has removed it yet.",
    fix = by_person and "moonlatch journal retire " .. row.body.key_id or look.setup .. " removes it.",
  }
end

local function tell_lost(record, look, view)
  for _, lost in ipairs(view.lost) do
    record:warning { evidence = ("the answer to %s was lost, and its value with it"):format(lost.row.body.marker),
      cause = "A run was cut off while a secret was made.",
      fix = look.setup .. " looks for it, and removes it when that is safe; else it names the command." }
  end
  for _, row in ipairs(view.overdue) do tell_overdue(record, look, row) end
end

local HALFWAY = { known = "made, but not proven", proven = "proven, but not stored or handed over" }
local function tell_newest(record, look, newest)
  if not newest or not HALFWAY[newest.state] then return end
  -- without an entry a proven secret waits for a person: the check of the hand-over reports that
  if newest.state == "proven" and not look:want "entry" then return end
  record:warning { evidence = ("%s is %s"):format(newest.body.marker, HALFWAY[newest.state]),
    cause = "A run stopped there.", fix = look.setup .. " goes on there." }
end

---@type doctor.check
return {
  name = "journal",
  run = function(record, look)
    local journal = look:want "journal"
    if not journal then
      return record:unknown { evidence = ("there is no journal in %s"):format(look.profile.state),
        cause = "Nothing was set up from here, or the folder was lost." }
    end
    check_chain(record, journal, look.profile)
    local view = look:want "view"
    if not view then return end
    tell_newest(record, look, view.newest)
    tell_lost(record, look, view)
  end,
}
