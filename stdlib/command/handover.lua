--- moonlatch handover: show what a person has to do in Devolutions, and hand over the client secret. Signs in nowhere.

local calendar = require "handover.calendar"
local command_task = require "cli.command_task"
local deliver = require "handover.deliver"
local document = require "report.document"
local fail = require "fail"
local graph_clock = require "graph.clock"
local handover_terminal = require "handover.terminal"
local hint = require "log.hint"
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

---@class handover.context the hand-over that an action is for
---@field journal host.journal.journal
---@field row handover.row
---@field several boolean are there several hand-overs on record?
---@field options table of the command line

-- The present state of the hand-over.
---@param context handover.context
---@return handover.state
local function handover_state(context) return states.read(context.journal, context.row, graph_clock.now()) end

local function handover_command(row, several)
  return hint.text "{moonlatch} handover" .. (several and " " .. row.id or "")
end

---------------------------------------------------------------------------
-- Actions

local function tick_checklist_items(context, keys, done)
  for _, word in ipairs(keys) do
    for key in word:gmatch "[^,]+" do
      local how = log.person() and "terminal" or "command"
      local ticked = tick(context.journal, handover_state(context), key, done, sys.user(), how)
      log.note(("%s: %s"):format(ticked.key, done and "done" or "open again"))
    end
  end
end

local function write_handover_secret(context, path)
  deliver.write(context.journal, deliver.secret_row(context.journal, handover_state(context)), path)
  log.prose(("The client secret is in %s, readable by you only; delete the file when it has been pasted."):format(path))
end

local function show_handover_secret(context)
  if not term.can_reveal() then
    fail.raise {
      kind = "usage", what = "handover --show",
      why = "there is no terminal that can show the secret and clear it again",
      fix = ("Run the same command in a terminal window; or write the secret to a new file: %s --secret-file PATH")
        :format(handover_command(context.row, context.several)),
    }
  end
  local state = handover_state(context)
  log.prose(table.concat(handover_terminal.form_lines(state.form), "\n"))
  handover_terminal.ask_until_confirmed(context.journal, deliver.secret_row(context.journal, state), state,
    { shown = true })
end

local function serve_handover_page(context)
  page.serve(context.journal, context.row, context.options["for"])
end

local function confirm_handover(context)
  local state = handover_state(context)
  deliver.confirm(context.journal, deliver.secret_row(context.journal, state), sys.user())
  log.prose(("%s has the client secret %s; apply removes those made here before it when their grace is over.")
    :format(summary.consumer_name(state), state.secret.short))
end

local function write_handover_calendar(context, path)
  calendar.write(path, handover_state(context))
  log.prose(("%s: the day to renew the client secret, and its last."):format(path))
end

-- The actions by option, in the order in which they are carried out. Each function gets the value of the option.
local ACTIONS = {
  { "undo", function(context, keys) tick_checklist_items(context, keys, false) end },
  { "secret_file", write_handover_secret }, { "show", show_handover_secret }, { "page", serve_handover_page },
  { "confirm", confirm_handover },
  -- After --confirm, because the item `proof` counts only then.
  { "done", function(context, keys) tick_checklist_items(context, keys, true) end },
  { "calendar", write_handover_calendar },
}

local function is_handover_option_given(value) return value and (type(value) ~= "table" or #value > 0) end

local function run_handover_actions(context)
  for _, action in ipairs(ACTIONS) do
    local value = context.options[action[1]]
    if is_handover_option_given(value) then action[2](context, value) end
  end
end

---------------------------------------------------------------------------
-- Choosing a hand-over

local function raise_unknown_provider(word)
  fail.raise {
    kind = "missing", what = "handover " .. word, why = "no provider of that name or client id is on record",
    fix = hint.text "Run `{moonlatch} handover` for the list of providers, and name one of these.",
  }
end

-- The hand-overs that the word names; without a word, the hand-overs that are not complete.
local function chosen_handovers(journal, profile, word)
  local list = {}
  for _, row in ipairs(states.rows(journal, word)) do
    local waits = row.state == "known" or not states.read(journal, row, graph_clock.now()).complete
    if word or waits then list[#list + 1] = row end
  end
  if #list == 0 and word then raise_unknown_provider(word) end
  if #list == 0 and profile.devolutions then list[1] = states.preview(profile) end
  return list
end

local function refuse_unless_one_handover(rows)
  local names = {}
  if #rows == 0 then
    fail.raise {
      kind = "missing", what = "handover",
      why = "nothing was handed over yet, and the profile names no Devolutions instance",
      fix = hint.text "Make the application first: {moonlatch} apply setup/entra-pam-provider",
    }
  end
  for i, row in ipairs(rows) do names[i] = ("%s (%s)"):format(row.body.name, row.id) end
  fail.raise {
    kind = "usage", what = "handover", why = "there are several: " .. table.concat(names, ", "),
    fix = hint.text("Name the provider or its client id: {moonlatch} handover %s …", rows[1].id),
  }
end

local function refuse_for_without_page(options)
  if not options["for"] or options.page then return end
  fail.raise {
    kind = "usage", what = "read the command line", why = "--for is given without --page",
    fix = hint.text "Add --page: {moonlatch} handover --page --for " .. options["for"],
  }
end

local function has_handover_action(options)
  for _, action in ipairs(ACTIONS) do
    if is_handover_option_given(options[action[1]]) then return true end
  end
  return false
end

---------------------------------------------------------------------------
-- Printing the hand-overs

local function print_handover_states(journal, rows)
  local list, complete = json.array {}, true
  for i, row in ipairs(rows) do
    list[i] = states.read(journal, row, graph_clock.now())
    complete = complete and list[i].complete
  end
  if log.json() then
    report.json { handovers = document.write_moments_as_text(list), complete = complete }
    return complete and 0 or 3
  end
  if #list == 0 then log.prose(hint.text("Nothing is handed over yet: {moonlatch} apply setup/entra-pam-provider comes "
    .. "first.")) end
  for i, state in ipairs(list) do
    if i > 1 then log.prose "" end
    log.prose(summary.text(state, handover_command(rows[i], #states.rows(journal) > 1), graph_clock.now()))
  end
  return complete and 0 or 3
end

local function run_handover(journal, profile, options)
  refuse_for_without_page(options)
  local rows = chosen_handovers(journal, profile, options.name)
  if not has_handover_action(options) then return print_handover_states(journal, rows) end
  if #rows ~= 1 then refuse_unless_one_handover(rows) end
  local context = { journal = journal, row = rows[1], several = #states.rows(journal) > 1, options = options }
  run_handover_actions(context)
  if log.json() then print_handover_states(journal, rows) else
    local command = handover_command(context.row, context.several)
    log.prose("\n" .. summary.next_step(handover_state(context), command, graph_clock.now()))
  end
  return 0
end

local function run_handover_command(options)
  local open <close> = session.start(options, { owner = "moonlatch handover" })
  return command_task.run(run_handover, open.journal, open.profile, options)
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

  run = run_handover_command,
}
