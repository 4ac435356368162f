--- Judge a rehearsal: a story to read, figures for each account, and whether every condition held.

local class = require "base.class"
local rotate_run = require "rotate.run"
local time = require "time"

local M = {}

local MOST = 8 -- accounts named in a line

---@class rehearse.account
---@field name string
---@field terms policy.terms
---@field changes number[] moments
---@field failures integer
---@field state string? what the last run said
---@field accepted boolean? was it refused, as its policy expects?
---@field since number moment of its last change; moved forward by the time for which it waited for a person
---@field stopped number? moment from which it waits for a person
---@field longest number the longest time without a change, in seconds, until the last change

---@class rehearse.verdict
---@field what string
---@field holds boolean
---@field why string?

---@class rehearse.outcome
---@field terms rehearse.terms
---@field policies policy.terms[]
---@field from number
---@field to number
---@field runs integer
---@field accounts rehearse.account[] by name
---@field story { at: number, text: string }[]
---@field faults { rule: string, hits: integer }[]
---@field verdicts rehearse.verdict[]
---@field holds boolean

---@class rehearse.judge
---@field stage rehearse.stage
---@field last_failure string? why the last run failed as a whole
local Judge = class "rehearse.judge"

--- A judge of a rehearsal.
---@param terms rehearse.terms
---@param policies policy.terms[]
---@param stage rehearse.stage
---@return rehearse.judge
function M.new(terms, policies, stage)
  return Judge {
    terms = terms, policies = policies, stage = stage, accounts = {}, order = {}, story = {}, runs = 0, wrong = {},
    stored = 0, most = {}, outside = {},
  }
end

--- Set the beginning of the rehearsal.
---@param moment number
function Judge:begin(moment) self.from = moment end

--- Add a line to the story.
---@param text string
function Judge:tell(text, ...)
  self.story[#self.story + 1] = { at = self.stage:now(), text = text:format(...) }
end

---------------------------------------------------------------------------
-- After a run

local function judged_account(self, found, entry)
  local account = self.accounts[entry.name]
  if account then return account end
  account = { name = entry.name, terms = found.terms, changes = {}, failures = 0, since = self.from, longest = 0 }
  self.accounts[entry.name], self.order[#self.order + 1] = account, account
  return account
end

local function short_account_name(name) return name:match("^[^@]*") end

local function account_names_text(names)
  local shown = table.move(names, 1, math.min(#names, MOST), 1, {})
  local more = #names > MOST and (" and %d more"):format(#names - MOST) or ""
  return table.concat(shown, ", ") .. more
end

local NEWS = {
  changed = "changed", cleared = "had the one before it let go", failed = "failed",
  stop = "stopped", refuse = "refused", person = "waits for a person",
}
local REASONED = { failed = true, stop = true, refuse = true, person = true }

local function news_reason(entry)
  return REASONED[entry.what] and (": " .. tostring(entry.why):match("^[^\n]*")) or ""
end

-- The outcome of an entry. A changed application without a new secret had an old one removed: "cleared".
local function rehearsed_outcome(found, entry)
  local is_minted = found.terms.target == "users" or entry.mints
  return entry.what == "changed" and not is_minted and "cleared" or entry.what
end

-- Add the news since the last run to the story. An account that stays stopped is told once.
local function tell_news_in_story(self, what, by_reason)
  for _, group in ipairs(by_reason) do
    self:tell("%s %s%s", account_names_text(group.names), NEWS[what], group.reason)
  end
end

local function group_news_by_reason(self, found)
  local news = {}
  for _, entry in ipairs(found.entries) do
    local account, what = judged_account(self, found, entry), rehearsed_outcome(found, entry)
    local reason = news_reason(entry)
    local is_new = NEWS[what] and (what == "changed" or account.said ~= what .. reason)
    account.said = what .. reason
    if is_new then
      news[what] = news[what] or {}
      local list = news[what]
      local group = list[reason] or { names = {}, reason = reason }
      if not list[reason] then list[reason], list[#list + 1] = group, group end
      table.insert(group.names, short_account_name(entry.name))
    end
  end
  return news
end

local STOPPED = { stop = true, person = true }

-- Exclude the time for which the account waited for a person: the policy is not late then.
local function exclude_stopped_time(account, now)
  if account.stopped then account.since = account.since + now - account.stopped end
  account.stopped = STOPPED[account.state] and now or nil
end

-- How long an account had no change, in seconds. Days that the policy excepts do not count.
local function time_without_change(account, to)
  local window = account.terms.window
  return to - account.since - (window and window:excepted(account.since, to) or 0)
end

local function count_rehearsed_change(account, now)
  account.changes[#account.changes + 1] = now
  account.longest, account.since = math.max(account.longest, time_without_change(account, now)), now
end

local function count_rehearsed_outcome(self, found, entry, now)
  local account = judged_account(self, found, entry)
  account.state, account.accepted = entry.what, rotate_run.is_accepted(found.terms, entry)
  exclude_stopped_time(account, now)
  if entry.what == "failed" then account.failures = account.failures + 1 end
  if rehearsed_outcome(found, entry) ~= "changed" then return 0 end
  count_rehearsed_change(account, now)
  self.stage.touched[entry.name], self.stage.touched[short_account_name(entry.name)] = nil, nil
  return 1
end

local function note_policy_run(self, found)
  local now, count = self.stage:now(), 0
  for _, entry in ipairs(found.entries) do count = count + count_rehearsed_outcome(self, found, entry, now) end
  local name = found.terms.name
  self.most[name] = math.max(self.most[name] or 0, count)
  if count > 0 and found.is_open == false then table.insert(self.outside, time.iso(now)) end
  if found.failure then self:tell("%s failed: %s", name, tostring(found.failure):match("^[^\n]*")) end
  local news = group_news_by_reason(self, found)
  for _, what in ipairs { "changed", "cleared", "failed", "stop", "refuse", "person" } do
    if news[what] then tell_news_in_story(self, what, news[what]) end
  end
end

-- Compare the stored values with those in force. One of the stored values must be in force for each account that only
-- our runs have changed.
local function compare_stored_values(self, values)
  local in_force = {}
  for _, row in ipairs(values) do
    in_force[row.name] = in_force[row.name] or row.in_force
    in_force[row.name:lower()] = in_force[row.name]
  end
  for name, account in pairs(self.accounts) do
    local stored = in_force[name] == nil and in_force[name:lower()] or in_force[name]
    local touched = self.stage.touched[name] or self.stage.touched[short_account_name(name)]
    local is_kept = account.terms.sinks[1]:is_server() and #account.changes > 0 and not touched
    if is_kept then self.stored = self.stored + 1 end
    if is_kept and not stored then
      table.insert(self.wrong, ("%s on %s"):format(name, time.day(self.stage:now())))
      self:tell("LOST: none of the stored values of %s is in force", name)
    end
  end
end

--- Note the outcome of a run, and the values that the sinks hold after it.
---@param all table[]? nil when the run failed as a whole
---@param failure Failure?
---@param held table[] as rehearse.stage gives it
function Judge:note(all, failure, held)
  self.runs = self.runs + 1
  local text = failure and tostring(failure):match("^[^\n]*")
  if text and text ~= self.last_failure then self:tell("a run failed: %s", text) end
  self.last_failure = text
  for _, found in ipairs(all or {}) do note_policy_run(self, found) end
  compare_stored_values(self, held)
end

--- Check that the journal's chain of records is unbroken.
---@param journal host.journal.journal
function Judge:check_journal(journal)
  self.records, self.broken = journal:verify()
end

---------------------------------------------------------------------------
-- The conditions

local function add_rehearsal_verdict(verdicts, what, holds, why)
  verdicts[#verdicts + 1] = { what = what, holds = holds, why = not holds and why or nil }
end

-- The longest time an account had no change, from the beginning to the end of the rehearsal.
local function longest_time_without_change(account, to)
  return math.max(account.longest, time_without_change(account, account.stopped or to))
end

local IGNORED = { never = true, refuse = true }

local function judge_change_ages(self, terms, to, verdicts)
  local late, limit = {}, terms.every + self.terms.late
  for _, account in ipairs(self.order) do
    local is_of_it = account.terms == terms and not IGNORED[account.state]
    if is_of_it and longest_time_without_change(account, to) > limit then
      late[#late + 1] = ("%s after %s"):format(short_account_name(account.name),
        time.span(longest_time_without_change(account, to)))
    end
  end
  add_rehearsal_verdict(verdicts, ("each account is changed at least every %s, and %s late at most%s"):format(
    time.span(terms.every), time.span(self.terms.late), terms.except and ", excepted days aside" or ""), #late == 0,
    account_names_text(late))
end

local function judge_policy_limits(self, terms, to, verdicts)
  if terms.target == "users" then judge_change_ages(self, terms, to, verdicts) end
  local most = terms.limits.max_changes
  add_rehearsal_verdict(verdicts, ("no run changes more than %d"):format(most), (self.most[terms.name] or 0) <= most,
    ("one changed %d"):format(self.most[terms.name] or 0))
  for _, name in ipairs(terms.never) do
    local account = self.accounts[name]
    add_rehearsal_verdict(verdicts, name .. " is never touched", not account or #account.changes == 0, "it was changed")
  end
end

local OPEN = {
  failed = "failed", stop = "stopped", person = "waits for a person", skipped = "skipped", refuse = "refused",
  busy = "busy", left = "ended with an unknown outcome",
}

local function judge_final_states(self, verdicts)
  local left = {}
  for _, account in ipairs(self.order) do
    local state = not account.accepted and OPEN[account.state]
    if state then left[#left + 1] = ("%s (%s)"):format(short_account_name(account.name), state) end
  end
  if self.last_failure then left[#left + 1] = "the last run failed: " .. self.last_failure end
  if #self.order == 0 then left[#left + 1] = "nobody was looked at: no run found an account or an application" end
  add_rehearsal_verdict(verdicts, "in the end nobody has failed, is refused or stopped, or waits for a person",
    #left == 0, account_names_text(left))
end

local function judge_expectations(self, outcome, verdicts)
  for _, expectation in ipairs(self.terms.expect) do
    local holds, why = expectation.holds(outcome)
    add_rehearsal_verdict(verdicts, expectation.what, holds == true, why or "it does not hold")
  end
end

local function judge_conditions(self, outcome)
  local verdicts = outcome.verdicts
  add_rehearsal_verdict(verdicts, ("a stored value was in force at each comparison (%d times)"):format(self.stored),
    #self.wrong == 0, account_names_text(self.wrong))
  for _, terms in ipairs(self.policies) do judge_policy_limits(self, terms, outcome.to, verdicts) end
  add_rehearsal_verdict(verdicts, "nothing is changed outside the window", #self.outside == 0,
    account_names_text(self.outside))
  judge_final_states(self, verdicts)
  add_rehearsal_verdict(verdicts, ("the journal's chain of %d records is unbroken"):format(self.records or 0),
    self.records ~= nil, self.broken)
  judge_expectations(self, outcome, verdicts)
end

--- End the rehearsal. Returns its outcome.
---@param to number
---@return rehearse.outcome
function Judge:finish(to)
  table.sort(self.order, function(a, b) return a.name < b.name end)
  local outcome = {
    terms = self.terms, policies = self.policies, from = self.from, to = to, runs = self.runs, accounts = self.order,
    story = self.story, faults = self.stage:faults(), verdicts = {}, holds = true,
  }
  judge_conditions(self, outcome)
  for _, verdict in ipairs(outcome.verdicts) do outcome.holds = outcome.holds and verdict.holds end
  return outcome
end

return M
