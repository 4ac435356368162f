--- moonlatch handover: show what a person has to do in Devolutions, and hand over the client secret. Signs in nowhere.

local calendar = require "handover.calendar"
local command_task = require "cli.command_task"
local deliver = require "handover.deliver"
local document = require "report.document"
local fail = require "fail"
local graph_clock = require "graph.clock"
local handover_terminal = require "handover.terminal"
local json = require "json"
local log = require "log"
local page = require "handover.page"
local report = require "report"
local session = require "session.open"
local states = require "handover.state"
local summary = require "handover.summary"
local sys = require "host.sys"
local term = require "host.term"
local tick = require "handover.tick"

---@class handover.desk what an action works with
---@field journal host.journal.journal
---@field row handover.row
---@field several boolean are there others?
---@field options table of the command line

---@param desk handover.desk
---@return handover.state
local function state_of(desk) return states.of(desk.journal, desk.row, graph_clock.now()) end

local function command_of(row, several) return "moonlatch handover" .. (several and " " .. row.id or "") end

---------------------------------------------------------------------------
-- Doing

local function tick_all(desk, keys, done)
  for _, word in ipairs(keys) do
    for key in word:gmatch "[^,]+" do
      local ticked = tick(desk.journal, state_of(desk), key, done, sys.user(), log.person() and "terminal" or "command")
      log.note(("%s: %s"):format(ticked.key, done and "done" or "open again"))
    end
  end
end

local function write(desk, path)
  deliver.write(desk.journal, deliver.row_of(desk.journal, state_of(desk)), path)
  log.prose(("The client secret is in %s, readable by you only; delete the file when it has been pasted."):format(path))
end

local function show(desk)
  if not term.can_reveal() then
    fail.raise {
      kind = "usage", what = "handover --show", why = "no terminal can show it and clear it again",
      fix = "Run it on a terminal; or --secret-file PATH writes it to a new file.",
    }
  end
  local state = state_of(desk)
  log.prose(table.concat(handover_terminal.form(state.form), "\n"))
  handover_terminal.run(desk.journal, deliver.row_of(desk.journal, state), state, { shown = true })
end

local function open_page(desk)
  page.serve(desk.journal, desk.row, desk.options["for"])
end

local function confirm(desk)
  local state = state_of(desk)
  deliver.confirm(desk.journal, deliver.row_of(desk.journal, state), sys.user())
  log.prose(("%s has the client secret %s; apply removes those made here before it when their grace is over.")
    :format(summary.consumer(state), state.secret.short))
end

local function write_calendar(desk, path)
  calendar.write(path, state_of(desk))
  log.say(("%s: the day to renew the client secret, and its last."):format(path))
end

-- In the order in which they are done; each gets the option's value.
local ACTIONS = {
  { "undo", function(desk, keys) tick_all(desk, keys, false) end },
  { "secret_file", write }, { "show", show }, { "page", open_page }, { "confirm", confirm },
  { "done", function(desk, keys) tick_all(desk, keys, true) end }, -- `proof` only counts after that
  { "calendar", write_calendar },
}

local function is_given(value) return value and (type(value) ~= "table" or #value > 0) end

local function act(desk)
  for _, action in ipairs(ACTIONS) do
    local value = desk.options[action[1]]
    if is_given(value) then action[2](desk, value) end
  end
end

---------------------------------------------------------------------------
-- Which

local function raise_unknown(word)
  fail.raise {
    kind = "missing", what = "handover " .. word, why = "no provider of that name or client id is on record",
    fix = "`moonlatch handover` lists them.",
  }
end

-- Those that are meant; without a word all that are not over.
local function rows_of(journal, profile, word)
  local list = {}
  for _, row in ipairs(states.rows(journal, word)) do
    local waits = row.state == "known" or not states.of(journal, row, graph_clock.now()).complete
    if word or waits then list[#list + 1] = row end
  end
  if #list == 0 and word then raise_unknown(word) end
  if #list == 0 and profile.devolutions then list[1] = states.preview(profile) end
  return list
end

local function refuse_several(rows)
  local names = {}
  if #rows == 0 then
    fail.raise {
      kind = "missing", what = "handover",
      why = "nothing was handed over yet, and the profile names no Devolutions instance",
      fix = "moonlatch apply setup/entra-pam-provider comes first.",
    }
  end
  for i, row in ipairs(rows) do names[i] = ("%s (%s)"):format(row.body.name, row.id) end
  fail.raise {
    kind = "usage", what = "handover", why = "there are several: " .. table.concat(names, ", "),
    fix = "Name the one that is meant, or its client id: moonlatch handover NAME …",
  }
end

local function check_for(options)
  if not options["for"] or options.page then return end
  fail.raise {
    kind = "usage", what = "read the command line", why = "--for stands without --page",
    fix = "moonlatch handover --page --for " .. options["for"],
  }
end

local function is_asked_for(options)
  for _, action in ipairs(ACTIONS) do
    if is_given(options[action[1]]) then return true end
  end
  return false
end

---------------------------------------------------------------------------
-- Looking

local function look(journal, rows)
  local list, complete = json.array {}, true
  for i, row in ipairs(rows) do
    list[i] = states.of(journal, row, graph_clock.now())
    complete = complete and list[i].complete
  end
  if log.json() then
    report.json { handovers = document.write_moments_as_text(list), complete = complete }
    return complete and 0 or 3
  end
  if #list == 0 then log.say "Nothing is handed over yet: moonlatch apply setup/entra-pam-provider comes first." end
  for i, state in ipairs(list) do
    if i > 1 then log.say "" end
    log.prose(summary.of(state, command_of(rows[i], #states.rows(journal) > 1), graph_clock.now()))
  end
  return complete and 0 or 3
end

local function run(journal, profile, options)
  check_for(options)
  local rows = rows_of(journal, profile, options.name)
  if not is_asked_for(options) then return look(journal, rows) end
  if #rows ~= 1 then refuse_several(rows) end
  local desk = { journal = journal, row = rows[1], several = #states.rows(journal) > 1, options = options }
  act(desk)
  if log.json() then look(journal, rows) else
    log.prose("\n" .. summary.next(state_of(desk), command_of(desk.row, desk.several), graph_clock.now()))
  end
  return 0
end

---@type cli.command
return {
  summary = "show what a person has to do in Devolutions, and hand over the client secret",
  details = "Devolutions has no public call that creates a provider. So a person does it, and this command shows\n"
    .. "the checklist with its menus, the form with its values, and the client secret. It reads the journal\n"
    .. "only, and signs in nowhere. Exit status without an option: 0 when no required item is open, 3 when one\n"
    .. "is. With an option: 0 when it was done.",
  usage = "[NAME | CLIENT-ID] [options]",
  arguments = {
    { name = "name", optional = true, help = "name or client id of the provider, where there are several" },
  },
  options = {
    { name = "--done", value = "ITEM", many = true,
      help = "tick an item: its name or number, several separated by commas" },
    { name = "--undo", value = "ITEM", many = true, help = "take the tick of an item back" },
    { name = "--show", help = "show the client secret on this terminal, then ask whether you pasted it" },
    { name = "--page", help = "show the hand-over in a browser on this computer; with --json, print its address" },
    { name = "--for", value = "USER",
      help = "with --page: the user who may open the page; by default the owner of the terminal" },
    { name = "--secret-file", value = "PATH", help = "write the client secret to this new file" },
    { name = "--confirm", help = "confirm that you pasted the client secret, and that Test connection succeeded" },
    { name = "--calendar", value = "FILE", help = "write the dates of the client secret to this calendar file (.ics)" },
  },
  examples = {
    "moonlatch handover                          # where it stands, and what is next",
    "moonlatch handover --done licence,identity  # ticked by you, today; --undo takes it back",
    "moonlatch handover --show                   # the client secret, to paste it; then say that it works",
    "moonlatch handover --page                   # checklist, form and secret in your browser",
    "moonlatch handover --calendar renew.ics     # the day to renew it, for your calendar",
    "moonlatch handover --json",
  },

  run = function(options)
    local open <close> = session.start(options, { owner = "moonlatch handover" })
    return command_task.run(run, open.journal, open.profile, options)
  end,
}
