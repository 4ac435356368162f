--- The report for a terminal.

local expiry = require "expiry.look"
local layout = require "terminal.layout"
local log = require "log"
local overview_figures = require "overview.figures"
local overview_words = require "overview.words"
local report = require "report"
local risk = require "discover.risk"
local time = require "time"

local M = {}

local MOST = 8 -- rows of each table

local function heading(text) log.prose("\n" .. log.style("bold", text)) end

local function more(count, noun)
  if count <= MOST then return end
  log.prose(("… and %s (--json lists all)"):format(layout.count(count - MOST, "more " .. noun)))
end

-- A table of the first rows; `row_of` makes a row of a value.
local function print_table(list, noun, columns, row_of)
  local rows = {}
  for i = 1, math.min(#list, MOST) do rows[i] = row_of(list[i]) end
  if #rows > 0 then report.table(rows, columns) else log.prose "(nothing)" end
  more(#list, noun)
end

local function print_key_figures(all)
  for _, figure in ipairs(overview_words.key_figures(all)) do
    local parts = { figure.note }
    parts[#parts + 1] = figure.difference
    log.prose(("%s: %s%s"):format(figure.title, log.style("bold", figure.value),
      #parts > 0 and (" (%s)"):format(table.concat(parts, "; ")) or ""))
  end
end

local COVERAGE = { { key = "managed" }, { key = "not", title = "not managed" }, { key = "unknown" }, { key = "all" },
  { key = "role" } }

local function print_accounts(all)
  if not all.figures.accounts then return end
  heading "Privileged accounts, by role"
  print_table(all.figures.roles, "role", COVERAGE, function(one)
    return { role = one.role, all = one.total, managed = one.managed, ["not"] = one.unmanaged, unknown = one.unknown }
  end)
  heading "Accounts that nobody is known to manage"
  print_table(overview_words.unmanaged(all.seen.accounts.rows), "account", {
    { key = "account" }, { key = "password", align = "right" }, { key = "roles" },
  }, function(row)
    return { account = row.account, password = overview_words.password_age(row),
      roles = table.concat(risk.roles_of(row), ", ") }
  end)
end

local function print_buckets(title, buckets)
  if not buckets then return end
  heading(title)
  local rows = {}
  for _, bucket in ipairs(buckets) do
    if bucket.count > 0 then rows[#rows + 1] = { count = bucket.count, age = bucket.name } end
  end
  if #rows == 0 then return log.prose "(nothing)" end
  report.table(rows, { { key = "count" }, { key = "age", title = "when" } })
end

local function print_expiry(all)
  if not all.seen.items then return end
  heading "What expires next, or has expired"
  print_table(all.seen.items, "thing", { { key = "when" }, { key = "what" } }, function(item)
    return { when = overview_words.expires(item, all.seen.now), what = expiry.words(item) }
  end)
end

local function print_findings(all)
  heading "Findings"
  local list = overview_figures.findings_of(all.seen.look)
  for i = 1, math.min(#list, MOST) do
    log.prose(("%s: %s"):format(list[i].severity, list[i].title))
    if list[i].fix then log.prose("  fix: " .. list[i].fix:gsub("%s+", " ")) end
  end
  if #list == 0 then log.prose(all.figures.findings and "(nothing)" or "unknown: the doctor could not look") end
  more(#list, "finding")
end

local function print_rotations(all)
  heading "Last rotations"
  print_table(all.seen.rotations, "rotation", { { key = "day" }, { key = "what" }, { key = "state" } }, function(one)
    return { day = time.day(one.at), what = ("%s of %s"):format(one.kind, one.name), state = one.state }
  end)
end

local CHANGES = { { "new", "new privileged account" }, { "gone", "no longer privileged" },
  { "managed", "now managed" }, { "unmanaged", "no longer managed" } }

local function print_names(what, names)
  for i = 1, math.min(#names, MOST) do log.prose(("%s: %s"):format(what, names[i])) end
  if #names > MOST then log.prose(("%s: %d more"):format(what, #names - MOST)) end
end

local function print_earlier_report(what, since)
  local text = overview_words.earlier_report(what, since)
  if text then log.prose(text) end
end

local function print_changes(all)
  local changes = all.changes
  if not changes then return log.prose "No report was written before, so nothing can be compared." end
  heading("Changes since the report of " .. overview_words.moment(changes.since))
  print_earlier_report("accounts", changes.accounts and changes.accounts_since)
  for _, one in ipairs(CHANGES) do print_names(one[2], changes.accounts and changes.accounts[one[1]] or {}) end
  if not changes.accounts then log.prose "unknown: which accounts came or went" end
  if not changes.findings then return log.prose "unknown: which findings are new or resolved" end
  print_earlier_report("findings", changes.findings_since)
  print_names("new finding", changes.findings.new)
  print_names("resolved", changes.findings.resolved)
  if changes.findings.unclear > 0 then
    log.prose(("unknown: whether %s resolved"):format(changes.findings.unclear == 1 and "1 finding is"
      or changes.findings.unclear .. " findings are"))
  end
end

local function print_unknown(seen)
  for _, unknown in ipairs(seen.unknown) do
    log.prose("unknown: " .. unknown.what)
    if unknown.why then log.prose("  why: " .. unknown.why) end
    if unknown.fix then log.prose("  fix: " .. unknown.fix) end
  end
  for _, limit in ipairs(seen.limits) do log.prose("not looked at: " .. limit) end
end

--- Print the report.
---@param all overview.report
function M.print(all)
  log.prose(("%s, %s"):format(log.style("bold", "Privileged access in " .. all.seen.tenant),
    overview_words.moment(all.seen.now)))
  print_key_figures(all)
  print_accounts(all)
  print_buckets("Passwords of these accounts were changed", all.figures.password_ages)
  print_buckets("Credentials of applications were made", all.figures.credential_ages)
  print_expiry(all)
  print_findings(all)
  print_rotations(all)
  print_buckets("Credentials of applications were last used", all.figures.uses)
  print_changes(all)
  if #all.seen.unknown + #all.seen.limits > 0 then heading "What this report does not know" end
  print_unknown(all.seen)
end

return M
