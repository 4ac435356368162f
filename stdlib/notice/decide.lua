--- Decide what a rule tells now: what is new, what is worse, what is told again, and what is resolved. Sends nothing.

local sets = require "base.sets"

local M = {}

---@class notice.told what was told of a finding
---@field at number when it was told last
---@field level integer how bad it was then
---@field title string
---@field kind string
---@field severity string
---@field source string
---@field subjects string[]? ids of the things that it named

---@class notice.state what a rule's target was told; the journal keeps it
---@field target string the rule's script and arguments, for people
---@field since number when the target was first told anything
---@field made_at number? when the last notice was made
---@field delivered_at number?
---@field told table<string, notice.told> by the key of the finding
---@field outbox notice.entry[] notices that are not delivered yet, oldest first

---@class notice.entry
---@field notice notice.notice
---@field tries integer
---@field first_at number? the first try
---@field next_at number? the next try
---@field why string? why the last try failed

-- How bad a finding is, by the rule: what expires gets worse with each of the rule's spans; 0: not to be told yet.
local function level_of(finding, wish, now)
  if wish.least == "critical" and finding.severity ~= "critical" then return 0 end
  if not finding.ends then return finding.severity == "critical" and 2 or 1 end
  local level = finding.ends <= now and 1 or 0
  for _, span in ipairs(wish.first) do
    if finding.ends - now <= span then level = level + 1 end
  end
  return level
end

-- Does the finding name a thing that it did not name when it was told?
local function names_more(finding, told)
  local known = sets.of(told.subjects)
  for _, subject in ipairs(finding.subjects or {}) do
    if not known[subject] then return true end
  end
  return false
end

-- Why a finding is told now; nil when it is not.
local function state_of_finding(finding, told, level, wish, now)
  if level == 0 then return nil end
  if not told then return "new" end
  if level > told.level or names_more(finding, told) then return "worse" end
  if wish.again and now - told.at >= wish.again then return "again" end
end

local function item_of(finding, state)
  return { state = state, key = finding.key, kind = finding.kind, severity = finding.severity, title = finding.title,
    text = finding.text, fix = finding.fix, ends = finding.ends }
end

-- Was this source looked at? Where it was not, nothing of it is resolved.
local function was_looked_at(source, unseen)
  while source do
    if unseen[source] then return false end
    source = source:match "^(.+)/[^/]*$"
  end
  return true
end

local function add_resolved(items, told, present, look)
  local keys = {}
  for key, before in pairs(told) do
    if not present[key] and was_looked_at(before.source, look.unseen) then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local before = told[key]
    items[#items + 1] = { state = "resolved", key = key, kind = before.kind, severity = before.severity,
      title = before.title }
    told[key] = nil
  end
end

-- Note that a finding that was told got better: it is worse again when it gets worse from there. Returns whether
-- anything changed.
local function note_better(before, finding, level)
  local named, left = sets.of(finding.subjects), {}
  for _, subject in ipairs(before.subjects or {}) do
    if named[subject] then left[#left + 1] = subject end
  end
  if level >= before.level and #left == #(before.subjects or {}) then return false end
  before.level, before.subjects = math.min(level, before.level), left
  return true
end

-- Does the finding stand? What expires does not any more when it is not due to be told: its date was moved.
local function stands(finding, level) return level > 0 or not finding.ends end

--- The items to tell now. Records them in `told`, as if they were told.
---@param rule notice.rule
---@param told table<string, notice.told> is changed
---@param look notice.look
---@return notice.item[] with moments as numbers
---@return boolean changed was anything of `told` changed?
function M.items(rule, told, look)
  local items, present, changed = {}, {}, false
  for _, finding in ipairs(look.findings) do
    local wish, before = rule.what[finding.kind], told[finding.key]
    local level = wish and level_of(finding, wish, look.now) or 0
    local state = wish and state_of_finding(finding, before, level, wish, look.now)
    present[finding.key] = stands(finding, level) or nil
    if state then
      items[#items + 1] = item_of(finding, state)
      told[finding.key] = { at = look.now, level = level, title = finding.title, kind = finding.kind,
        severity = finding.severity, source = finding.source, subjects = finding.subjects }
    elseif before and present[finding.key] then
      changed = note_better(before, finding, level) or changed
    end
  end
  add_resolved(items, told, present, look)
  return items, changed or #items > 0
end

--- May a notice be made for this target now? Not in quiet hours, and not before the span of its digest is over.
---@param rule notice.rule
---@param state notice.state
---@param now number
---@return boolean
function M.may_tell(rule, state, now)
  if rule.quiet and rule.quiet:at(now) then return false end
  return not (rule.digest and state.made_at and now - state.made_at < rule.digest)
end

--- Is a sign of life due: was nothing delivered for too long, and is nothing waiting to be?
---@param rule notice.rule
---@param state notice.state
---@param now number
---@return boolean
function M.is_sign_of_life_due(rule, state, now)
  if #state.outbox > 0 then return false end
  return not state.made_at or rule.alive ~= nil and now - (state.delivered_at or state.since) >= rule.alive
end

return M
