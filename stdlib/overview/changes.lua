--- What changed since the last report that was kept: its numbers, accounts and findings are in the journal, beside the
--- audit chain. Where they are lost, the next report says that there was none. What a report could not look at stays as
--- the last report that could look at it left it.

local commit = require "journal.commit"
local json = require "json"
local log = require "log"
local overview_figures = require "overview.figures"
local overview_numbers = require "overview.numbers"
local sets = require "base.sets"

local M = {}

local NAME = "report/last"
local MOST = 5000 -- accounts that are kept by name
local LONGEST = 400 * 86400 -- seconds for which something stays that no later report could look at

---@class overview.kept
---@field at number
---@field numbers table<string, integer> exact numbers, by overview.numbers.key
---@field numbers_at table<string, number>? when a number was exact last, where that was in an earlier report
---@field accounts table<string, { name: string, managed: string }>? by object id; nil: never all known, or too many
---@field accounts_at number? when these accounts were seen, where that was in an earlier report
---@field findings table<string, { title: string, source: string }>? by key; nil: the doctor never ran
---@field findings_at number? likewise

---@class overview.changed_number
---@field number overview.number now
---@field before integer
---@field since number? when the report with that number was made, where that was before the last one

---@class overview.changes
---@field since number when the last report was made
---@field numbers table<string, integer> the exact numbers of the last report that had them
---@field numbers_at table<string, number> when that was, where it was before the last report
---@field accounts_since number? when the report with the accounts was made, where that was before the last one
---@field findings_since number? likewise
---@field changed overview.changed_number[]
---@field accounts { new: string[], gone: string[], managed: string[], unmanaged: string[] }? nil: cannot be told
---@field findings { new: string[], resolved: string[], unclear: integer }? nil: cannot be told

---------------------------------------------------------------------------
-- Keeping

local function exact_numbers(list)
  local kept = {}
  for _, number in ipairs(list) do
    if number.certainty == "exact" then kept[overview_numbers.key(number)] = number.value end
  end
  return kept
end

local function kept_accounts(accounts)
  if not (accounts and accounts.whole and #accounts.rows <= MOST) then return nil end
  local kept = {}
  for _, row in ipairs(accounts.rows) do kept[row.id] = { name = row.account, managed = row.managed } end
  return kept
end

local function kept_findings(seen)
  if not seen.examined then return nil end
  local kept = {}
  for _, finding in ipairs(overview_figures.findings_of(seen.look)) do
    kept[finding.key] = { title = finding.title, source = finding.source }
  end
  return kept
end

-- Take over from the last report the numbers that are not exact now, each with its date.
local function take_over_numbers(kept, before)
  for key, value in pairs(before.numbers or {}) do
    local at = before.numbers_at and before.numbers_at[key] or before.at
    if kept.numbers[key] == nil and kept.at - at < LONGEST then
      kept.numbers[key], kept.numbers_at[key] = value, at
    end
  end
end

-- Take over from the last report the accounts or the findings, with their date, where they could not be looked at now.
local function take_over_part(kept, before, part)
  local at = before[part .. "_at"] or before.at
  if kept[part] or not before[part] or kept.at - at >= LONGEST then return end
  kept[part], kept[part .. "_at"] = before[part], at
end

--- Keep what a report says, for the next one to be compared with; of what it could not look at, what the last report
--- says that could. Durable when the call returns.
---@param journal host.journal.journal
---@param seen overview.seen
---@param numbers overview.number[]
function M.keep(journal, seen, numbers)
  local kept = { at = seen.now, numbers = exact_numbers(numbers), numbers_at = {},
    accounts = kept_accounts(seen.accounts), findings = kept_findings(seen) }
  local before = journal:kept(NAME)
  if before then
    take_over_numbers(kept, before)
    take_over_part(kept, before, "accounts")
    take_over_part(kept, before, "findings")
  end
  journal:keep(NAME, kept)
  commit.commit(journal)
end

local function last_kept(journal)
  local kept, message = journal:kept(NAME)
  if message then log.warn("what the last report said cannot be read: " .. message) end
  return kept
end

---------------------------------------------------------------------------
-- Comparing

local function changed_numbers(kept, numbers)
  local list = {}
  for _, number in ipairs(numbers) do
    local key = overview_numbers.key(number)
    local before = kept.numbers[key]
    if before and number.certainty == "exact" and before ~= number.value then
      list[#list + 1] = { number = number, before = before, since = kept.numbers_at and kept.numbers_at[key] }
    end
  end
  return list
end

local function changed_accounts(kept, present)
  if not (kept and present) then return nil end
  local lists = { new = {}, gone = {}, managed = {}, unmanaged = {} }
  for _, id in ipairs(sets.sorted(present)) do
    local before, now = kept[id], present[id]
    if not before then table.insert(lists.new, now.name)
    elseif before.managed ~= now.managed and now.managed == "yes" then table.insert(lists.managed, now.name)
    elseif before.managed == "yes" and now.managed == "no" then table.insert(lists.unmanaged, now.name) end
  end
  for _, id in ipairs(sets.sorted(kept)) do
    if not present[id] then table.insert(lists.gone, kept[id].name) end
  end
  for _, list in pairs(lists) do table.sort(list) end
  return lists
end

local function is_unseen(unseen, source) return unseen[source] or unseen[source:match "^[^/]+"] end

local function changed_findings(kept, seen)
  local present = kept_findings(seen)
  if not (kept and present) then return nil end
  local lists = { new = {}, resolved = {}, unclear = 0 }
  for _, key in ipairs(sets.sorted(present)) do
    if not kept[key] then table.insert(lists.new, present[key].title) end
  end
  for _, key in ipairs(sets.sorted(kept)) do
    if not present[key] and is_unseen(seen.look.unseen, kept[key].source) then lists.unclear = lists.unclear + 1
    elseif not present[key] then table.insert(lists.resolved, kept[key].title) end
  end
  return lists
end

--- Compare with the last report that was kept. Nil when there was none.
---@param journal host.journal.journal
---@param seen overview.seen
---@param numbers overview.number[]
---@return overview.changes?
function M.since_last(journal, seen, numbers)
  local kept = last_kept(journal)
  if not kept then return nil end
  return { since = kept.at, numbers = kept.numbers, numbers_at = kept.numbers_at or {},
    changed = changed_numbers(kept, numbers), accounts_since = kept.accounts_at, findings_since = kept.findings_at,
    accounts = changed_accounts(kept.accounts, kept_accounts(seen.accounts)),
    findings = changed_findings(kept.findings, seen) }
end

--- The value of a number in the last report; nil when there was none, or when it was not exact then or is not now.
---@param changes overview.changes?
---@param number overview.number
---@return integer? value
---@return number? at when the report with that number was made
function M.before(changes, number)
  if not changes or number.certainty ~= "exact" then return nil end
  local key = overview_numbers.key(number)
  return changes.numbers[key], changes.numbers_at[key] or changes.since
end

--- The changes as a value for JSON; null when there was no report before.
---@param changes overview.changes?
---@return any
function M.for_json(changes)
  if not changes then return json.null end
  local list = json.array {}
  for i, one in ipairs(changes.changed) do
    list[i] = { about = one.number.about, name = one.number.name, what = one.number.what, before = one.before,
      now = one.number.value, since = one.since }
  end
  local parts = { since = changes.since, numbers = list, accounts = "unknown", findings = "unknown",
    accounts_at = changes.accounts_since, findings_at = changes.findings_since }
  for _, part in ipairs { "accounts", "findings" } do
    local lists = {}
    for name, value in pairs(changes[part] or {}) do
      lists[name] = type(value) == "table" and json.array(value) or value
    end
    if changes[part] then parts[part] = lists end
  end
  return parts
end

return M
