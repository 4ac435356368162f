--- moonlatch rehearse POLICY: run a year of a policy on a private emulator, in seconds.
--- moonlatch rehearse sink NAME: try a sink script against the service that the profile names.

local command_task = require "cli.command_task"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local output = require "log.output"
local play = require "rehearse.play"
local rehearse_declaration = require "rehearse.declaration"
local rehearse_print = require "rehearse.print"
local report = require "report"
local script = require "script.load"
local arguments = require "script.arguments"
local session = require "session.open"
local sets = require "base.sets"
local sink_check = require "rehearse.sink_check"
local sink_scripts = require "rotate.sink_scripts"
local stage = require "rehearse.stage"
local sys = require "host.sys"
local time = require "time"
local workflow_command = require "cli.workflow_command"

local function raise_no_policy_to_rehearse(name, declaration)
  fail.raise {
    kind = "usage", what = "rehearse " .. name, why = "it is neither a policy nor the test of one",
    fix = declaration.steps and hint.text("To try it on an emulator: {moonlatch} apply %s --emulator", name)
      or hint.text "Make a policy with a test first: {moonlatch} new policy NAME",
  }
end

-- Load the test beside a policy: mine_test for mine, ./mine_test.lua for ./mine.lua. Returns nil when there is none.
local function load_test_beside(name)
  local beside = name:match("^(.*)%.lua$")
  local test = beside and beside .. "_test.lua" or name .. "_test"
  local ok, declaration = pcall(script.load, test)
  if ok then return declaration.rehearsal end
  if fail.is(declaration, "usage") then return nil end -- there is none
  error(declaration, 0)
end

local function load_rehearsal_terms(options)
  local declaration = script.load(options.policy)
  if declaration.rehearsal then return declaration.rehearsal end
  if not declaration.policy then raise_no_policy_to_rehearse(options.policy, declaration) end
  local test = not options.plain and load_test_beside(options.policy)
  return test or rehearse_declaration.without_test(options.policy, time.duration "365d")
end

-- The terms of the rehearsal, changed by the options --over and --fault.
local function rehearsal_terms_for_options(options)
  local terms = load_rehearsal_terms(options)
  if options.over then terms.over = time.duration(options.over) end
  local events = {}
  for _, event in ipairs(terms.events) do
    if event.at <= terms.over then events[#events + 1] = event end
  end
  for _, rule in ipairs(options.fault or {}) do table.insert(events, 1, { at = 0, fault = rule }) end
  terms.events = events
  return terms
end

---------------------------------------------------------------------------
-- A sink

local function raise_sink_usage(what, why, fix) fail.raise { kind = "usage", what = what, why = why, fix = fix } end

-- The arguments of the sink, from --with NAME=VALUE.
local function read_sink_fields(name, given)
  local declaration, fields = script.load(name), {}
  for _, text in ipairs(given or {}) do
    local argument, value = text:match "^([%w_-]+)=(.*)$"
    argument = argument and argument:gsub("-", "_")
    local known = argument and declaration.args[argument]
    if not known then
      raise_sink_usage("read --with " .. text, "it is not an argument of the sink, followed by = and its value",
        "The arguments of the sink: " .. table.concat(sets.sorted(declaration.args), ", ") .. ".")
    end
    local is_text = known.type == "duration"
    fields[argument] = is_text and value or arguments.value(argument, known, value)
  end
  return fields
end

local function sink_results_text(name, results)
  local lines = { name }
  for _, one in ipairs(results) do
    local sign = one.holds and "✓" or one.holds == nil and "–" or "✗"
    lines[#lines + 1] = ("  %s %s%s"):format(sign, one.check, one.why and ": " .. one.why or "")
  end
  return table.concat(lines, "\n")
end

local function run_sink_rehearsal(options)
  if not options.sink then
    raise_sink_usage("rehearse sink", "the name of the sink is missing",
      hint.text "Name a script: {moonlatch} rehearse sink sinks/vault")
  end
  workflow_command.require_consent(options, "rehearse sink " .. options.sink, false)
  local loaded, rights = sink_scripts.load_one(options.sink, read_sink_fields(options.sink, options.with), "--with",
    "sink")
  if loaded.kept_by then
    raise_sink_usage("rehearse sink " .. loaded.name, "the library keeps its values, and no functions of the script",
      hint.text "Rehearse a policy that names it: {moonlatch} rehearse POLICY")
  end
  if not options.yes then
    log.prose(("%s stores values at the service that the profile names, and removes them again."):format(loaded.name))
    if not workflow_command.ask_yes_or_no "Do this?" then return 1 end
  end
  local open <close> = session.start(options, { scripts = { rights } })
  local results = command_task.run(sink_check.run, loaded, open.rights[loaded.rights_name])
  output.end_progress()
  local status = 0
  for _, one in ipairs(results) do status = one.holds == false and 1 or status end
  if log.json() then report.json { sink = loaded.name, results = json.array(results), status = status }
  else log.prose(sink_results_text(loaded.name, results)) end
  return status
end

---------------------------------------------------------------------------
-- A policy

local function refuse_profile_options(options)
  if not options.profile and not options.config then return end
  fail.raise {
    kind = "usage", what = "rehearse " .. options.policy, why = "a rehearsal runs on an emulator of its own",
    fix = hint.text("Leave --profile and --config out: {moonlatch} rehearse %s. To see what the policy would do in "
      .. "the tenant: {moonlatch} plan %s", options.policy, options.policy),
  }
end

local function run_rehearse_command(options)
  if options.policy == "sink" then return run_sink_rehearsal(options) end
  refuse_profile_options(options)
  local terms, began = rehearsal_terms_for_options(options), sys.monotonic()
  local played <close> = stage.open { scripts = options.scripts }
  local outcome = play.play(terms, played)
  local took = sys.monotonic() - began
  output.end_progress()
  if log.json() then report.json(rehearse_print.table(outcome, took))
  else log.prose(rehearse_print.text(outcome, took)) end
  return outcome.holds and 0 or 1
end

---@type cli.command
return {
  summary = "run a policy on a private emulator, a year of it in seconds; try a sink",
  details = "Uses the test beside the policy (NAME_test.lua) when there is one. No tenant and no account are\n"
    .. "touched. With `sink NAME`: stores values with a sink script at the service that the profile names,\n"
    .. "reads them back, loses answers on purpose, and removes the values again. Exit status: 0 when every\n"
    .. "condition held, 1 when one did not.",
  usage = "POLICY [options] | sink NAME [--with ARGUMENT=VALUE …] [options]",
  arguments = {
    { name = "policy", help = "name or path of the policy, or of its test; or the word `sink`",
      complete = "policies" },
    { name = "sink", optional = true, help = "name or path of the sink script", complete = "sinks" },
  },
  options = {
    { name = "--over", value = "SPAN", help = "how long, in the emulator's time: 365d, 90d" },
    { name = "--fault", value = "RULE", many = true,
      help = "make requests fail: a rule as for `moonlatch emulator --fault`; several may be given" },
    { name = "--plain", help = "ignore the policy's test" },
    { name = "--with", value = "ARGUMENT=VALUE", many = true,
      help = "of a sink: an argument of the script; several may be given" },
  },
  examples = {
    "moonlatch rehearse policies/tier0-users",
    "moonlatch rehearse policies/tier0-users --over 90d --verbose",
    "moonlatch rehearse ./mine.lua --fault 'graph PATCH /users/* drop-after 3'     # three answers are lost",
    "moonlatch new policy weekly && moonlatch rehearse policies/weekly",
    "moonlatch rehearse sink sinks/vault --with mount=secret --with path=trial/{client_id}",
  },

  run = run_rehearse_command,
}
