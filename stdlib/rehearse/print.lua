--- The report of a rehearsal, as text for a reviewer and as a table.

local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local time = require "time"

local M = {}

local MOST = 12 -- lines of the story, or accounts, without --verbose

local function add_rehearsal_line(lines, text, ...)
  lines[#lines + 1] = select("#", ...) > 0 and text:format(...) or text
end

-- "13 changes, 27 to 30 days apart"
local function change_figures(account)
  local least, most = math.huge, 0
  for i = 2, #account.changes do
    local gap = account.changes[i] - account.changes[i - 1]
    least, most = math.min(least, gap), math.max(most, gap)
  end
  local text = layout.count(#account.changes, "change")
  if most == 0 then return text end
  local low, high = (least + 43200) // 86400, (most + 43200) // 86400
  return ("%s, %s apart"):format(text, low == high and layout.count(high // 1, "day") or ("%d to %d days")
    :format(low // 1, high // 1))
end

local function add_rehearsed_accounts(lines, outcome)
  local width = 0
  for _, account in ipairs(outcome.accounts) do width = math.max(width, #account.name) end
  add_rehearsal_line(lines, "\n  %s", layout.count(#outcome.accounts, "account"))
  local most = log.verbose() and #outcome.accounts or MOST
  for i = 1, math.min(most, #outcome.accounts) do
    local account = outcome.accounts[i]
    local failures = layout.count(account.failures, "time")
    local failed = account.failures > 0 and ("; failed %s, and was continued"):format(failures) or ""
    add_rehearsal_line(lines, "    %-" .. width .. "s  %s%s", account.name, change_figures(account), failed)
  end
  if #outcome.accounts > most then
    add_rehearsal_line(lines, "    … and %d more; --verbose names them", #outcome.accounts - most)
  end
end

-- Add the story. Of plain changes only the first MOST lines are added; other lines are all added.
local function add_story_lines(lines, outcome)
  add_rehearsal_line(lines, "\n  what happened")
  local quiet, skipped = 0, 0
  for _, line in ipairs(outcome.story) do
    local is_plain = line.text:find(" changed$") ~= nil or line.text:find(" had the one before it let go$") ~= nil
    if is_plain then quiet = quiet + 1 end
    if is_plain and quiet > MOST and not log.verbose() then skipped = skipped + 1
    else add_rehearsal_line(lines, "    %s  %s", time.iso(line.at):sub(1, 16):gsub("T", " "), line.text) end
  end
  if skipped > 0 then add_rehearsal_line(lines, "    … and %d more changes; --verbose tells all", skipped) end
end

local function add_fault_lines(lines, outcome)
  if #outcome.faults == 0 then return end
  add_rehearsal_line(lines, "\n  what went wrong on request")
  for _, fault in ipairs(outcome.faults) do
    add_rehearsal_line(lines, "    %s: met %s", fault.rule, layout.count(fault.hits, "time"))
  end
end

local function add_verdict_lines(lines, outcome)
  add_rehearsal_line(lines, "\n  what must hold")
  for _, verdict in ipairs(outcome.verdicts) do
    local mark = verdict.holds and log.style("green", "ok ") or log.style("red", "NOT")
    add_rehearsal_line(lines, "    %s %s%s", mark, verdict.what, verdict.why and ": " .. verdict.why or "")
  end
end

--- The report as text.
---@param outcome rehearse.outcome the outcome of the rehearsal
---@param took number seconds that the rehearsal took
---@return string
function M.text(outcome, took)
  local lines = { ("%s: %s"):format(outcome.terms.name, outcome.terms.summary) }
  for _, terms in ipairs(outcome.policies) do
    if terms.name ~= outcome.terms.name then add_rehearsal_line(lines, "  of %s: %s", terms.name, terms.summary) end
  end
  add_rehearsal_line(lines, "  from %s to %s on an emulator: %s in %.0f s", time.day(outcome.from),
    time.day(outcome.to), layout.count(outcome.runs, "run"), took)
  add_rehearsed_accounts(lines, outcome)
  add_story_lines(lines, outcome)
  add_fault_lines(lines, outcome)
  add_verdict_lines(lines, outcome)
  return table.concat(lines, "\n")
end

local function rehearsed_accounts_table(outcome)
  local list = json.array {}
  for i, account in ipairs(outcome.accounts) do
    local changes = json.array {}
    for place, moment in ipairs(account.changes) do changes[place] = time.iso(moment) end
    list[i] = { name = account.name, changes = changes, failures = account.failures, state = account.state }
  end
  return list
end

--- The report as a table, for --json.
---@param outcome rehearse.outcome the outcome of the rehearsal
---@param took number
---@return table
function M.table(outcome, took)
  local story, verdicts = json.array {}, json.array {}
  for i, line in ipairs(outcome.story) do story[i] = { at = time.iso(line.at), text = line.text } end
  for i, verdict in ipairs(outcome.verdicts) do verdicts[i] = verdict end
  return {
    name = outcome.terms.name, summary = outcome.terms.summary, from = time.iso(outcome.from),
    to = time.iso(outcome.to), runs = outcome.runs, seconds = took, accounts = rehearsed_accounts_table(outcome),
    story = story, faults = json.array(outcome.faults), expectations = verdicts, holds = outcome.holds,
  }
end

return M
