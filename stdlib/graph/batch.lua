--- Make many calls of Graph in few requests: $batch with twenty calls, getByIds with thousands of ids.
---
--- Each part is judged and retried by its own status; a part that was answered is not sent again. The gate checks every
--- part like a call of its own.

local call = require "graph.call"
local fail = require "fail"
local json = require "json"
local native_graph = require "host.graph"
local retry = require "http.retry"
local scheduler = require "task.scheduler"
local task = require "task"
local time = require "time"

local M = {}

local MOST = 20 -- parts of a batch (learn.microsoft.com: json-batching)
local MOST_IDS = 1000 -- of getByIds (learn.microsoft.com: directoryobject-getbyids)
local GATHER = 1 -- seconds
local AT_ONCE = 4 -- batches in flight: four times twenty calls

---@class graph.pending a part without an answer yet
---@field call graph.call
---@field part table as the batch carries it
---@field state table retry's
---@field due number monotonic
---@field outcome task.outcome

-- A part in the form of a batch. A part without a body must have none, and one with a body must name its type.
local function part_of(item, place)
  local query, headers = call.query(item)
  if item.body then headers["Content-Type"] = "application/json" end
  return {
    id = ("%d"):format(place), method = item.method or "GET", url = item.path .. native_graph.query(query),
    body = item.body, headers = next(headers) and headers or nil,
  }
end

local function pend(item, place)
  local one = call.new(item.method or "GET", item.path, item.body, item)
  return { call = one, part = part_of(item, place), state = {}, due = 0, outcome = { item = item } }
end

local function settle(pending, value, failure)
  local outcome, options = pending.outcome, pending.call.options
  outcome.ok = value ~= nil or (failure.kind == "missing" and options.missing == "nil")
  outcome.result = value
  if not outcome.ok then outcome.result = call.failure(pending.call, failure) end
  pending.done = true
end

-- Settle a part by its answer, or set when it is tried again.
---@param pending graph.pending
local function take(pending, value, failure)
  if value ~= nil then
    pending.call:succeeded(value)
    return settle(pending, value)
  end
  local wait, more = retry.after(pending.call, failure, pending.state)
  if not wait then return settle(pending, nil, more) end
  pending.due = time.monotonic() + wait
end

local LOST = { kind = "bad_answer", message = "the answer to the batch has nothing for this part" }

local function copy(failure)
  local twin = {}
  for name, value in pairs(failure) do twin[name] = value end
  return twin
end

-- Turn the failure of a batch into that of a part: a read is never unknown.
local function own_failure(pending, failure)
  local own = copy(failure)
  if pending.call.changes then return own end
  own.maybe_sent = nil
  if own.kind == "unknown_outcome" then own.kind = own.transport and "network" or "transient" end
  return own
end

-- The batch got no answer. Where only some of its parts may not be sent again, the others still may.
local function take_failure(pendings, failure, repeatable)
  local again = not repeatable and failure.kind == "unknown_outcome"
  for _, pending in ipairs(pendings) do
    local own = own_failure(pending, failure)
    if again then take(pending, nil, own) else settle(pending, nil, own) end
  end
end

-- The program stops, or the time limit passed: parts without an answer fail with that.
local function give_up(pendings, err)
  if not fail.is(err) then error(err, 0) end
  for _, pending in ipairs(pendings) do
    if not pending.done then
      settle(pending, nil, retry.cut_short(pending.state, { kind = err.kind, message = err.why, cause = err }))
    end
  end
end

local function batch_call(pendings)
  local parts, repeatable = {}, true
  for i, pending in ipairs(pendings) do
    parts[i] = pending.part
    repeatable = repeatable and pending.call.repeatable
  end
  local options = pendings[1].call.options
  local what = ("%s and %d more"):format(pendings[1].call.what, #pendings - 1)
  local one = call.new("POST", "/$batch", { requests = json.array(parts) }, {
    what = #pendings > 1 and what or pendings[1].call.what, repeatable = repeatable, timeout = options.timeout,
  })
  return one, repeatable
end

local function send(pendings)
  local one, repeatable = batch_call(pendings)
  local ok, outcomes, more = xpcall(call.try, scheduler.keep_trace, one, native_graph.judge_batch)
  if not ok then return give_up(pendings, outcomes) end
  if outcomes == nil then return take_failure(pendings, more, repeatable) end
  for _, pending in ipairs(pendings) do
    local found = outcomes[pending.part.id]
    take(pending, found and found.value, found and found.failure or copy(LOST))
  end
end

-- The parts that are due now, in groups of twenty.
local function due_now(pendings)
  local chunks, now = {}, time.monotonic()
  for _, pending in ipairs(pendings) do
    if not pending.done and pending.due <= now then
      local chunk = chunks[#chunks]
      if not chunk or #chunk == MOST then
        chunk = {}
        chunks[#chunks + 1] = chunk
      end
      chunk[#chunk + 1] = pending
    end
  end
  return chunks
end

-- When the next parts are due: all within a second share a batch.
local function next_due(pendings)
  local soonest, latest = math.huge, nil
  for _, pending in ipairs(pendings) do
    if not pending.done then soonest = math.min(soonest, pending.due) end
  end
  for _, pending in ipairs(pendings) do
    if not pending.done and pending.due <= soonest + GATHER then latest = math.max(latest or 0, pending.due) end
  end
  return latest
end

-- Send the parts that are due, or wait until some are. When that is cut short, no part is left.
local function advance(pendings)
  local chunks = due_now(pendings)
  if #chunks == 0 then
    local due = next_due(pendings)
    if not due then return false end
    local ok, err = xpcall(task.sleep, scheduler.keep_trace, due - time.monotonic())
    if not ok then give_up(pendings, err) end
    return ok
  end
  local outcomes = task.each(chunks, AT_ONCE, send)
  for _, outcome in ipairs(outcomes) do
    if not outcome.ok then error(outcome.result, 0) end
  end
  local ok, err = pcall(task.check)
  if not ok then give_up(pendings, err) end
  return ok
end

--- Send the parts; `graph.batch` says how.
---@param parts graph.part[]
---@return task.outcome[] outcomes with item, ok, result
---@return integer failures
function M.send(parts)
  local pendings, outcomes, failures = {}, {}, 0
  for i, item in ipairs(parts) do
    pendings[i] = pend(item, i)
    outcomes[i] = pendings[i].outcome
  end
  repeat until not advance(pendings)
  for _, outcome in ipairs(outcomes) do
    if not outcome.ok then failures = failures + 1 end
  end
  return outcomes, failures
end

local function chunks_of(ids)
  local chunks = {}
  for from = 1, #ids, MOST_IDS do
    chunks[#chunks + 1] = table.move(ids, from, math.min(#ids, from + MOST_IDS - 1), 1, {})
  end
  return chunks
end

--- Read directory objects by their ids; `graph.by_ids` says how.
---@param ids string[]
---@param options { types: string[]?, select: string[]?, what: string? }
---@return table[] objects
---@return table<string, table> by_id
function M.by_ids(ids, options)
  local by_id, found = {}, {}
  local answers = task.map(chunks_of(ids), AT_ONCE, function(chunk)
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
