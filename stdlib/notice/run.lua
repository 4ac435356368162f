--- One look: decide for each rule what is told, put that into the journal, and deliver it.

local compose = require "notice.compose"
local decide = require "notice.decide"
local outbox = require "notice.outbox"
local hint = require "log.hint"
local log = require "log"
local records = require "notice.records"
local time = require "time"

local M = {}

---@class notice.outcome what one rule did
---@field rule notice.rule
---@field state notice.state
---@field made notice.notice[]
---@field delivered integer
---@field failure Failure?

-- A target that could not be told is a finding for the other targets.
local function delivery_findings(outcomes, own, rules)
  local findings = {}
  for _, outcome in ipairs(outcomes) do
    local entry = outcome.state.outbox[1]
    if outcome ~= own and entry and entry.tries > 0 then
      findings[#findings + 1] = { key = "delivery/" .. outcome.state.target, kind = "delivery", source = "delivery",
        severity = "critical", title = "notices are not delivered to " .. outcome.state.target,
        text = ("since %s: %s"):format(time.iso(entry.first_at), entry.why),
        fix = hint.text("Try it by hand: {moonlatch} notify %s --test", rules) }
    end
  end
  return findings
end

local function with_more_findings(look, more)
  local findings = table.move(look.findings, 1, #look.findings, 1, {})
  return { now = look.now, unseen = look.unseen, findings = table.move(more, 1, #more, #findings + 1, findings) }
end

local function count_told(state)
  local count = 0
  for _ in pairs(state.told) do count = count + 1 end
  return count
end

-- Make the notices of one rule, and put them into the journal together with what they tell.
local function make_notices(journal, terms, outcome, look, tenant)
  local rule, state, about = outcome.rule, outcome.state, { now = look.now, tenant = tenant }
  if not decide.may_tell(rule, state, look.now) then return end
  local items, is_changed = decide.items(rule, state.told, look)
  outcome.made = compose.of_items(items, about)
  if #outcome.made == 0 and decide.is_sign_of_life_due(rule, state, look.now) then
    outcome.made[1] = compose.sign_of_life(about, count_told(state))
  end
  if #outcome.made == 0 and not is_changed then return end
  for _, notice in ipairs(outcome.made) do state.outbox[#state.outbox + 1] = { notice = notice, tries = 0 } end
  if #outcome.made > 0 then state.made_at = look.now end
  records.keep(journal, terms.name, rule, state)
end

--- Make the notices of all rules. Nothing is sent yet.
---@param journal host.journal.journal
---@param terms notice.terms
---@param look notice.look
---@param tenant string
---@return notice.outcome[] one for each rule
function M.make(journal, terms, look, tenant)
  local outcomes = {}
  for i, rule in ipairs(terms.rules) do
    outcomes[i] = { rule = rule, state = records.read(journal, terms.name, rule, look.now), made = {}, delivered = 0 }
  end
  for _, outcome in ipairs(outcomes) do
    local more = delivery_findings(outcomes, outcome, terms.name)
    make_notices(journal, terms, outcome, with_more_findings(look, more), tenant)
  end
  for _, state in ipairs(records.drop_others(journal, terms)) do
    log.warn(("%d notices were not delivered to %s, which the rules do not name any more"):format(#state.outbox,
      state.target))
  end
  return outcomes
end

--- Deliver what waits for one rule's target. Waits.
---@param journal host.journal.journal
---@param terms notice.terms
---@param outcome notice.outcome
---@param teller notice.teller
function M.deliver(journal, terms, outcome, teller)
  local result = outbox.deliver(journal, terms.name, outcome.rule, outcome.state, teller)
  outcome.delivered, outcome.failure = outcome.delivered + result.delivered, result.failure
end

return M
