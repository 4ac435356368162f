--- Copies of a journal: backup, restore, and verifying a copy.

local commit = require "journal.commit"
local fail = require "fail"
local hint = require "log.hint"
local journal_segments = require "command.journal_segments"
local layout = require "terminal.layout"
local log = require "log"
local native_journal = require "host.journal"
local profiles = require "profile.current"
local report = require "report"
local time = require "time"
local workflow_command = require "cli.workflow_command"

local M = {}

local FIXES = {
  exists = "Name a file that does not exist: {moonlatch} journal backup FILE. A backup is never replaced.",
  io = "Make sure that your user may use the file that the message names and that its disk has room; then run the same "
    .. "command again.",
  damaged = "Keep it as it is: it is evidence. Look at the journal with `{moonlatch} journal verify`, and take another "
    .. "backup.",
  key = "Let the profile name the key that the journal had when the backup was made; afterwards `{moonlatch} journal "
    .. "rekey` gives it another one.",
  newer = "Run the same command with the newer version of Moonlatch, which made the journal.",
  binding = "Name the profile that the backup was made with (--profile NAME), or another backup.",
  busy = "Wait until the other process has ended, or stop it; then run the same command again.",
  living = "Restore a backup only when the journal is lost: records made after the backup are not in it. To restore it "
    .. "nevertheless, add --set-aside, which moves the present journal aside.",
  restoring = "Run the same command again: nothing is lost, and no journal is opened there until the restore is done.",
}

local function folder_of_path(path) return path:match("^(.*)/[^/]*$") or "." end

local function raise_journal_copy_failure(what, message, kind)
  fail.raise { kind = "journal", what = what, why = message, fix = FIXES[kind] and hint.text(FIXES[kind]) }
end

-- Warn when the segments with the journal's older records are not all beside the backup, or not under the same key.
local function warn_of_missing_segments(profile, journal, folder)
  local ok, failure = pcall(journal_segments.each, profile, journal, function() end, folder)
  if ok then return end
  if not fail.is(failure, "journal") then error(failure, 0) end
  log.warn(("the older records are not all beside the backup: %s. %s"):format(failure.why,
    hint.text "Once `{moonlatch} journal verify` finds them, take another backup in a new folder."))
end

--- Copy the journal to a new file, and print the last record of its chain.
---@param journal host.journal.journal
---@param path string
function M.backup(journal, path)
  commit.commit(journal)
  local seq, hash, kind = journal:backup(path)
  if not seq then raise_journal_copy_failure("back the journal up to " .. path, hash, kind) end
  local profile = profiles.current()
  local copied = journal_segments.copy(profile, profile.state, folder_of_path(path))
  if log.json() then return report.json { file = path, head = seq, hash = hash, segments = copied } end
  log.prose(("%s holds the journal up to %d:%s, and is verified."):format(path, seq, hash))
  if copied > 0 then
    log.prose(("Its older records were copied beside it (%s)."):format(layout.count(copied, "segment")))
  end
  warn_of_missing_segments(profile, journal, folder_of_path(path))
  log.prose(hint.text("What it sealed, only the profile's key opens: keep that elsewhere. `{moonlatch} journal verify "
    .. "%s` looks at it again.", path))
end

--- Open and verify a copy of the journal.
---@param profile profile
---@param path string
---@return host.journal.journal copy the caller closes it
---@return integer records
function M.open_verified(profile, path)
  local key <close> = profiles.key(profile)
  local copy, message, kind = native_journal.read(path, key, profile.binding)
  if not copy then raise_journal_copy_failure("verify " .. path, message, kind) end
  local count, why = copy:verify()
  if count then return copy, count end
  copy:close()
  raise_journal_copy_failure("verify " .. path, why, "damaged")
end

local function print_restored_journal(profile, path, done, options)
  if log.json() then
    return report.json {
      file = path, head = done.head, hash = done.hash, installation = done.installation, aside = done.aside,
    }
  end
  log.prose(("The journal in %s is that of %s now; it ends with %d:%s."):format(profile.state, path, done.head,
    done.hash))
  log.prose(options.replaces and ("It keeps its installation id %s: the one it was made of must never run again.")
    :format(done.installation) or ("Its installation id is %s; it knows what its former one marked as its own.")
    :format(done.installation))
  if done.aside then
    log.prose(("What was there before lies in %s. Keep it until nothing in it is in force any more.")
      :format(done.aside))
  end
  log.prose(hint.text("What was changed after the backup was made is not in it. The next runs take over what the sinks "
    .. "hold before they make anything new. Look first: {moonlatch} plan POLICY. Then: {moonlatch} rotate POLICY."))
end

--- Put a backup in the place of the journal.
---@param profile profile
---@param path string
---@param options { yes: boolean?, replaces: boolean?, set_aside: boolean? }
---@return integer? exit status
function M.restore(profile, path, options)
  local question = ("Make %s the journal of %s?"):format(path, profile.binding)
  if not options.yes and not workflow_command.ask_yes_or_no(question) then
    log.prose("Nothing was changed.")
    return 1
  end
  local key <close> = profiles.key(profile)
  local done, message, kind = native_journal.restore(profile.state, path, key, profile.binding, time.now(),
    options.replaces, options.set_aside)
  if not done then raise_journal_copy_failure(("restore %s to %s"):format(path, profile.state), message, kind) end
  journal_segments.copy(profile, folder_of_path(path), profile.state)
  print_restored_journal(profile, path, done, options)
end

return M
