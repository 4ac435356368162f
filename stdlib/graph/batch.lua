--- Make many calls of Graph in few requests: $batch with twenty calls, getByIds with thousands of ids.
---
--- Each part is retried by its own status; a part that was answered is not sent again. The gate checks every part as it
--- checks a single call.

local call = require "graph.call"
local fail = require "fail"
local json = require "json"
local native_graph = require "host.graph"
local retry = require "http.retry"
local task = require "task"
local time = require "time"
local traceback = require "base.traceback"

local M = {}

local MOST_PARTS = 20 -- parts of a batch (learn.microsoft.com: json-batching)
local MOST_IDS = 1000 -- of getByIds (learn.microsoft.com: directoryobject-getbyids)
local GATHER_SECONDS = 1 -- seconds
local BATCHES_AT_ONCE = 4 -- batches in flight: four times twenty calls

---@class graph.pending a part that has no answer yet
---@field call graph.call
---@field part table the part in the body of the batch
---@field state table what http.retry noted about the part's tries
---@field due number the moment of the next try, by time.monotonic
---@field outcome task.outcome

-- A call in the form that a batch carries. The member `body` is left out for a call without a body, and a call with a
-- body has a Content-Type header (learn.microsoft.com: json-batching).
local function new_batch_part(item, place)
  local query, headers = call.query(item)
  if item.body then headers["Content-Type"] = "application/json" end
  return {
    id = ("%d"):format(place), method = item.method or "GET", url = item.path .. native_graph.query(query),
    body = item.body, headers = next(headers) and headers or nil,
  }
end

local function new_pending_batch_part(item, place)
  local request_call = call.new(item.method or "GET", item.path, item.body, item)
  return { call = request_call, part = new_batch_part(item, place), state = {}, due = 0, outcome = { item = item } }
end

local function settle_batch_part(pending, value, failure)
  local outcome, options = pending.outcome, pending.call.options
  outcome.ok = value ~= nil or (failure.kind == "missing" and options.missing == "nil")
  outcome.result = value
  if not outcome.ok then outcome.result = call.failure(pending.call, failure) end
  pending.done = true
end

-- Settle a part by its answer; or set the moment of its next try.
---@param pending graph.pending
local function settle_or_retry_part(pending, value, failure)
  if value ~= nil then
    pending.call:succeeded(value)
    return settle_batch_part(pending, value)
  end
  local wait, more = retry.after_failure(pending.call, failure, pending.state)
  if not wait then return settle_batch_part(pending, nil, more) end
  pending.due = time.monotonic() + wait
end

local LOST = { kind = "bad_answer", message = "the answer to the batch has nothing for this part" }

local function copy_part_failure(failure)
  local copied = {}
  for name, value in pairs(failure) do copied[name] = value end
  return copied
end

-- The failure of a part, when the whole batch failed. The outcome of a part that only reads is never unknown.
local function failure_of_part(pending, failure)
  local own = copy_part_failure(failure)
  if pending.call.changes then return own end
  own.maybe_sent = nil
  if own.kind == "unknown_outcome" then own.kind = own.transport and "network" or "transient" end
  return own
end

-- Fail the parts of a batch that got no answer. When the batch was not sent again because some of its parts must not be
-- repeated, the other parts are tried again on their own.
local function fail_batch_parts(pending_parts, failure, repeatable)
  local again = not repeatable and failure.kind == "unknown_outcome"
  for _, pending in ipairs(pending_parts) do
    local own = failure_of_part(pending, failure)
    if again then settle_or_retry_part(pending, nil, own) else settle_batch_part(pending, nil, own) end
  end
end

-- The program is asked to stop, or a time limit has passed: fail the parts without an answer with that failure.
local function stop_pending_parts(pending_parts, err)
  if not fail.is(err) then error(err, 0) end
  for _, pending in ipairs(pending_parts) do
    if not pending.done then
      local own = { kind = err.kind, message = err.why, cause = err }
      settle_batch_part(pending, nil, retry.stopped_failure(pending.state, own))
    end
  end
end

local function new_batch_call(pending_parts)
  local parts, repeatable = {}, true
  for i, pending in ipairs(pending_parts) do
    parts[i] = pending.part
    repeatable = repeatable and pending.call.repeatable
  end
  local options = pending_parts[1].call.options
  local what = ("%s and %d more"):format(pending_parts[1].call.what, #pending_parts - 1)
  local request_call = call.new("POST", "/$batch", { requests = json.array(parts) }, {
    what = #pending_parts > 1 and what or pending_parts[1].call.what, repeatable = repeatable,
    timeout = options.timeout,
  })
  return request_call, repeatable
end

local function send_batch(pending_parts)
  local request_call, repeatable = new_batch_call(pending_parts)
  local ok, outcomes, more = xpcall(call.try_repeatedly, traceback.keep, request_call, native_graph.judge_batch)
  if not ok then return stop_pending_parts(pending_parts, outcomes) end
  if outcomes == nil then return fail_batch_parts(pending_parts, more, repeatable) end
  for _, pending in ipairs(pending_parts) do
    local found = outcomes[pending.part.id]
    settle_or_retry_part(pending, found and found.value, found and found.failure or copy_part_failure(LOST))
  end
end

-- The parts that are due now, in groups of twenty.
local function parts_due_now(pending_parts)
  local chunks, now = {}, time.monotonic()
  for _, pending in ipairs(pending_parts) do
    if not pending.done and pending.due <= now then
      local chunk = chunks[#chunks]
      if not chunk or #chunk == MOST_PARTS then
        chunk = {}
        chunks[#chunks + 1] = chunk
      end
      chunk[#chunk + 1] = pending
    end
  end
  return chunks
end

-- The moment to send the next batch; nil when no part is pending. Parts that become due within a second share a batch.
local function next_part_due(pending_parts)
  local soonest, latest = math.huge, nil
  for _, pending in ipairs(pending_parts) do
    if not pending.done then soonest = math.min(soonest, pending.due) end
  end
  for _, pending in ipairs(pending_parts) do
    if not pending.done and pending.due <= soonest + GATHER_SECONDS then latest = math.max(latest or 0, pending.due) end
  end
  return latest
end

-- Send the parts that are due, or wait until some parts are due. Returns false when no part is pending any more. When
-- the wait is interrupted, all pending parts fail.
local function send_due_parts(pending_parts)
  local chunks = parts_due_now(pending_parts)
  if #chunks == 0 then
    local due = next_part_due(pending_parts)
    if not due then return false end
    local ok, err = xpcall(task.sleep, traceback.keep, due - time.monotonic())
    if not ok then stop_pending_parts(pending_parts, err) end
    return ok
  end
  local outcomes = task.each(chunks, BATCHES_AT_ONCE, send_batch)
  for _, outcome in ipairs(outcomes) do
    if not outcome.ok then error(outcome.result, 0) end
  end
  local ok, err = pcall(task.check)
  if not ok then stop_pending_parts(pending_parts, err) end
  return ok
end

--- Send the parts. See `graph.batch`.
---@param parts graph.part[]
---@return task.outcome[] outcomes with item, ok, result
---@return integer failures
function M.send(parts)
  local pending_parts, outcomes, failures = {}, {}, 0
  for i, item in ipairs(parts) do
    pending_parts[i] = new_pending_batch_part(item, i)
    outcomes[i] = pending_parts[i].outcome
  end
  repeat until not send_due_parts(pending_parts)
  for _, outcome in ipairs(outcomes) do
    if not outcome.ok then failures = failures + 1 end
  end
  return outcomes, failures
end

local function id_chunks(ids)
  local chunks = {}
  for from = 1, #ids, MOST_IDS do
    chunks[#chunks + 1] = table.move(ids, from, math.min(#ids, from + MOST_IDS - 1), 1, {})
  end
  return chunks
end

--- Read directory objects by their ids. See `graph.by_ids`.
---@param ids string[]
---@param options { types: string[]?, select: string[]?, what: string? }
---@return table[] objects
---@return table<string, table> by_id
function M.by_ids(ids, options)
  local by_id, found = {}, {}
  local answers = task.map(id_chunks(ids), BATCHES_AT_ONCE, function(chunk)
    local body = { ids = json.array(chunk), types = options.types and json.array(options.types) }
    return call.perform(call.new("POST", "/directoryObjects/getByIds", body, {
      what = options.what or ("read %d objects by their ids"):format(#chunk), select = options.select,
    }))
  end)
  for _, answer in ipairs(answers) do
    for _, object in ipairs(answer.value or {}) do by_id[object.id] = object end
  end
  for _, id in ipairs(ids) do found[#found + 1] = by_id[id] end
  return found, by_id
end

return M
