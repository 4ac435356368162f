--- moonlatch journal: what is on record, and what a person has to say to it.

local fail = require "fail"
local http = require "http"
local job = require "cli.job"
local log = require "log"
local report = require "report"
local session = require "session"
local task = require "task"
local time = require "time"

local function list(journal)
  local rows = {}
  for i, row in ipairs(journal:list()) do
    local body = row.body
    rows[i] = {
      id = row.id, kind = body.type or row.kind, state = row.state, name = body.marker or body.name,
      updated = time.iso(row.updated),
    }
  end
  report.table(rows, { "id", "kind", "state", "name", "updated" })
end

local function raise_unknown(id)
  fail.raise {
    kind = "missing", what = "journal show " .. id, why = "there is no record of that id",
    fix = "`moonlatch journal list` shows them.",
  }
end

local function show(journal, id)
  local found = {}
  for _, row in ipairs(journal:list()) do
    if row.id == id or row.body.marker == id or row.body.key_id == id then found[#found + 1] = row end
  end
  if #found == 0 then raise_unknown(id) end
  for _, row in ipairs(found) do
    row.created, row.updated = time.iso(row.created), time.iso(row.updated)
    report.json(row)
  end
end

local function history(journal, count)
  local rows = journal:history(math.tointeger(count or 50) or 50)
  for _, row in ipairs(rows) do row.time = time.iso(row.time) end
  report.table(rows, { "seq", "time", "kind", "body" })
end

local function verify(journal)
  local count, message, seq = journal:verify()
  if not count then
    fail.raise {
      kind = "journal", what = "verify the journal's chain",
      why = seq and ("record %d: %s"):format(seq, message) or message,
      fix = "Keep the folder as it is: it is evidence. Restore a backup to go on.",
    }
  end
  local head, hash = journal:head()
  if log.json() then return report.json { records = count, head = head, hash = hash } end
  log.say(("%d records, unbroken; the last is %d with %s"):format(count, head, hash))
end

local function confirm(journal, id)
  local row = require("rotation").confirm_by_hand(journal, id)
  log.say(("%s is confirmed; the ones before it are let go when their grace is over."):format(row.body.marker))
end

local function retire(journal, id, options)
  if not options.yes and not job.ask(("Remove the credential %s from Entra?"):format(id)) then
    log.say("Nothing was changed.")
    return 1
  end
  log.say(("removed: %s"):format(require("rotation").retire_by_hand(journal, id)))
end

local RETIRE_NEEDS = {
  graph = { "GET /applications/{id}", "POST /applications/{id}/removePassword" },
  scopes = { "Application.ReadWrite.All" },
}

---@type table<string, { run: function, id: boolean?, needs: table? }>
local ACTIONS = {
  list = { run = list }, show = { run = show, id = true }, history = { run = history }, verify = { run = verify },
  confirm = { run = confirm, id = true }, retire = { run = retire, id = true, needs = RETIRE_NEEDS },
}

local function action_of(options)
  local action = ACTIONS[options.action or "list"]
  if action and (options.id or not action.id) then return action end
  fail.raise {
    kind = "usage", what = "journal " .. (options.action or ""),
    why = action and "ID is missing" or "there is no such action",
    fix = "There are list, show ID, history [COUNT], verify, confirm ID and retire ID.",
  }
end

---@type cli.command
return {
  summary = "what is on record; confirm or retire a secret by hand",
  usage = "[list | show ID | history [COUNT] | verify | confirm ID | retire ID] [options]",
  arguments = {
    { name = "action", help = "list (the default), show, history, verify, confirm or retire", optional = true },
    { name = "id", help = "of a record, a secret's marker, or a credential's key id", optional = true },
  },
  examples = {
    "moonlatch journal", "moonlatch journal confirm ID       the secret was pasted where it is used",
    "moonlatch journal retire KEYID     remove a credential that is not needed any more",
  },

  run = function(options)
    local action = action_of(options)
    if action.needs then job.require_consent(options, "journal retire " .. options.id) end
    local open <close> = session.start(options, { needs = action.needs })
    return task.run(http.poll, action.run, open.journal, options.id, options) or 0
  end,
}
