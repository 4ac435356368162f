--- Deliver notices: hand them to the script that tells, keep those that could not be delivered, and try them again.
---
--- A notice is in the journal before it is sent, and leaves it once it was delivered. A process that dies in between
--- sends it once more, with the same id.

local fail = require "fail"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local records = require "notice.records"
local time = require "time"

local M = {}

local SHORTEST, LONGEST = 5 * 60, 6 * 3600 -- seconds between two tries

---@class notice.teller what tells for one rule
---@field tell fun(notice: notice.notice, args: table)
---@field args table the arguments of the script
---@field rights host.gate.rights?

-- Hand a notice to the script. Returns the failure; nil when it was delivered.
local function hand_over_notice(teller, notice)
  local ok, failure = pcall(rights.with, scheduler.require_current(), teller.rights, teller.tell, notice, teller.args)
  if ok then return nil end
  if fail.is(failure, "interrupted") or fail.is(failure, "journal") then error(failure, 0) end
  if not fail.is(failure) then
    return fail.new { kind = "config", what = "tell", why = tostring(failure):match "^[^\n]*",
      fix = "Correct the script that tells: it raised an error." }
  end
  if package.loaded.graph then require("permissions.denied").explain(failure) end
  return failure
end

local function note_failed_try(entry, failure, now)
  entry.tries = entry.tries + 1
  entry.first_at = entry.first_at or now
  entry.next_at = now + math.min(LONGEST, SHORTEST << math.min(entry.tries - 1, 10))
  entry.why = failure.why
end

---@class notice.delivery
---@field delivered integer
---@field failure Failure? why the first of those that are left was not delivered

--- Deliver what waits for one target, oldest first, until one cannot be delivered: the others would meet the same.
--- Waits.
---@param journal host.journal.journal
---@param rules string
---@param rule notice.rule
---@param state notice.state is changed, and kept
---@param teller notice.teller
---@return notice.delivery
function M.deliver(journal, rules, rule, state, teller)
  local outcome = { delivered = 0 }
  while state.outbox[1] and not outcome.failure do
    local entry, now = state.outbox[1], time.now()
    if entry.next_at and entry.next_at > now or rule.quiet and rule.quiet:at(now) then break end
    local failure = hand_over_notice(teller, entry.notice)
    if failure then
      note_failed_try(entry, failure, now)
      outcome.failure = failure
    else
      table.remove(state.outbox, 1)
      state.delivered_at, outcome.delivered = now, outcome.delivered + 1
    end
    records.keep(journal, rules, rule, state)
  end
  return outcome
end

--- Deliver one notice that is not kept. Waits.
---@param teller notice.teller
---@param notice notice.notice
---@return Failure? failure
function M.try(teller, notice) return hand_over_notice(teller, notice) end

return M
