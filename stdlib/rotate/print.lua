--- Print the plan or the outcome of policies: as text for a person, and as a table for --json.

local http = require "http.client"
local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local report_failure = require "report.failure"
local rotate_run = require "rotate.run"
local time = require "time"
local workflow_print = require "workflow.print"

local M = {}

local DAY = 86400
local MOST = 20 -- lines of a group, without --verbose

local SIGN = {
  change = "~", recover = "~", stop = "!", refuse = "!", wait = "=", never = "·", changed = "~", failed = "!",
  busy = "!", idle = "=",
  stored = "~", waits = "=", skipped = "!", person = "!", ended = "=", left = "!", accepted = "·",
}
local HEADING = {
  change = "to change", recover = "begun and not finished", stop = "stopped: a person must look", refuse = "refused",
  wait = "not due", never = "never touched", changed = "changed", failed = "failed",
  busy = "busy: another is at work on it", idle = "done by another process", waits = "waits for the window",
  stored = "stored where it was missing",
  skipped = "not begun", person = "waits for a person", ended = "begun before, and closed without a change",
  left = "ended; it is unknown which value is in force", accepted = "refused, as the policy expects",
}
local ORDER = { "changed", "stored", "recover", "change", "failed", "person", "stop", "left", "busy", "refuse",
  "skipped", "waits", "ended", "idle", "wait", "accepted", "never" }

local function add_report_line(lines, text, ...)
  lines[#lines + 1] = select("#", ...) > 0 and text:format(...) or text
end

local function group_entries(found)
  local groups = {}
  for _, entry in ipairs(found.entries) do
    local what = rotate_run.is_accepted(found.terms, entry) and "accepted" or entry.what
    groups[what] = groups[what] or {}
    table.insert(groups[what], entry)
  end
  return groups
end

-- When it is due: the time of day, too, when that is within a day, or the policy's rhythm has hours.
local function due_text(entry, every)
  if entry.what ~= "wait" or not entry.due then return "" end
  local by_hour = every % DAY ~= 0 or entry.due < time.now() + DAY
  return "; due on " .. (by_hour and time.iso(entry.due) or time.day(entry.due))
end

local function entry_line(what, entry, every)
  local fix = entry.fix and ("\n        %s"):format(entry.fix) or ""
  local name = entry.name:gsub("%c", " ") -- a line break in the name would look like a line of this report
  local label = entry.questions and "by the audit log" or "who changed it"
  local who = entry.who and ("\n        %s: %s"):format(label, entry.who:gsub("%c", " ")) or ""
  return ("    %s %s  %s%s%s%s"):format(SIGN[what], name, entry.why, due_text(entry, every), who, fix)
end

-- The heading of a group. After a run, entries that are still to change are left to the next run.
local function group_heading(what, is_plan)
  return what == "change" and not is_plan and "due too, left to the next run" or HEADING[what]
end

local function add_entry_group(lines, what, entries, is_plan, every)
  add_report_line(lines, "  %d %s", #entries, group_heading(what, is_plan))
  local most = log.verbose() and #entries or MOST
  for i = 1, math.min(most, #entries) do add_report_line(lines, "%s", entry_line(what, entries[i], every)) end
  if #entries > most then add_report_line(lines, "    … and %d more; --verbose names them", #entries - most) end
end

local function schedule_text(found)
  local terms = found.terms
  local text = "every " .. time.span(terms.every)
  if not terms.window then return text .. ", at any time" end
  local state = found.is_open and "open" or "closed"
  if found.moment then state = ("%s until %s"):format(state, time.iso(found.moment)) end
  return ("%s, %s (%s)"):format(text, terms.window:phrase(), state)
end

-- Add the limits of the policy, and how long Graph's write budget makes the run take.
local function add_run_limits(lines, found)
  local limits, count = found.terms.limits, #found.changes
  if found.later > 0 then
    add_report_line(lines, "  %d are due beyond the limit of %d a run: they wait for the next", found.later,
      limits.max_changes)
  end
  if count == 0 then return end
  if limits.canary > 0 and count > limits.canary then
    add_report_line(lines, "  %d of them first, alone", limits.canary)
  end
  local rate, ahead = http.write_budget()
  if not rate then return end
  local needed = count / rate + (ahead or 0)
  add_report_line(lines, "  %s to Graph, at most %d a minute%s", layout.count(count, "write"), rate * 60 // 1,
    needed >= 60 and ("; they take at least " .. time.span(needed)) or "")
end

local function add_waiting_entries(lines, entry)
  for _, wait in ipairs(entry.waiting or {}) do workflow_print.add_wait(lines, entry.name, wait) end
end

-- What Entra's log shows of the use of an application's credentials.
local function add_remarks(lines, entry)
  for _, remark in ipairs(entry.remarks or {}) do
    add_report_line(lines, "    · %s: %s", entry.name:gsub("%c", " "), remark)
  end
end

local function add_left_over_entries(lines, list)
  if #list == 0 then return end
  add_report_line(lines, "  %d left over in the sink: remove what is not needed any more by hand", #list)
  for i = 1, math.min(log.verbose() and #list or MOST, #list) do
    add_report_line(lines, "    · %s  %s", list[i].name, list[i].why)
  end
  if #list > MOST and not log.verbose() then
    add_report_line(lines, "    … and %d more; --verbose names them", #list - MOST)
  end
end

local function sinks_text(list)
  local names = {}
  for i, sink in ipairs(list) do names[i] = tostring(sink) end
  return table.concat(names, ", and to ")
end

local function add_policy_report(lines, found, is_plan)
  add_report_line(lines, "%s: %s", found.terms.name, found.terms.summary)
  if found.failure then add_report_line(lines, "%s", report_failure.text(found.failure)) end
  if found.failure and #found.entries == 0 then return end
  add_report_line(lines, "  %s", schedule_text(found))
  add_report_line(lines, "  to %s", found.instead or sinks_text(found.terms.sinks))
  local groups = group_entries(found)
  for _, what in ipairs(ORDER) do
    if groups[what] then add_entry_group(lines, what, groups[what], is_plan, found.terms.every) end
  end
  if #found.entries == 0 then add_report_line(lines, "  nobody is selected") end
  for _, unread in ipairs(found.unread or {}) do
    add_report_line(lines, "  there may be more accounts, as this could not be read: %s", unread)
  end
  add_left_over_entries(lines, found.left_over or {})
  for _, entry in ipairs(found.entries) do add_remarks(lines, entry) end
  if is_plan then add_run_limits(lines, found) end
  for _, entry in ipairs(found.entries) do add_waiting_entries(lines, entry) end
end

--- The plan or the outcome, as text.
---@param all table[] as rotate.run gives it
---@param is_plan boolean
---@return string
function M.text(all, is_plan)
  local lines = {}
  for i, found in ipairs(all) do
    if i > 1 then add_report_line(lines, "") end
    add_policy_report(lines, found, is_plan)
  end
  return table.concat(lines, "\n")
end

local function entry_table(terms, entry)
  local failure = entry.failure
  return {
    expected = rotate_run.is_accepted(terms, entry) or nil,
    name = entry.name, id = entry.id or entry.target and entry.target.appId,
    what = entry.what, why = entry.why, who = entry.who, fix = entry.fix, code = entry.code,
    due = entry.due and time.iso(entry.due) or nil,
    failure = failure and type(failure) == "table" and report_failure.table(failure)
      or failure and tostring(failure) or nil,
    waiting = entry.waiting, remarks = entry.remarks and #entry.remarks > 0 and json.array(entry.remarks) or nil,
  }
end

local function entry_counts(found)
  local counts = {}
  for what, entries in pairs(group_entries(found)) do counts[what] = #entries end
  return counts
end

--- The plan or the outcome, as a table for --json.
---@param all table[]
---@param status integer
---@return table
function M.json(all, status)
  local policies = json.array {}
  for i, found in ipairs(all) do
    local entries = json.array {}
    for place, entry in ipairs(found.entries) do entries[place] = entry_table(found.terms, entry) end
    policies[i] = {
      policy = found.terms.name, summary = found.terms.summary, target = found.terms.target, accounts = entries,
      counts = entry_counts(found), left_over = json.array(found.left_over or {}), beyond_limit = found.later,
      open = found.is_open, instead = found.instead, unread = found.unread and json.array(found.unread) or nil,
      failure = found.failure and report_failure.table(found.failure) or nil,
    }
  end
  return { policies = policies, status = status }
end

return M
