--- moonlatch config: show, check and edit the profiles of the configuration file.

local actions = require "cli.actions"
local edited_copy = require "profile.edited_copy"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local problems = require "profile.problems"
local profile_file = require "profile.file"
local report = require "report"
local report_failure = require "report.failure"
local settings = require "profile.settings"
local workflow_command = require "cli.workflow_command"

local FOUND_PROBLEMS = 1 -- exit status

---------------------------------------------------------------------------
-- Showing

local function print_settings(list, profile, text)
  local is_default = profile_file.evaluate(text, profile.file).default == profile.name
  if log.json() then
    return report.json { profile = profile.name, file = profile.file, is_default = is_default,
      settings = json.array(list) }
  end
  log.prose(("Profile %s%s of %s\n"):format(profile.name, is_default and " (the default)" or "", profile.file))
  local rows = {}
  for i, setting in ipairs(list) do
    rows[i] = { setting = setting.name, from = setting.line and "line " .. setting.line or setting.from,
      value = setting.value }
  end
  report.table(rows, { "setting", "from", "value" })
end

local function show_profile(name, options, file)
  local text = profile_file.read(file, options.config ~= nil)
  local list, profile = settings.list(text, file, name or options.profile)
  print_settings(list, profile, text)
  return 0
end

---------------------------------------------------------------------------
-- Checking

local function print_problem(file, problem)
  local place = file .. (problem.line and ":" .. problem.line or "")
  log.say(report_failure.text(fail.new {
    kind = "config", what = problem.where == "" and place or place .. ": " .. problem.where, why = problem.why,
    fix = problem.fix,
  }))
end

-- Print what is wrong with the text of the configuration; the exit status.
local function print_problems(file, list, names)
  if log.json() then
    report.json { file = file, profiles = json.array(names), problems = json.array(list) }
  elseif #list > 0 then
    for _, problem in ipairs(list) do print_problem(file, problem) end
    log.prose(("\n%s in %s"):format(layout.count(#list, "error"), file))
  else
    log.prose(("%s: no error (%s). Files and services that it names were not looked at: `%s` does that.")
      :format(file, table.concat(names, ", "), hint.text "{moonlatch} doctor"))
  end
  return #list > 0 and FOUND_PROBLEMS or 0
end

local function check_file(_, options, file)
  return print_problems(file, problems.list(profile_file.read(file, options.config ~= nil), file))
end

---------------------------------------------------------------------------
-- Editing

local function raise_broken(file, copy, count)
  fail.raise {
    kind = "config", what = "take over the edited configuration " .. file,
    why = ("it has %s"):format(layout.count(count, "error")),
    fix = hint.text("%s is unchanged. What you wrote is in %s: `{moonlatch} config edit` goes on with it.", file, copy),
  }
end

-- Open the editor until the copy has no error, or the person gives up.
local function edit_until_right(file, copy)
  while true do
    edited_copy.open(copy)
    local list, names = problems.list(profile_file.read(copy), file)
    if #list == 0 then return end
    print_problems(file, list, names)
    if not workflow_command.ask_yes_or_no "Open the editor again?" then raise_broken(file, copy, #list) end
  end
end

local function edit_file(_, options, file)
  if not workflow_command.is_interactive() or log.json() then
    fail.raise {
      kind = "usage", what = "edit the configuration " .. file, why = "an editor needs a terminal",
      fix = hint.text("Change the file in another way, then check it: {moonlatch} config check"),
    }
  end
  local old = profile_file.read(file, options.config ~= nil)
  local copy, is_kept = edited_copy.copy(file, old)
  if is_kept then log.prose(("Going on with %s, which an earlier edit left."):format(copy)) end
  edit_until_right(file, copy)
  log.prose(file .. (edited_copy.take_over(file, old, copy) and ": changed." or ": not changed."))
  return 0
end

---------------------------------------------------------------------------
-- The command

---@type table<string, cli.action>
local ACTIONS = {
  show = { run = show_profile, names = "[PROFILE]" }, check = { run = check_file }, edit = { run = edit_file },
}
local ORDER = { "show", "check", "edit" }

local function run_config_command(options)
  local file = options.config or profile_file.file()
  return actions.choose("config", ACTIONS, ORDER, options.action, options.name).run(options.name, options, file)
end

---@type cli.command
return {
  summary = "show, check and edit the profiles of the configuration",
  details = "show lists the settings of a profile: those of the file, each with its line, and the defaults. Secrets\n"
    .. "are not shown, nor what may be one: the arguments of programs and the paths of peers. check names\n"
    .. "everything that is wrong in the file, and exits with 1 then. edit opens a copy in your editor (VISUAL,\n"
    .. "EDITOR), and puts the copy in the place of the file when it has no error.",
  usage = "[show [PROFILE] | check | edit] [options]",
  arguments = {
    { name = "action", help = "show (the default), check or edit", optional = true, complete = ORDER },
    { name = "name", help = "with show: name of the profile", optional = true, complete = "profiles" },
  },
  examples = {
    "moonlatch config", "moonlatch config show contoso", "moonlatch config check     # exit status 1: there are errors",
    "moonlatch config edit",
  },

  run = run_config_command,
}
