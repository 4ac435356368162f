--- What a policy would do, or did: as lines a person reads, and as one table.

local http = require "http"
local json = require "host.json"
local log = require "log"
local outcome = require "cli.outcome"
local time = require "time"

local M = {}

local MOST = 20 -- lines of a kind, unless asked for more

local SIGN = {
  change = "~", recover = "~", stop = "!", refuse = "!", wait = "=", never = "·", changed = "~", failed = "!",
  busy = "·", idle = "=", waits = "=", skipped = "·", person = "!",
}
local HEADING = {
  change = "to change", recover = "begun and not ended", stop = "stopped: a person must look", refuse = "refused",
  wait = "not due", never = "never touched", changed = "changed", failed = "failed",
  busy = "another process works on it", idle = "done by another process", waits = "waits for the window",
  skipped = "not begun", person = "waits for a person",
}
local ORDER = { "changed", "recover", "change", "failed", "person", "stop", "refuse", "skipped", "waits", "busy",
  "idle", "wait", "never" }

local function add(lines, text, ...)
  lines[#lines + 1] = select("#", ...) > 0 and text:format(...) or text
end

local function group(entries)
  local groups = {}
  for _, entry in ipairs(entries) do
    groups[entry.what] = groups[entry.what] or {}
    table.insert(groups[entry.what], entry)
  end
  return groups
end

local function line_of(entry)
  local when = entry.what == "wait" and entry.due and ("; due on " .. time.day(entry.due)) or ""
  return ("    %s %s  %s%s"):format(SIGN[entry.what], entry.name, entry.why, when)
end

-- What is due is done by a run, or left to the next one.
local function heading(what, is_plan)
  return what == "change" and not is_plan and "due too, left to the next run" or HEADING[what]
end

local function add_group(lines, what, entries, is_plan)
  add(lines, "  %d %s", #entries, heading(what, is_plan))
  local most = log.verbose() and #entries or MOST
  for i = 1, math.min(most, #entries) do add(lines, line_of(entries[i])) end
  if #entries > most then add(lines, "    … and %d more; --verbose names them", #entries - most) end
end

local function when_text(found)
  local terms = found.terms
  local text = "every " .. time.span(terms.every)
  if not terms.window then return text .. ", at any time" end
  local state = found.is_open and "open until " or "closed until "
  return ("%s, in the window %s (%s%s)"):format(text, terms.window.text, state, time.iso(found.moment or 0))
end

-- The caps, before anything runs into them.
local function add_caps(lines, found)
  local limits, count = found.terms.limits, #found.changes
  if found.later > 0 then
    add(lines, "  %d are due beyond the limit of %d a run: they wait for the next", found.later, limits.max_changes)
  end
  if count == 0 then return end
  if limits.canary > 0 and count > limits.canary then add(lines, "  %d of them first, alone", limits.canary) end
  local rate, ahead = http.pace()
  if not rate then return end
  local needed = count / rate + (ahead or 0)
  add(lines, "  %d write%s to Graph, at most %d a minute%s", count, count == 1 and "" or "s", rate * 60 // 1,
    needed >= 60 and ("; they take at least " .. time.span(needed)) or "")
end

local function add_waiting(lines, entry)
  for _, wait in ipairs(entry.waiting or {}) do
    add(lines, "  %s: %s", entry.name, wait.what)
    for i, line in ipairs(wait.how or {}) do add(lines, "      %d. %s", i, line) end
    for _, field in ipairs(wait.form or {}) do add(lines, "      %-24s %s", field.field, field.value) end
  end
end

local function add_policy(lines, found, is_plan)
  add(lines, "%s: %s", found.terms.name, found.terms.summary)
  if found.failure then return add(lines, outcome.text(found.failure)) end
  add(lines, "  %s", when_text(found))
  add(lines, "  to %s", tostring(found.terms.sink))
  local groups = group(found.entries)
  for _, what in ipairs(ORDER) do
    if groups[what] then add_group(lines, what, groups[what], is_plan) end
  end
  if #found.entries == 0 then add(lines, "  nobody is selected") end
  if is_plan then add_caps(lines, found) end
  for _, entry in ipairs(found.entries) do add_waiting(lines, entry) end
end

--- As text.
---@param all table[] as rotation.run gives it
---@param is_plan boolean
---@return string
function M.text(all, is_plan)
  local lines = {}
  for i, found in ipairs(all) do
    if i > 1 then add(lines, "") end
    add_policy(lines, found, is_plan)
  end
  return table.concat(lines, "\n")
end

local function entry_table(entry)
  local failure = entry.failure
  return {
    name = entry.name, id = entry.id or entry.target and entry.target.appId,
    what = entry.what, why = entry.why, due = entry.due and time.iso(entry.due) or nil,
    failure = failure and type(failure) == "table" and outcome.table(failure) or failure and tostring(failure) or nil,
    waiting = entry.waiting,
  }
end

--- As a table, for --json.
---@param all table[]
---@param status integer
---@return table
function M.json(all, status)
  local policies = json.array {}
  for i, found in ipairs(all) do
    local entries = json.array {}
    for place, entry in ipairs(found.entries) do entries[place] = entry_table(entry) end
    policies[i] = {
      policy = found.terms.name, summary = found.terms.summary, target = found.terms.target, accounts = entries,
      beyond_limit = found.later, open = found.is_open,
      failure = found.failure and outcome.table(found.failure) or nil,
    }
  end
  return { policies = policies, status = status }
end

return M
