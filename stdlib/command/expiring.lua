--- moonlatch expiring: what expires, and when. Changes nothing.

local command_task = require "cli.command_task"
local document = require "report.document"
local expiry = require "expiry.look"
local fail = require "fail"
local hint = require "log.hint"
local icalendar = require "handover.icalendar"
local in_applications = require "expiry.in_applications"
local in_tenant = require "expiry.in_tenant"
local json = require "json"
local layout = require "terminal.layout"
local log = require "log"
local report = require "report"
local session = require "session.open"
local time = require "time"

local DEFAULT_SPAN = "60d"

-- The items as rows of JSON. Members that name a thing are those of the journal.
local function json_rows(items, now)
  local rows = json.array {}
  for i, item in ipairs(items) do
    rows[i] = document.write_moments_as_text {
      key = item.key, kind = item.kind, use = item.use, name = item.name, detail = item.detail, ends = item.ends,
      days = item.ends and math.floor((item.ends - now) / 86400), key_id = item.key_id, client_id = item.app_id,
      fix = item.fix, source = item.source,
    }
  end
  return rows
end

local function print_json(calendar, soon)
  report.json {
    now = time.iso(calendar.now), expiring = json_rows(soon, calendar.now),
    later = json_rows(table.move(calendar.items, #soon + 1, #calendar.items, 1, {}), calendar.now),
    unknown = json.array(calendar.unknown), not_looked_at = json.array(calendar.left_out),
  }
end

local COLUMNS = { { key = "expires" }, { key = "left", title = "when" }, { key = "kind" }, { key = "use" },
  { key = "name" } }

local function table_row(item, now)
  local name = item.short and ("%s %s"):format(item.name, item.short) or item.name
  if item.detail then name = ("%s (%s)"):format(name, item.detail) end
  return { expires = time.day(item.ends), left = expiry.distance(item.ends, now), kind = item.kind, use = item.use,
    name = name }
end

local function print_fixes(soon)
  for _, item in ipairs(soon) do
    if item.fix then log.prose(("%s: %s"):format(expiry.words(item), item.fix)) end
  end
end

local function print_unknown(calendar)
  for _, unknown in ipairs(calendar.unknown) do
    log.prose(("unknown: %s"):format(unknown.what))
    log.prose(("  why: %s"):format(unknown.why))
    if unknown.fix then log.prose(("  fix: %s"):format(unknown.fix)) end
  end
  log.prose(("Not looked at: %s."):format(table.concat(calendar.left_out, "; ")))
end

-- The line below the table. That nothing expires is said only of what was looked at.
local function summary_line(calendar, soon, span)
  local later, undated = 0, 0
  for _, item in ipairs(calendar.items) do
    if not item.ends then undated = undated + 1
    elseif item.ends > calendar.now + span then later = later + 1 end
  end
  return ("%s within %s, or %s%s%s."):format(
    soon == 0 and "Nothing that was looked at expires" or layout.count(soon, "date"), time.span(span),
    soon == 0 and "has expired" or "expired", later > 0 and ("; %d later"):format(later) or "",
    undated > 0 and ("; %d without a known date"):format(undated) or "")
end

local function print_for_people(calendar, soon, span)
  local rows = {}
  for i, item in ipairs(soon) do rows[i] = table_row(item, calendar.now) end
  if #soon > 0 then report.table(rows, COLUMNS) end
  log.prose(summary_line(calendar, #soon, span))
  print_fixes(soon)
  print_unknown(calendar)
end

local function run_expiring(open, span, options)
  local calendar = expiry.look(open.journal, open.profile, {
    offline = options.offline, applications = options.applications and span or nil,
  })
  local soon = expiry.until_moment(calendar, calendar.now + span)
  if options.calendar then
    icalendar.write(options.calendar, expiry.calendar_text(calendar), hint.text "{moonlatch} expiring --calendar FILE")
  end
  if log.json() then print_json(calendar, soon) else print_for_people(calendar, soon, span) end
  return (#soon > 0 or #calendar.unknown > 0) and 3 or 0
end

local function append(list, more) return table.move(more, 1, #more, #list + 1, table.move(list, 1, #list, 1, {})) end

local function needs_of_command(options)
  if options.offline then return nil end
  local needs = in_tenant.NEEDS
  if not options.applications then return needs end
  local more = in_applications.NEEDS
  return { graph = append(needs.graph, more.graph), scopes = append(needs.scopes, more.scopes) }
end

local function run_expiring_command(options)
  if options.offline and options.applications then
    fail.raise { kind = "usage", what = "expiring --offline --applications",
      why = "the applications of the tenant are not known without asking it",
      fix = "Leave out --offline or --applications." }
  end
  local span = time.duration(options.within or DEFAULT_SPAN)
  local open <close> = session.start(options, {
    owner = "moonlatch expiring", needs = needs_of_command(options), reading = true,
  })
  return command_task.run(run_expiring, open, span, options)
end

---@type cli.command
return {
  summary = "list what expires, and when: secrets, certificates, hand-overs, roles, sign-ins",
  details = "Client secrets and certificates on record (in use, waiting, replaced), hand-overs that nobody\n"
    .. "confirmed, role assignments of PIM, the sign-in that is kept, and what this profile signs in with.\n"
    .. "Exit status: 3 when something expires within the span, has expired, or could not be looked at; else 0.",
  options = {
    { name = "--within", value = "SPAN", help = "how far to look ahead (60d)" },
    { name = "--applications", help = "also what expires of all other applications of the tenant" },
    { name = "--offline", help = "do not sign in: show what the journal and this machine know" },
    { name = "--calendar", value = "FILE", help = "write all dates to this calendar file (.ics)" },
  },
  examples = {
    "moonlatch expiring", "moonlatch expiring --within 30d --json",
    "moonlatch expiring --applications      # with the credentials of all applications of the tenant",
    "moonlatch expiring --offline --calendar expiring.ics   # from the journal alone, for your calendar",
  },

  run = run_expiring_command,
}
