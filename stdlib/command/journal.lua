--- moonlatch journal: show the journal, and change what a person may change in it.

local actions = require "cli.actions"
local command_task = require "cli.command_task"
local commit = require "journal.commit"
local document = require "report.document"
local fail = require "fail"
local hint = require "log.hint"
local journal_copies = require "command.journal_copies"
local journal_export = require "command.journal_export"
local journal_rekey = require "command.journal_rekey"
local journal_segments = require "command.journal_segments"
local layout = require "terminal.layout"
local log = require "log"
local passwords = require("journal.rotations").user_passwords
local profiles = require "profile.current"
local report = require "report"
local session = require "session.open"
local term = require "host.term"
local time = require "time"
local workflow_command = require "cli.workflow_command"

-- The name of a row for a person: the account's name, or the secret's marker.
local function journal_row_name(row)
  if row.kind == passwords.kind then return row.body.name end
  return row.body.marker or row.body.name
end

local function list_journal_rows(journal)
  local rows = {}
  for i, row in ipairs(journal:list()) do
    local body = row.body
    rows[i] = {
      id = row.id, kind = body.type or row.kind, state = row.state, name = journal_row_name(row),
      updated = time.iso(row.updated),
    }
  end
  report.table(rows, { "kind", "state", "updated", "name", "id" })
end

local function raise_unknown_journal_row(id)
  fail.raise {
    kind = "missing", what = "journal show " .. id, why = "there is no record of that id",
    fix = hint.text "Run `{moonlatch} journal list` for the ids, and name one of these.",
  }
end

local function find_journal_rows(journal, id)
  local found = {}
  for _, row in ipairs(journal:list()) do
    local body = row.body
    if row.id == id or body.marker == id or body.key_id == id or body.name == id and row.kind == passwords.kind then
      found[#found + 1] = row
    end
  end
  if #found == 0 then raise_unknown_journal_row(id) end
  return found
end

-- Unseal the value of a row. For an account: the password in force; or, with a number, this value of a rotation whose
-- outcome is unknown.
local function unseal_journal_value(journal, row, number)
  local place = number and math.tointeger(tonumber(number))
  if row.kind == passwords.kind and place then return passwords:value(journal, row, place) end
  if row.kind == passwords.kind then return row.body.value and passwords:unseal(journal, row.body.value) end
  local rotations = require "journal.rotations"
  for _, rows in ipairs { rotations.client_secrets, rotations.certificates } do
    if row.kind == rows.kind then return rows:value(journal, rows:get(journal, row.id)) end
  end
end

local function refuse_to_reveal(id, message)
  fail.raise {
    kind = "usage", what = "show the value of " .. id, why = message,
    fix = hint.text("Run the command in a terminal window: {moonlatch} journal show %s --reveal", id),
  }
end

-- Show a value on the terminal, and clear it afterwards. The record is committed before the value is shown. Without a
-- terminal the value is not shown, so there is no record.
local function reveal_journal_value(journal, id, number)
  if not term.can_reveal() then
    refuse_to_reveal(id, "there is no terminal that can show the value and clear it again")
  end
  local row = find_journal_rows(journal, id)[1]
  local value <close> = unseal_journal_value(journal, row, number)
  if not value then
    fail.raise {
      kind = "missing", what = "show the value of " .. id, why = "the journal does not hold it",
      fix = "Look for the value in use where it was stored (Devolutions): the journal removes replaced values.",
    }
  end
  journal:audit("reveal", { record = row.id, name = journal_row_name(row), how = "terminal" }, time.now())
  commit.commit(journal)
  local ok, message = term.reveal(journal_row_name(row), value)
  if not ok then refuse_to_reveal(id, message) end
end

local function show_journal_rows(journal, id, options)
  if options.reveal then return reveal_journal_value(journal, id, options.value) end
  for _, row in ipairs(find_journal_rows(journal, id)) do
    report.json(document.write_moments_as_text(row))
  end
end

local function print_journal_history(journal, count)
  local rows = journal:history(math.tointeger(count or 50) or 50)
  for _, row in ipairs(rows) do document.write_moments_as_text(row) end
  report.table(rows, { "seq", "time", "kind", "body" })
end

-- Check that the chain contains a record with this number and hash, which was written to the system's log or to the
-- report of a run.
local function check_recorded_head(journal, text)
  local seq, hash = tostring(text):match("^(%d+):(%x+)$")
  if not seq then
    fail.raise {
      kind = "usage", what = "journal verify --head " .. text, why = "it is not of the form NUMBER:HASH",
      fix = hint.text("Read it in the system's log (journalctl -t moonlatch): {moonlatch} journal verify --head "
        .. "NUMBER:HASH"),
    }
  end
  local number = math.tointeger(tonumber(seq))
  local there = journal:hash(number) or journal_segments.each(profiles.current(), journal, function(segment)
    return segment:hash(number)
  end)
  if there == hash:lower() then return end
  fail.raise {
    kind = "journal", what = "verify the journal's chain", why = there
      and ("record %s is not the one it was"):format(seq) or ("it ends before record %s"):format(seq),
    fix = hint.text("Keep the folder as it is: the journal is an older copy, or another one. Restore the newest "
      .. "backup: {moonlatch} journal restore FILE --set-aside"),
  }
end

local function verify_open_journal(journal)
  local count, message, seq = journal:verify()
  if count then return count end
  fail.raise {
    kind = "journal", what = "verify the journal's chain",
    why = seq and ("record %d: %s"):format(seq, message) or message,
    fix = hint.text("Keep the folder as it is: it is evidence. To go on with a backup: {moonlatch} journal restore "
      .. "FILE --set-aside"),
  }
end

local function print_verified_journal(journal, count, names, options)
  if options.head then check_recorded_head(journal, options.head) end
  local head, hash = journal:head()
  if log.json() then return report.json { records = count, head = head, hash = hash, segments = names } end
  log.prose(("%d records, unbroken; the last is %d:%s"):format(count, head, hash))
  if #names == 0 then return end
  log.prose(hint.text("The %d before them lie in %s; `{moonlatch} journal verify FILE` looks at one:",
    (journal:start()), layout.count(#names, "segment")))
  for _, name in ipairs(names) do log.prose("  " .. name) end
end

local function verify_journal(journal, _, options)
  local count, names = verify_open_journal(journal), {}
  journal_segments.each(profiles.current(), journal, function(_, name) names[#names + 1] = name end)
  print_verified_journal(journal, count, names, options)
end

local function verify_journal_copy(profile, path, options)
  local copy <close>, count = journal_copies.open_verified(profile, path)
  print_verified_journal(copy, count, {}, options)
end

local function confirm_journal_secret(journal, id, options)
  local confirm_and_retire = require "rotation.confirm_and_retire"
  if options.undo then
    return log.prose(("%s is not confirmed any more; it waits to be brought to where it is used."):format(
      confirm_and_retire.take_back(journal, id).body.marker))
  end
  local row = confirm_and_retire.confirm(journal, id)
  log.prose(("%s is confirmed; the ones before it are let go when their grace is over."):format(row.body.marker))
end

local function retire_journal_credential(journal, id, options)
  if not options.yes and not workflow_command.ask_yes_or_no(("Remove the credential %s from Entra?"):format(id)) then
    log.prose("Nothing was changed.")
    return 1
  end
  log.prose(("removed: %s"):format(require("rotation.confirm_and_retire").retire(journal, id, options.in_use)))
end

-- Let the next rotate go on with a rotation that waited for a person, and print what happens to the values that were
-- sent.
local function resume_journal_rotation(journal, id, options)
  local row = require("rotation.resume_and_close").resume(journal, id, options.over)
  local body = row.body
  local sent = #body.candidates > 0 and ("; the values sent before stay sealed, and in the sink, until it is in force")
    or ""
  local over = options.over and (" It first waits until the rotation %s cannot send any more; that one's entry stays.")
    :format(options.over) or ""
  log.prose(("%s: the next rotate goes on with it, and sets a new password if somebody changed it, else when it is "
    .. "due%s.%s")
    :format(body.name, sent, over))
end

-- The sinks that hold the pending values of a rotation, open.
local function open_sinks_of_rotation(dropped, profile)
  local sink = require("rotate.account_sinks").of_row(dropped.sinks, { what = "remove pending values",
    profile = profile, tenant = profile.tenant, policy = dropped.policy, rights = dropped.rights })
  sink:open(profile)
  return sink
end

local function close_journal_rotation(journal, id, options, profile, dropped)
  local sink = dropped and open_sinks_of_rotation(dropped, profile)
  local row = require("rotation.resume_and_close").close(journal, id, sink)
  local name, pending = row.body.name, options.drop and "were removed" or "stay"
  log.prose(hint.text("%s: the rotation is closed; its pending entries %s. Its values stay sealed until %s: "
    .. "{moonlatch} journal show %s --reveal --value 1", name, pending, time.day(row.body.kept_until), name))
end

local RESUME_NEEDS = { graph = { "GET /users/{id}" }, scopes = { "User.Read.All" } }
local RETIRE_NEEDS = {
  graph = {
    "GET /applications/{id}", "POST /applications/{id}/removePassword", "PATCH /applications/{id}",
    "GET /beta/auditLogs/signIns",
  },
  scopes = { "Application.ReadWrite.All" },
}

---@type table<string, cli.action>
local ACTIONS = {
  list = { run = list_journal_rows }, show = { run = show_journal_rows, names = "ID" },
  history = { run = print_journal_history, names = "[COUNT]" },
  verify = { run = verify_journal, alone = verify_journal_copy, names = "[FILE]" },
  confirm = { run = confirm_journal_secret, names = "ID" },
  retire = { run = retire_journal_credential, names = "ID", needs = RETIRE_NEEDS, asks = true },
  resume = { run = resume_journal_rotation, names = "ID", needs = RESUME_NEEDS },
  close = { run = close_journal_rotation, names = "ID" },
  backup = { run = journal_copies.backup, names = "FILE" },
  restore = { alone = journal_copies.restore, names = "FILE", asks = true },
  rekey = { alone = journal_rekey.run, asks = true },
  compact = { run = journal_segments.compact, asks = true },
  export = { run = journal_export.run },
}
local ORDER = { "list", "show", "history", "verify", "confirm", "retire", "resume", "close", "backup", "restore",
  "rekey", "compact", "export" }

-- The command line of the command, for messages.
local function journal_command_line(options)
  local words = { "journal", options.action, options.id }
  for _, name in ipairs { "before", "old_key", "drop", "in_use", "replaces", "set_aside" } do
    local value, option = options[name], "--" .. name:gsub("_", "-")
    if value then words[#words + 1] = value == true and option or option .. " " .. value end
  end
  return table.concat(words, " ")
end

-- Run an action that works on a file, or on a journal that must not be open meanwhile.
local function run_action_without_journal(action, options)
  local open <close> = session.start(options, { journal = false })
  return action.alone(open.profile, options.id, options) or 0
end

-- With close --drop: the sink scripts that hold the pending values of the rotation. They are loaded before the session
-- opens, because its gate has to know what they may do.
local function load_sinks_to_drop_from(options)
  if not (options.action == "close" and options.drop) then return nil end
  local open <close> = session.start(options, { owner = "moonlatch journal", needs = {} })
  local row = require("rotation.resume_and_close").find_to_close(open.journal, options.id)
  local sinks, scripts = require("rotate.account_sinks").load_of_row(row)
  return { sinks = sinks, policy = row.body.policy }, scripts
end

local function run_journal_command(options)
  local action = actions.choose("journal", ACTIONS, ORDER, options.action, options.id)
  if action.asks then workflow_command.require_consent(options, journal_command_line(options), false) end
  if action.alone and (options.id or not action.run) then return run_action_without_journal(action, options) end
  local dropped, scripts = load_sinks_to_drop_from(options)
  local open <close> = session.start(options, { owner = "moonlatch journal", needs = action.needs, scripts = scripts })
  if dropped then dropped.rights = open.rights end
  return command_task.run(action.run, open.journal, options.id, options, open.profile, dropped) or 0
end

---@type cli.command
return {
  summary = "show the journal; back it up and restore it; confirm or retire a secret",
  usage = "[list | show ID | history [COUNT] | verify [FILE] | confirm ID | retire ID | resume ID |\n"
    .. "  close ID | backup FILE | restore FILE | rekey --old-key WHERE | compact --before DATE |\n"
    .. "  export [--since CURSOR]] [options]",
  arguments = {
    { name = "action", optional = true,
      help = "list (the default), show, history, verify, confirm, retire, resume, close, backup, restore, rekey, "
        .. "compact, export", complete = ORDER },
    { name = "id", help = "id of a record, marker of a secret, name of an account, key id of a credential; or a file",
      optional = true },
  },
  options = {
    { name = "--undo", help = "with confirm: take back a confirmation that was a mistake" },
    { name = "--over", value = "MARKER",
      help = "with resume: ignore the pending entry of this other rotation; the entry stays" },
    { name = "--drop", help = "with close: remove the pending entries too; their values stay sealed for 30 days" },
    { name = "--in-use", help = "with retire: remove it although Entra's log shows that it was used in the last days" },
    { name = "--reveal", help = "with show: show the value too, on a terminal" },
    { name = "--value", value = "N",
      help = "with --reveal: the value with this number, of a rotation with an unknown outcome" },
    { name = "--old-key", value = "WHERE",
      help = "with rekey: where the present key is: file:PATH, keyring:NAME, credential:NAME, passphrase, fd:N" },
    { name = "--replaces",
      help = "with restore: keep the journal's id, because the journal in the backup never runs again" },
    { name = "--set-aside", help = "with restore: move the present journal aside" },
    { name = "--since", value = "CURSOR",
      help = "with export: only the records after this one, whose line had the member cursor" },
    { name = "--before", value = "DATE", help = "with compact: move older records to a file of their own: 2026-01-31" },
    { name = "--head", value = "N:HASH",
      help = "with verify: a record that the journal must contain, as the system log has it" },
  },
  examples = {
    "moonlatch journal", "moonlatch journal confirm ID       # the secret was pasted where it is used",
    "moonlatch journal retire KEYID     # remove a credential that is not needed any more",
    "moonlatch journal resume USER      # a person has looked at the account: the next rotate goes on with it",
    "moonlatch journal close USER       # a person knows which password is in force: nothing more is done",
    "moonlatch journal backup FILE      # while others work; `moonlatch journal verify FILE` looks at it",
    "moonlatch journal compact --before 2026-01-01   # keep the journal small; older records go to a file beside it",
    "moonlatch journal rekey --old-key file:old.key   # the profile names the new key, which is made if need be",
    "moonlatch journal export --since CURSOR >> audit.jsonl   # the audit chain as lines of JSON, for a collector",
    "moonlatch journal restore FILE     # the state folder was lost: take over what was on record when it was made",
  },

  run = run_journal_command,
}
