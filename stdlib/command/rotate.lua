--- moonlatch rotate POLICY…: rotate due passwords and secrets.

local command_task = require "cli.command_task"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local output = require "log.output"
local profiles = require "profile.current"
local report = require "report"
local rotate_policies = require "rotate.policies"
local session = require "session.open"
local task = require "task"
local workflow_command = require "cli.workflow_command"

local function confirm_rotation_plan(all)
  output.end_progress()
  log.prose(rotate_policies.plan_text(all))
  local profile = profiles.current()
  return workflow_command.ask_yes_or_no(("Do this in %s (profile %s)?"):format(profile.tenant, profile.name))
end

local function rotate_loaded_policies(options, loaded, open)
  local context = {
    journal = open.journal, profile = open.profile, now = options.now, outside_window = options.outside_window,
    old_now = options.old_now, rights = open.rights,
  }
  if not options.yes then context.confirm = confirm_rotation_plan end
  if options.watch then return rotate_policies.watch(loaded.policies, context) end
  local all, status = rotate_policies.once(loaded.policies, context)
  rotate_policies.explain_stops(all, context)
  output.end_progress()
  if log.json() then report.json(rotate_policies.json(all, status)) else log.prose(rotate_policies.text(all)) end
  task.check()
  return status
end

local function raise_rotate_usage(what, why, fix) fail.raise { kind = "usage", what = what, why = why, fix = fix } end

local function refuse_rotate_option_pairs(options)
  local named = table.concat(options.policy, " ")
  if options.old_now and not options.now then
    raise_rotate_usage("rotate --old-now",
      "without --now, every consumer that still uses an old credential would be cut off",
      hint.text("Name the application: {moonlatch} rotate %s --now NAME --old-now", named))
  end
  if options.outside_window and not options.now then
    raise_rotate_usage("rotate --outside-window", "without --now, the window would not apply to any account",
      hint.text("Name the account: {moonlatch} rotate %s --now NAME --outside-window", named))
  end
  if options.watch and options.now then
    raise_rotate_usage("rotate --watch --now", "--watch changes what is due again and again, and --now changes once",
      "Leave out --now or --watch.")
  end
  if not options.watch or not log.json() then return end
  raise_rotate_usage("rotate --watch --json", "with --watch, the one JSON document would never end",
    hint.text "Leave out --json, and read the changes in the journal: {moonlatch} journal history")
end

local function run_rotate_command(options)
  if options.now and #options.now == 0 then options.now = nil end
  local loaded = rotate_policies.load(options.policy or {}, not options.no_evidence)
  refuse_rotate_option_pairs(options)
  workflow_command.require_consent(options, "rotate " .. table.concat(options.policy, " "))
  local open <close> = session.start(options, { needs = loaded.needs, scripts = loaded.scripts })
  return command_task.run(rotate_loaded_policies, options, loaded, open)
end

---@type cli.command
return {
  summary = "rotate due passwords and secrets; finish interrupted rotations first",
  details = "`moonlatch plan POLICY` shows who is due and why, and changes nothing. `moonlatch rehearse POLICY`\n"
    .. "runs a year of it on an emulator. Ctrl-C or SIGTERM: the run finishes the change at hand, and begins\n"
    .. "no other. A second one ends the run at once; the next run goes on from there. As a service, with the\n"
    .. "installed units:\n"
    .. "  systemctl enable --now moonlatch-rotate@tier0-users.timer    each quarter of an hour, when something is due\n"
    .. "  systemctl enable --now moonlatch-watch@tier0-users.service   or a process that stays (--watch)\n"
    .. "To act as the service: sudo moonlatch-operator, followed by the words after `moonlatch`.",
  usage = "POLICY… [options]",
  arguments = {
    { name = "policy", help = "name or path of the policy: policies/tier0-users, ./mine.lua", many = true,
      complete = "policies" },
  },
  options = {
    { name = "--now", value = "NAME", many = true,
      help = "rotate only this account or application, now, whatever its dates say; several may be given" },
    { name = "--old-now",
      help = "with --now, for an application: remove the earlier credentials once the new one is in use" },
    { name = "--outside-window", help = "with --now: also when the policy's window is closed, or the day is excepted" },
    { name = "--no-evidence", help = "do not read Entra's logs of sign-ins and changes (AuditLog.Read.All)" },
    { name = "--watch", help = "stay, and rotate whenever something is due" },
  },
  examples = {
    "moonlatch plan policies/tier0-users --emulator",
    "moonlatch rotate policies/tier0-users --yes --emulator",
    "moonlatch rotate policies/tier0-users --now anna@contoso.com     # it leaked: change it now",
    "moonlatch rotate policies/tier0-users policies/app-client-secrets --watch --yes",
  },

  run = run_rotate_command,
}
