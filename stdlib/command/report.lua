--- moonlatch report: one report on the privileged access of a tenant, for a manager and for an auditor.

local command_task = require "cli.command_task"
local dispatch = require "command.dispatch"
local document = require "report.document"
local expiry = require "expiry.look"
local csv = require "report.csv"
local fail = require "fail"
local hint = require "log.hint"
local in_tenant = require "expiry.in_tenant"
local json = require "json"
local on_terminal = require "overview.on_terminal"
local overview_changes = require "overview.changes"
local overview_figures = require "overview.figures"
local overview_look = require "overview.look"
local overview_numbers = require "overview.numbers"
local overview_page = require "overview.page"
local overview_words = require "overview.words"
local own_file = require "machine.own_file"
local permissions_needs = require "permissions.needs"
local report = require "report"
local risk = require "discover.risk"
local script = require "script.load"
local session = require "session.open"
local sys = require "host.sys"
local term = require "host.term"
local time = require "time"

---@class overview.report
---@field seen overview.seen
---@field figures overview.figures
---@field numbers overview.number[]
---@field changes overview.changes? since the last report that was written to a file; nil when there was none

local function needs_of_script(name, args)
  local declaration = script.load(name)
  local given = script.arguments(declaration, {})
  for key, value in pairs(args) do given[key] = value end
  return script.needs(declaration, given)
end

local function session_scripts()
  return {
    { name = "report", owner = "moonlatch report", needs = overview_look.NEEDS },
    { name = "expiring", owner = "moonlatch expiring", needs = in_tenant.NEEDS },
    { name = "doctor", owner = "moonlatch doctor", needs = needs_of_script("doctor", {}) },
    { name = "discover", owner = "moonlatch discover", needs = needs_of_script("discover", { evidence = false }) },
  }
end

local function make_report(open)
  local seen = overview_look.look { journal = open.journal, profile = open.profile, rights = open.rights }
  local figures = overview_figures.of(seen)
  local numbers = overview_numbers.of(seen, figures)
  return { seen = seen, figures = figures, numbers = numbers,
    changes = overview_changes.since_last(open.journal, seen, numbers) }
end

---------------------------------------------------------------------------
-- JSON

local function rows_of(list, row_of)
  local rows = json.array {}
  for i, one in ipairs(list or {}) do rows[i] = row_of(one) end
  return list and rows or "unknown"
end

local function account_row(row)
  return { account = row.account, managed = row.managed, roles = json.array(risk.roles_of(row)),
    password_days = row.password_days, enabled = row.enabled, synced = row.synced, guest = row.guest }
end

local function print_json(all)
  local seen = all.seen
  report.json(document.write_moments_as_text {
    now_at = seen.now, tenant = seen.tenant, whole = #seen.unknown == 0, journal = seen.head,
    numbers = json.array(all.numbers), unknown = json.array(seen.unknown), not_looked_at = json.array(seen.limits),
    accounts = rows_of(seen.accounts and seen.accounts.rows, account_row),
    expiring = rows_of(seen.items, function(item)
      return { what = expiry.words(item), ends = item.ends, fix = item.fix, source = item.source, key = item.key }
    end),
    findings = rows_of(overview_figures.findings_of(seen.look), function(finding)
      return { key = finding.key, severity = finding.severity, title = finding.title, text = finding.text,
        fix = finding.fix }
    end),
    rotations = rows_of(seen.rotations, function(one)
      return { at = one.at, kind = one.kind, name = one.name, state = one.state }
    end),
    policies = rows_of(seen.policies, function(run)
      return { policy = run.policy, at = run.at, succeeded_at = run.succeeded_at, changed = run.changed,
        outcome = overview_words.run_outcome(run) }
    end),
    changes = overview_changes.for_json(all.changes),
  })
end

---------------------------------------------------------------------------
-- Files

local COMMAND = { html = "{moonlatch} report --html FILE", csv = "{moonlatch} report --csv FILE" }

-- In a folder, the file has the day in its name.
local function write_file(path, kind, content, mark, now)
  if path == "-" then
    document.mark_written()
    return term.write_data(content)
  end
  local there = sys.stat(path, true)
  if there and there.type == "directory" then path = ("%s/report-%s.%s"):format(path, time.day(now), kind) end
  own_file.write { path = path, text = content, mark = mark, noun = "the report", command = hint.text(COMMAND[kind]) }
end

local function write_files(all, options)
  if options.html then write_file(options.html, "html", overview_page.text(all), overview_page.MARK, all.seen.now) end
  if options.csv then
    local text = csv.text(overview_numbers.COLUMNS, all.numbers)
    write_file(options.csv, "csv", text, csv.head(overview_numbers.COLUMNS), all.seen.now)
  end
end

-- Does standard output hold a document, and not the text for a terminal?
local function is_on_output(options) return options.json or options.html == "-" or options.csv == "-" end

local function run_report(open, options)
  local all = make_report(open)
  write_files(all, options)
  if options.html or options.csv then overview_changes.keep(open.journal, all.seen, all.numbers) end
  if not is_on_output(options) then on_terminal.print(all) elseif options.wants_json then print_json(all) end
  return #all.seen.unknown > 0 and 3 or 0
end

local function check(options)
  local count = (options.html == "-" and 1 or 0) + (options.csv == "-" and 1 or 0) + (options.json and 1 or 0)
  if count < 2 then return end
  fail.raise {
    kind = "usage", what = "write the report", why = "standard output can hold one document",
    fix = "Leave out all but one of --html -, --csv - and --json, or name files.",
  }
end

local function run_report_command(options)
  check(options)
  options.wants_json = options.json
  if is_on_output(options) then -- what is said goes to standard error
    options.json = true
    dispatch.configure_output(options)
  end
  local scripts = session_scripts()
  local open <close> = session.start(options, {
    needs = permissions_needs.shared_scopes(scripts), scripts = scripts, reading = true,
  })
  return command_task.run(run_report, open, options)
end

---@type cli.command
return {
  summary = "report on privileged access: coverage, ages, what expires, findings, rotations, changes",
  details = "For a manager and for an auditor: one page without any script, light, dark and for printing. A report\n"
    .. "that is written with --html or --csv is kept in the journal: the next one tells what changed since. A\n"
    .. "report holds no secret; its file can be read by its owner only, and replaces only an earlier report.\n"
    .. "Exit status: 3 when something could not be looked at, which the report calls unknown; else 0.",
  options = {
    { name = "--html", value = "FILE", complete = "files",
      help = "write the page to this file, or into this folder with the day in its name; - for standard output" },
    { name = "--csv", value = "FILE", complete = "files",
      help = "write the numbers as CSV to this file, or into this folder; - for standard output" },
  },
  examples = {
    "moonlatch report                                # in the terminal",
    "moonlatch report --html report.html             # the page, and the changes since the last one",
    "moonlatch report --html reports --csv reports   # into a folder, with the day in the names",
    "moonlatch report --json",
  },

  run = run_report_command,
}
