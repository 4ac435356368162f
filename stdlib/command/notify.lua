--- moonlatch notify RULES: look once, and tell what is new and what is resolved.

local collect = require "notice.collect"
local command_task = require "cli.command_task"
local compose = require "notice.compose"
local outbox = require "notice.outbox"
local permissions_needs = require "permissions.needs"
local in_tenant = require "expiry.in_tenant"
local json = require "json"
local layout = require "terminal.layout"
local leases = require "journal.lease"
local log = require "log"
local notice_load = require "notice.load"
local notice_run = require "notice.run"
local report = require "report"
local report_failure = require "report.failure"
local script = require "script.load"
local session = require "session.open"
local records = require "notice.records"
local time = require "time"

local function wants_doctor(terms)
  for _, rule in ipairs(terms.rules) do
    if rule.what.doctor then return true end
  end
  return false
end

-- The scripts of the session: those that look, and those that tell.
local function session_scripts(loaded, looks)
  local scripts = {}
  if looks.tenant then
    scripts[1] = { name = "expiring", owner = "moonlatch expiring", needs = in_tenant.NEEDS }
  end
  if looks.doctor then
    scripts[#scripts + 1] = { name = "doctor", owner = "moonlatch doctor", needs = script.load("doctor").needs }
  end
  for _, teller in ipairs(loaded.tellers) do scripts[#scripts + 1] = teller.script end
  return scripts
end

local function teller_with_rights(loaded, number, open)
  local teller = loaded.tellers[number]
  return { tell = teller.tell, args = teller.args, rights = open.rights[teller.script.name] }
end

---------------------------------------------------------------------------
-- Looking and delivering

local function deliver_all(open, loaded, outcomes)
  for i, outcome in ipairs(outcomes) do
    notice_run.deliver(open.journal, loaded.terms, outcome, teller_with_rights(loaded, i, open))
  end
end

-- Deliver what waits, look, make the notices, and deliver them.
local function look_and_tell(open, loaded, looks)
  local outcomes = notice_run.open(open.journal, loaded.terms, time.now())
  deliver_all(open, loaded, outcomes)
  local look = collect.look { journal = open.journal, profile = open.profile, rights = open.rights,
    offline = not looks.tenant, doctor = looks.doctor }
  notice_run.make(open.journal, loaded.terms, outcomes, look, open.profile.tenant)
  deliver_all(open, loaded, outcomes)
  return look, outcomes
end

---------------------------------------------------------------------------
-- Printing

local function unknown_findings(look)
  local list = json.array {}
  for _, finding in ipairs(look.findings) do
    if finding.kind == "unknown" then
      list[#list + 1] = { what = finding.title, why = finding.text, fix = finding.fix }
    end
  end
  return list
end

local function print_json(look, outcomes, status)
  local targets = json.array {}
  for i, outcome in ipairs(outcomes) do
    local notices = json.array {}
    for k, notice in ipairs(outcome.made) do
      notices[k] = { id = notice.id, kind = notice.kind, title = notice.title, items = json.array(notice.items) }
    end
    targets[i] = { to = outcome.state.target, notices = notices, delivered = outcome.delivered,
      waiting = #outcome.state.outbox, failure = outcome.failure and report_failure.table(outcome.failure) }
  end
  report.json { now = time.iso(look.now), findings = #look.findings, unknown = unknown_findings(look),
    targets = targets, status = status }
end

local function print_target(outcome)
  local waiting = #outcome.state.outbox
  log.prose(("%s: %s, %d delivered%s"):format(outcome.state.target,
    #outcome.made == 0 and "nothing to tell" or layout.count(#outcome.made, "notice"), outcome.delivered,
    waiting > 0 and (", %d waiting"):format(waiting) or ""))
  for _, notice in ipairs(outcome.made) do log.prose("  " .. notice.text:gsub("\n", "\n  ")) end
  if outcome.failure then log.error(report_failure.text(outcome.failure)) end
end

local function print_outcome(look, outcomes, status)
  if log.json() then return print_json(look, outcomes, status) end
  for _, outcome in ipairs(outcomes) do print_target(outcome) end
  for _, unknown in ipairs(unknown_findings(look)) do
    log.prose(("unknown: %s%s"):format(unknown.what, unknown.why and "\n  why: " .. unknown.why or ""))
  end
end

-- 1: something could not be delivered; 3: something could not be looked at; else 0.
local function exit_status(look, outcomes)
  local status = #unknown_findings(look) > 0 and 3 or 0
  for _, outcome in ipairs(outcomes) do
    local entry = outcome.state.outbox[1]
    if entry and entry.tries > 0 then status = 1 end
  end
  return status
end

---------------------------------------------------------------------------
-- The command

local function notify(open, loaded, looks)
  local lease, holder = leases.take(open.journal, "notify/" .. loaded.terms.name, "tell what is new")
  if not lease then
    log.prose(("%s is at it already; nothing was looked at."):format(holder))
    return 3
  end
  local look, outcomes = look_and_tell(open, loaded, looks)
  lease:close()
  local status = exit_status(look, outcomes)
  print_outcome(look, outcomes, status)
  return status
end

-- Send a test notice to each target.
local function test_targets(open, loaded)
  local status = 0
  for i, rule in ipairs(loaded.terms.rules) do
    local notice = compose.test { now = time.now(), tenant = open.profile.tenant }
    local failure = outbox.try(teller_with_rights(loaded, i, open), notice)
    log.prose(("%s: %s"):format(records.target(rule), failure and "not delivered" or "delivered"))
    if failure then log.error(report_failure.text(failure)) end
    status = failure and 1 or status
  end
  return status
end

local function run_notify_command(options)
  local loaded = notice_load.load(options.rules)
  local is_online = not options.offline and not options.test
  local looks = { tenant = is_online, doctor = is_online and wants_doctor(loaded.terms) }
  local scripts = session_scripts(loaded, looks)
  local open <close> = session.start(options, { needs = permissions_needs.shared_scopes(scripts), scripts = scripts })
  return command_task.run(options.test and test_targets or notify, open, loaded, looks)
end

---@type cli.command
return {
  summary = "tell what is new since the last look: what expires, rotations that failed, the doctor's findings",
  details = "RULES is a file of rules: who is told of what, when first, when again. One look, then it ends; a timer\n"
    .. "runs it. What was told is in the journal: nothing is told twice unless a rule says so. What could not\n"
    .. "be delivered is tried again by the next look, and told to the other targets. Exit status: 1 when\n"
    .. "something could not be delivered, 3 when something could not be looked at, else 0.",
  usage = "RULES [options]",
  arguments = {
    { name = "rules", optional = true, help = "name or path of the rules: notices/team, ./mine.lua",
      complete = "notices" },
  },
  options = {
    { name = "--offline", help = "do not sign in to look: tell what the journal and this machine know" },
    { name = "--test", help = "send a test notice to each target, and nothing else" },
  },
  examples = {
    "moonlatch scripts copy notices/team              # rules to edit: ~/.config/moonlatch/scripts/notices/team.lua",
    "moonlatch notify notices/team --test             # do notices arrive?",
    "moonlatch notify notices/team                    # one look; a timer runs it: moonlatch-notify@team.timer",
    "moonlatch notify notices/mail --offline --profile mail   # with the sign-in of an application that may only mail",
  },

  run = run_notify_command,
}
