--- Try a failed call to a service again: decide how often, and after which wait.
---
--- The kind of failure decides. A call that depends on our own write, which Entra has not replicated yet, is tried
--- again for two minutes. A throttled call waits as long as the service says; where that is too long, the call fails
--- and says when to try again. A call with a transient failure, or without an answer, is repeated only when repeating
--- is safe. A refused call is never repeated. A changing call whose outcome stays unknown fails as "unknown_outcome".

local kinds = require "fail.kinds"
local log = require "log"
local outage = require "http.outage"
local task = require "task"
local throttle = require "http.throttle"
local time = require "time"
local traceback = require "base.traceback"

local M = {}

local LAG_BUDGET = 120 -- seconds; Entra's replication takes up to minutes
local LAG_LONGEST = 16 -- seconds
local DENIED_BUDGET = 30 -- seconds; seen for seconds (hashicorp/terraform-provider-azuread issue 611)
local WAIT_BUDGET = 600 -- seconds that one call may take after the service first asks it to wait
local WAIT_LONGEST = 60 -- seconds, when the service gives no Retry-After
local WAIT_TRIES = 10 -- tries of one call that the service asks to wait each time
local TRIES = 4 -- of a call with a transient failure

--- The members that the failures of all services have.
---@class http.retry.failure
---@field kind string a kind of fail's
---@field message string
---@field status integer? of the HTTP answer
---@field code string|integer?
---@field retry_after number? seconds, as the service says
---@field lagged number? for so many seconds it was tried again, because what was just written may not be replicated
---@field again number? the moment before which the service does not want another request
---@field held boolean? the call was not sent, because the service had asked another call to wait
---@field lag boolean? a known text for something that is not replicated yet
---@field exists boolean? the object exists already
---@field transport string? the gate's kind, when the request got no answer
---@field maybe_sent boolean? the service may have acted on it (on this try or an earlier one)

---@class http.retry.call
---@field what string for progress
---@field peer string "graph", "login" or "devolutions"
---@field resource nil|fun(self: http.retry.call): string? the part of the peer that is throttled as a whole: "/users"
---@field attempt fun(self: http.retry.call): any, any makes one try: value, more; or nil, failure
---@field changes boolean? does the call change something?
---@field repeatable boolean? is sending the call twice harmless?
---@field fresh_write boolean? does the call depend on something that we wrote a moment ago?
---@field once boolean? does an answer, or a request that may have been sent, end the tries?
---@field is_lagging nil|fun(self: http.retry.call, failure: http.retry.failure): boolean may a refusal with status 403
--- come from what was just made, and pass?
---@field renew fun(self: http.retry.call)? get a new credential after a 401

--- Make the failure of a request that got no answer, from the results of http.send.
---@param message string
---@param kind string the gate's kind
---@param maybe_sent boolean?
---@return http.retry.failure
function M.transport_failure(message, kind, maybe_sent)
  local known = kinds.transports[kind]
  return {
    kind = known and known.kind or "network", transport = kind, message = message, maybe_sent = maybe_sent or nil,
  }
end

-- May the service have carried out the change of this try?
local function try_may_have_changed(call, failure)
  if not call.changes then return false end
  if failure.transport then return failure.maybe_sent end
  return kinds.of(failure.kind).may_have_changed or false
end

local function exponential_backoff(first, tries, longest)
  return math.min(longest, first * 2 ^ tries)
end

-- Lengthen or shorten a wait by up to a quarter, so that calls that failed together are not tried again together.
local function with_jitter(seconds)
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

local function replication_retry_wait(call, failure, state)
  if not is_lag(call, failure) then return nil end
  local rule = failure.status == 403 and RIGHTS or READS
  state.lag_since[rule] = state.lag_since[rule] or time.monotonic()
  local waited = time.monotonic() - state.lag_since[rule]
  failure.lagged = waited
  if waited >= rule.budget then return nil end
  state.lags = state.lags + 1
  return math.min(rule.budget - waited, exponential_backoff(1, state.lags - 1, LAG_LONGEST)), rule.why
end

-- The wait that the service asks for, in seconds, never rounded down; nil when the service does not ask.
local function retry_after_seconds(failure)
  return failure.retry_after and math.max(1, math.ceil(failure.retry_after))
end

-- Does the call have time for this wait? The budget counts the elapsed time, not the sum of the waits.
local function has_time_for_retry(state, wait)
  local now = time.monotonic()
  state.waits_since = state.waits_since or now
  return now - state.waits_since + wait <= WAIT_BUDGET and wait <= task.left()
end

local function throttled_retry_wait(failure, state)
  state.throttles = (state.throttles or 0) + 1
  local own_wait = math.max(1, with_jitter(exponential_backoff(1, state.throttles - 1, WAIT_LONGEST)))
  local wait = retry_after_seconds(failure) or own_wait
  if state.throttles < WAIT_TRIES and has_time_for_retry(state, wait) then
    return wait, "the service asks to wait"
  end
  failure.again = time.now() + wait
end

-- May the call be sent again after this failure? A call that lost a race between two updates was refused, and a request
-- that could not connect was not sent, so both may be repeated whatever the call does.
local function is_worth_repeating(call, failure)
  if failure.code == "Directory_ConcurrencyViolation" then return true end
  local transport = kinds.transport(failure)
  if outage.is_unreached(failure) then return transport.passes_by_itself end
  if not call.repeatable then return false end
  return failure.kind == "transient" or transport ~= nil and transport.passes_by_itself
end

local function transient_retry_wait(call, failure, state)
  if not is_worth_repeating(call, failure) then return nil end
  state.tries = (state.tries or 1) + 1
  local wait = retry_after_seconds(failure)
  if wait and not (state.tries <= TRIES and has_time_for_retry(state, wait)) then failure.again = time.now() + wait end
  if failure.again or state.tries > TRIES then return nil end
  return wait or with_jitter(exponential_backoff(1, state.tries - 2, 8)), failure.message
end

-- The seconds until the next try, and why; nil for no further try. During an outage, only its leader waits here: the
-- other calls wait in outage.wait_for_peer.
local function retry_wait(call, failure, state)
  if outage.is_unreached(failure) and not outage.is_leader(call.peer) then
    return not state.is_peer_given_up and 0 or nil
  end
  if failure.kind == "throttled" then return throttled_retry_wait(failure, state) end
  if failure.kind == "auth" and call.renew and not state.renewed then
    state.renewed = true
    call:renew()
    return 0
  end
  local wait, why = replication_retry_wait(call, failure, state)
  if wait then return wait, why end
  return transient_retry_wait(call, failure, state)
end

-- The failure that the call ends with. When the change may have been carried out, the failure says so.
local function final_failure_of_call(failure, state)
  if not state.may_have_changed then return failure end
  failure.maybe_sent = true
  if not kinds.of(failure.kind).not_carried_out then failure.kind = "unknown_outcome" end
  return failure
end

local function wait_before_retry(call, seconds, why)
  if seconds <= 0 then return end
  local text = ("%s: %s; trying again in %s"):format(call.what, why, time.span(math.max(1, seconds)))
  if seconds >= 2 then log.progress(text) else log.detail(text) end
  task.sleep(seconds)
end

-- The failure of a call that was not sent, because the service asked for a wait that is too long for this call.
local function held_back_failure(seconds)
  return {
    kind = "throttled", message = "it was not sent, because the service asked to send nothing for a while", held = true,
    retry_after = seconds,
  }
end

-- Make one try, unless an outage or a throttle that other calls met holds the call back.
local function attempt_unless_held_back(call, state)
  local failure = outage.wait_for_peer(call.peer)
  if failure then
    state.is_peer_given_up = true
    return nil, M.transport_failure(failure.message, failure.transport)
  end
  while throttle.seconds_left(call) > 0 do
    local left = throttle.seconds_left(call)
    if not has_time_for_retry(state, left) then return nil, held_back_failure(left) end
    wait_before_retry(call, left, "the service asked to wait")
  end
  local value, more = call:attempt()
  outage.note_try(call.peer, value == nil and more or nil)
  return value, more
end

--- Decide whether a call is tried again after a failure.
---@param call http.retry.call
---@param failure http.retry.failure
---@param state table what was noted about the earlier tries of this call; {} before the first try
---@return number? seconds until the next try; nil: the call is not tried again
---@return string|http.retry.failure why_or_failure why the call waits; without a next try, the failure of the call
function M.after_failure(call, failure, state)
  if try_may_have_changed(call, failure) then state.may_have_changed = true end
  state.lags, state.lag_since = state.lags or 0, state.lag_since or {}
  state.failure = failure
  local wait, why = retry_wait(call, failure, state)
  if failure.kind == "throttled" and not failure.held then throttle.note(call, wait or retry_after_seconds(failure)) end
  local is_over = call.once and (failure.status or failure.maybe_sent)
  if wait and not is_over then return wait, why end
  outage.stop_leading(call.peer, outage.is_unreached(failure))
  return nil, final_failure_of_call(failure, state)
end

--- The failure of a call that was stopped between its tries. When an earlier try may have been carried out, the failure
--- says that instead of why the call was stopped.
---@param state table
---@param failure http.retry.failure the failure when no earlier try may have been carried out
---@param cause any why the call was stopped
---@return http.retry.failure
function M.stopped_failure(state, failure, cause)
  if not state.may_have_changed then return failure end
  state.failure.cause = cause or failure.cause
  return final_failure_of_call(state.failure, state)
end

local function try_once(call, state)
  local value, failure = attempt_unless_held_back(call, state)
  if value ~= nil then return true, value, failure end
  local wait, more = M.after_failure(call, failure, state)
  if not wait then return true, nil, more end
  wait_before_retry(call, wait, more)
  return false
end

--- Try until the call succeeds or must not be tried again. Also when the call is interrupted, its failure says that an
--- earlier try may have been carried out. Waits.
---@param call http.retry.call
---@return any value, any more_or_failure nil and a http.retry.failure when it did not succeed
function M.run(call)
  local state = {}
  while true do
    local ok, done, value, more = xpcall(try_once, traceback.keep, call, state)
    if not ok then outage.stop_leading(call.peer, false) end
    if not ok and not state.may_have_changed then error(done, 0) end
    if not ok then return nil, M.stopped_failure(state, nil, done) end
    if done then return value, more end
  end
end

return M
