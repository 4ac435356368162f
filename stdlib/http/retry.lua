--- How often, and how long, a failed call to a service is tried again.
---
--- The kind of failure decides. What Entra has not replicated yet after our own write is tried again for a while. A
--- throttled call waits as long as the service says; where that is too long, the call fails and says when to try again.
--- A transient failure, or a missing answer, is repeated only when repeating is safe. A refusal is never repeated. A
--- call whose outcome stays unknown says so: it may have happened.

local kinds = require "fail.kinds"
local log = require "log"
local outage = require "http.outage"
local scheduler = require "task.scheduler"
local task = require "task"
local throttle = require "http.throttle"
local time = require "time"

local M = {}

local LAG_BUDGET = 120 -- seconds; Entra's replication takes up to minutes
local LAG_LONGEST = 16
local DENIED_BUDGET = 30 -- seconds; seen for seconds (hashicorp/terraform-provider-azuread issue 611)
local WAIT_BUDGET = 600 -- seconds that one call may take after it is first asked to wait
local WAIT_LONGEST = 60 -- when no Retry-After is given
local WAIT_TRIES = 10 -- tries of one call that is asked to wait each time
local TRIES = 4

--- What the failures of all services have in common.
---@class http.retry.failure
---@field kind string a kind of fail's
---@field message string
---@field status integer? of the HTTP answer
---@field code string|integer?
---@field retry_after number? seconds, as the service says
---@field lagged number? for so many seconds it was tried again, because what was just written may not be replicated
---@field again number? the moment before which the service does not want another request
---@field held boolean? not sent, because of what the service told another call
---@field lag boolean? a known text for something that is not replicated yet
---@field exists boolean? the object exists already
---@field transport string? the gate's kind, when no answer came
---@field maybe_sent boolean? the service may have acted on it (on this try or an earlier one)

---@class http.retry.call
---@field what string for progress
---@field peer string "graph", "login" or "devolutions"
---@field resource nil|fun(self: http.retry.call): string? the part of the peer that is throttled as a whole: "/users"
---@field attempt fun(self: http.retry.call): any, any makes one try: value, more; or nil, failure
---@field changes boolean? does it change something?
---@field repeatable boolean? is sending it twice harmless?
---@field fresh_write boolean? did we just write what it depends on?
---@field once boolean? does an answer, or a request that may have been sent, end it?
---@field is_lagging nil|fun(self: http.retry.call, failure: http.retry.failure): boolean may a refusal with status 403
--- come from what was just made, and pass?
---@field renew fun(self: http.retry.call)? get a new credential after a 401

--- The failure of a request without an answer, from the results of http.send.
---@param message string
---@param kind string the gate's
---@param maybe_sent boolean?
---@return http.retry.failure
function M.transport(message, kind, maybe_sent)
  local known = kinds.transports[kind]
  return {
    kind = known and known.kind or "network", transport = kind, message = message, maybe_sent = maybe_sent or nil,
  }
end

-- May the service have acted on this very try?
local function is_open(call, failure)
  if not call.changes then return false end
  if failure.transport then return failure.maybe_sent end
  return kinds.of(failure.kind).open or false
end

local function grow(first, tries, longest)
  return math.min(longest, first * 2 ^ tries)
end

-- Change a wait by up to a quarter, so that calls that failed together do not come back together.
local function jitter(seconds)
  return seconds * (0.75 + math.random() / 2)
end

-- May the failure come from what Entra has not replicated yet? A refusal for want of rights only where the call knows
-- that the rights are there: the text that tells of replication is also that of a missing role.
local function is_lag(call, failure)
  if not call.fresh_write then return false end
  if failure.status == 403 then return call.is_lagging ~= nil and call:is_lagging(failure) end
  return failure.lag or ((failure.kind == "missing" or failure.kind == "conflict") and not failure.exists)
end

local READS = { budget = LAG_BUDGET, why = "Entra has not replicated what was just written" }
local RIGHTS = { budget = DENIED_BUDGET,
  why = "it was refused (403) although we may do it, so Entra may not know yet what was just made" }

local function lag_wait(call, failure, state)
  if not is_lag(call, failure) then return nil end
  local rule = failure.status == 403 and RIGHTS or READS
  state.lag_since[rule] = state.lag_since[rule] or time.monotonic()
  local waited = time.monotonic() - state.lag_since[rule]
  failure.lagged = waited
  if waited >= rule.budget then return nil end
  state.lags = state.lags + 1
  return math.min(rule.budget - waited, grow(1, state.lags - 1, LAG_LONGEST)), rule.why
end

-- The wait that the service asks for, in seconds, never rounded down; nil when it does not say.
local function asked_for(failure)
  return failure.retry_after and math.max(1, math.ceil(failure.retry_after))
end

-- Is there time for this wait? The elapsed time counts, not the sum of the waits.
local function has_time(state, wait)
  local now = time.monotonic()
  state.waits_since = state.waits_since or now
  return now - state.waits_since + wait <= WAIT_BUDGET and wait <= task.left()
end

local function throttle_wait(failure, state)
  state.throttles = (state.throttles or 0) + 1
  local wait = asked_for(failure) or math.max(1, jitter(grow(1, state.throttles - 1, WAIT_LONGEST)))
  if state.throttles < WAIT_TRIES and has_time(state, wait) then return wait, "the service asks to wait" end
  failure.again = time.now() + wait
end

-- May the call be repeated even though a lost answer may not? A lost update race was refused, and a request that could
-- not connect was not sent.
local function is_passing(call, failure)
  if failure.code == "Directory_ConcurrencyViolation" then return true end
  local transport = kinds.transport(failure)
  if outage.is(failure) then return transport.passes end
  if not call.repeatable then return false end
  return failure.kind == "transient" or transport ~= nil and transport.passes
end

local function passing_wait(call, failure, state)
  if not is_passing(call, failure) then return nil end
  state.tries = (state.tries or 1) + 1
  local wait = asked_for(failure)
  if wait and not (state.tries <= TRIES and has_time(state, wait)) then failure.again = time.now() + wait end
  if failure.again or state.tries > TRIES then return nil end
  return wait or jitter(grow(1, state.tries - 2, 8)), failure.message
end

-- Seconds until the next try, and why; nil for no more tries. Where no connection can be made, one call waits and tries
-- for all.
local function patience(call, failure, state)
  if outage.is(failure) and not outage.leads(call.peer) then return not state.hopeless and 0 or nil end
  if failure.kind == "throttled" then return throttle_wait(failure, state) end
  if failure.kind == "auth" and call.renew and not state.renewed then
    state.renewed = true
    call:renew()
    return 0
  end
  local wait, why = lag_wait(call, failure, state)
  if wait then return wait, why end
  return passing_wait(call, failure, state)
end

local function settle(failure, state)
  if not state.open then return failure end
  failure.maybe_sent = true
  if not kinds.of(failure.kind).plain then failure.kind = "unknown_outcome" end
  return failure
end

local function pause(call, seconds, why)
  if seconds <= 0 then return end
  local text = ("%s: %s; trying again in %s"):format(call.what, why, time.span(math.max(1, seconds)))
  if seconds >= 2 then log.progress(text) else log.detail(text) end
  task.sleep(seconds)
end

-- The failure of a call that was not sent, because another call was told to wait longer than this one can.
local function held_back(seconds)
  return {
    kind = "throttled", message = "it was not sent, because the service asked to be left alone", held = true,
    retry_after = seconds,
  }
end

-- Make one try, unless an outage or a throttle that other calls met holds it back.
local function attempt(call, state)
  local failure = outage.hold(call.peer)
  if failure then
    state.hopeless = true
    return nil, M.transport(failure.message, failure.transport)
  end
  while throttle.left(call) > 0 do
    local left = throttle.left(call)
    if not has_time(state, left) then return nil, held_back(left) end
    pause(call, left, "the service asked to wait")
  end
  local value, more = call:attempt()
  outage.learn(call.peer, value == nil and more or nil)
  return value, more
end

--- Decide what to do after a failure: seconds to wait before the next try, and why; or nil and the failure. `state`
--- belongs to this call, and is {} at first.
---@param call http.retry.call
---@param failure http.retry.failure
---@param state table
---@return number? seconds, string|http.retry.failure why_or_failure
function M.after(call, failure, state)
  if is_open(call, failure) then state.open = true end
  state.lags, state.lag_since = state.lags or 0, state.lag_since or {}
  state.failure = failure
  local wait, why = patience(call, failure, state)
  if failure.kind == "throttled" and not failure.held then throttle.note(call, wait or asked_for(failure)) end
  local is_over = call.once and (failure.status or failure.maybe_sent)
  if wait and not is_over then return wait, why end
  outage.leave(call.peer, outage.is(failure))
  return nil, settle(failure, state)
end

--- The failure of a call that was stopped between its tries. That an earlier try may have been carried out is more
--- important than why it stopped.
---@param state table
---@param failure http.retry.failure when nothing is open
---@param cause any
---@return http.retry.failure
function M.cut_short(state, failure, cause)
  if not state.open then return failure end
  state.failure.cause = cause or failure.cause
  return settle(state.failure, state)
end

local function try(call, state)
  local value, failure = attempt(call, state)
  if value ~= nil then return true, value, failure end
  local wait, more = M.after(call, failure, state)
  if not wait then return true, nil, more end
  pause(call, wait, more)
  return false
end

--- Try until the call succeeds or must not be tried again. An interruption does not hide that an earlier try may have
--- been carried out. Waits.
---@param call http.retry.call
---@return any value, any more_or_failure nil and a http.retry.failure when it did not succeed
function M.run(call)
  local state = {}
  while true do
    local ok, done, value, more = xpcall(try, scheduler.keep_trace, call, state)
    if not ok then outage.leave(call.peer, false) end
    if not ok and not state.open then error(done, 0) end
    if not ok then return nil, M.cut_short(state, nil, done) end
    if done then return value, more end
  end
end

return M
