--- moonlatch rehearse POLICY: run a year of a policy on a private emulator, in seconds.

local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local output = require "log.output"
local play = require "rehearse.play"
local rehearse_declaration = require "rehearse.declaration"
local rehearse_print = require "rehearse.print"
local report = require "report"
local script = require "script.load"
local stage = require "rehearse.stage"
local sys = require "host.sys"
local time = require "time"

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

local function refuse_profile_options(options)
  if not options.profile and not options.config then return end
  fail.raise {
    kind = "usage", what = "rehearse " .. options.policy, why = "a rehearsal runs on an emulator of its own",
    fix = hint.text("Leave --profile and --config out: {moonlatch} rehearse %s. To see what the policy would do in "
      .. "the tenant: {moonlatch} plan %s", options.policy, options.policy),
  }
end

local function run_rehearse_command(options)
  refuse_profile_options(options)
  local terms, began = rehearsal_terms_for_options(options), sys.monotonic()
  local played <close> = stage.open { scripts = options.scripts }
  local outcome = play.play(terms, played)
  local took = sys.monotonic() - began
  output.end_progress()
  if log.json() then report.json(rehearse_print.table(outcome, took))
  else log.say(rehearse_print.text(outcome, took)) end
  return outcome.holds and 0 or 1
end

---@type cli.command
return {
  summary = "run a policy on a private emulator: a year of it in seconds",
  details = "Uses the test beside the policy (NAME_test.lua) when there is one. No tenant and no account are\n"
    .. "touched. Exit status: 0 when every condition held, 1 when one did not.",
  usage = "POLICY [options]",
  arguments = { { name = "policy", help = "name or path of the policy, or of its test" } },
  options = {
    { name = "--over", value = "SPAN", help = "how long, in the emulator's time: 365d, 90d" },
    { name = "--fault", value = "RULE", many = true,
      help = "make requests fail: a rule as for `moonlatch emulator --fault`; several may be given" },
    { name = "--plain", help = "ignore the policy's test" },
  },
  examples = {
    "moonlatch rehearse policies/tier0-users",
    "moonlatch rehearse policies/tier0-users --over 90d --verbose",
    "moonlatch rehearse ./mine.lua --fault 'graph PATCH /users/* drop-after 3'     # three answers are lost",
    "moonlatch new policy weekly && moonlatch rehearse policies/weekly",
  },

  run = run_rehearse_command,
}
