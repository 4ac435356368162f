--- One rotation, stopped at a system call or made to see it fail; or with an answer
--- lost. Points are named by the call and its number, from a run that nothing stops.
--- A kill is played where it leaves a world of its own (crash.strace), or at every call.

local json = require "host.json"
local program = require "crash.program"
local scheduler = require "task.scheduler"
local strace = require "crash.strace"
local target = require "crash.target"
local task = require "task"

local M = {}

local MOST_RUNS = 3 -- after the blow; more than one only when the program asks for it

---@class crash.syscalls.blow
---@field name string
---@field inject string? what strace does at the point
---@field kills boolean?
---@field loses_answer boolean? the answer that matters is lost besides

---@type crash.syscalls.blow[]
M.BLOWS = {
  { name = "killed", inject = "signal=KILL", kills = true },
  { name = "killed, with the answer lost", inject = "signal=KILL", kills = true, loses_answer = true },
  { name = "EIO", inject = "error=EIO" }, { name = "ENOSPC", inject = "error=ENOSPC" },
  { name = "EINTR", inject = "error=EINTR" }, { name = "ENOMEM", inject = "error=ENOMEM" },
}

---@class crash.syscalls.point
---@field blow crash.syscalls.blow
---@field call string? system call
---@field place integer its number, or that of the request whose answer is lost

---------------------------------------------------------------------------
-- Which points there are

-- Let it be due again.
local function fall_due(lane)
  lane.cloud:pass(lane.target.pass)
  lane:note()
end

-- The system calls that a run makes, perhaps with a fault of the services.
local function record_calls(lane, fault)
  local trace = lane.cloud.home .. "/trace"
  fall_due(lane)
  if fault then lane.cloud:fault(fault) end
  lane:run(lane:rotate(), strace.recording(trace))
  lane.cloud:calm()
  lane:rotate_fully()
  return strace.calls(trace)
end

-- The calls at which a blow is played.
local function struck_calls(blow, calls, every)
  if every then return calls end
  return (blow.kills and strace.different_worlds or strace.fallible)(calls)
end

--- All points of a target.
---@param lane crash.lane
---@param every boolean? kills at every system call, and failures of those that cannot fail
---@return crash.syscalls.point[]
function M.points(lane, every)
  lane:renew()
  local points = {}
  local whole, losing = record_calls(lane), record_calls(lane, lane.target.changes)
  for _, blow in ipairs(M.BLOWS) do
    for _, call in ipairs(struck_calls(blow, blow.loses_answer and losing or whole, every)) do
      points[#points + 1] = { blow = blow, call = call.name, place = call.nth }
    end
  end
  fall_due(lane)
  lane:rotate_fully()
  for place = 1, #lane:asked() do points[#points + 1] = { blow = { name = "answer lost" }, place = place } end
  return points
end

---------------------------------------------------------------------------
-- One point

-- What came of the run, and whether the run got as far as the point.
local function strike(lane, point)
  local blow, trace = point.blow, lane.cloud.home .. "/trace"
  if blow.loses_answer then lane.cloud:fault(lane.target.changes) end
  local before
  if blow.inject then
    before = strace.striking(trace, point.call, point.place, blow.inject)
  else
    lane.cloud:fault(("* /** drop-after @%d"):format(point.place))
  end
  local outcome = lane:run(lane:rotate(), before)
  local met = not before and lane.cloud:struck() ~= nil or before ~= nil and strace.has_struck(trace)
  lane.cloud:calm()
  return outcome, met
end

local function wants_again(outcome)
  return (outcome.out .. outcome.err):find("[Rr]un the same command again") ~= nil
end

-- Run it again until it ends well, as often as it says itself, within reason.
local function recover(lane, complain)
  local outcome
  for again = 1, MOST_RUNS do
    outcome = lane:rotate_fully()
    if outcome.status == 0 then return again end
    if not wants_again(outcome) then break end
  end
  complain("STUCK: exit status %s\n%s%s", tostring(outcome.status), outcome.out, outcome.err)
end

-- Values that were sent in this point: each has its number in the note of its request.
local function sent_values(lane)
  local values, count = {}, 0
  local history = json.decode(lane:must(0, { "journal", "history", "120", "--json" }).out)
  for _, entry in ipairs(history) do
    local note = entry.kind == "request" and entry.body.method == "PATCH" and entry.body.note
    if note and not values[note] then values[note], count = true, count + 1 end
  end
  return count
end

local function check_twice(lane, complain)
  local patches = 0
  for _, request in ipairs(lane:asked()) do patches = patches + (request.method == "PATCH" and 1 or 0) end
  if patches <= lane.target.people then return end
  if sent_values(lane) > lane.total then complain("TWICE: two different values were set for one account") end
end

-- How many rotations the journal's last records hold, to tell what a point added.
local function remember(lane)
  lane.total = lane.target.people and sent_values(lane) + lane.target.people or 0
end

local function play(lane, point, complain)
  fall_due(lane)
  local outcome, met = strike(lane, point)
  if not outcome.status then complain "STUCK: it did not end" end
  local wrong = lane.target.look(lane)
  if wrong then complain("right after: %s", wrong) end
  if lane.target.people then
    wrong = lane.target.whole(lane, target.said_changed(outcome))
    if wrong then complain("FALSE SUCCESS: %s", wrong) end
  end
  local again = recover(lane, complain)
  if lane.target.people then check_twice(lane, complain) end
  lane.target.settle(lane)
  wrong = lane.target.whole(lane)
  if wrong then complain("in the end: %s", wrong) end
  local status = lane:run(lane:plan()).status
  if status ~= 0 then complain("STUCK: a plan still has something to do (exit status %s)", tostring(status)) end
  return again, met
end

---@class crash.syscalls.result
---@field point crash.syscalls.point
---@field complaints string[]
---@field again integer? runs it took after the blow
---@field met boolean? did the run get as far as the point?

local RENEW_EVERY = 40 -- points on one emulator and one state folder

-- Play a point on this lane; after a bad one, and now and then, on another emulator.
local function play_safely(lane, point)
  local result = { point = point, complaints = {} }
  local function complain(text, ...) table.insert(result.complaints, text:format(...)) end
  lane.played = (lane.played or 0) + 1
  local ok, failure = xpcall(function()
    if not lane.cloud or lane.spoilt or lane.played % RENEW_EVERY == 0 then lane:renew() end
    remember(lane)
    result.again, result.met = play(lane, point, complain)
  end, debug.traceback)
  if not ok then complain("%s", failure) end
  lane.spoilt = #result.complaints > 0
  return result
end

---------------------------------------------------------------------------
-- All of them

--- What a point is called.
---@param point crash.syscalls.point
---@return string
function M.name(point)
  if not point.call then return ("%s, request %d"):format(point.blow.name, point.place) end
  return ("%s at %s %d"):format(point.blow.name, point.call, point.place)
end

---@class crash.syscalls.options
---@field target "user"|"users"|"secret"|"secrets"|"sinks"|"certificate"|"certificates"
---@field stride integer
---@field seed integer
---@field lanes integer
---@field blow string? only points with this in their names: "EINTR at fcntl"
---@field every boolean? kills at every system call, not only where a kill leaves a world of its own
---@field tell nil|fun(text: string)

local function chosen(points, options)
  local list = {}
  for i, point in ipairs(points) do
    local wanted = not options.blow or M.name(point):find(options.blow, 1, true)
    if wanted and i % options.stride == 0 then list[#list + 1] = point end
  end
  return list
end

local function open_lanes(options)
  local lanes = {}
  for i = 1, options.lanes do
    lanes[i] = target.lane(options.seed + i, target.TARGETS[options.target])
  end
  return setmetatable(lanes, { __close = function()
    for _, lane in ipairs(lanes) do lane:__close() end
  end })
end

--- Play the points of a target.
---@param options crash.syscalls.options
---@return crash.syscalls.result[] results, integer points there are
function M.run(options)
  return scheduler.run(program.poll, function()
    local lanes <close> = open_lanes(options)
    local points, results, free = M.points(lanes[1], options.every), {}, table.move(lanes, 1, #lanes, 1, {})
    task.each(chosen(points, options), options.lanes, function(point)
      local lane = table.remove(free)
      local result = play_safely(lane, point)
      table.insert(free, lane)
      results[#results + 1] = result
      if not options.tell then return end
      for _, text in ipairs(result.complaints) do options.tell(("%s: %s"):format(M.name(point), text)) end
      if #results % 100 == 0 then options.tell(("%s: %d points"):format(options.target, #results)) end
    end)
    return results, #points
  end)
end

--- How many of the points a run got to.
---@param results crash.syscalls.result[]
---@return integer
function M.met(results)
  local count = 0
  for _, result in ipairs(results) do count = count + (result.met and 1 or 0) end
  return count
end

local KINDS = { "LOST", "TWICE", "STUCK", "FALSE SUCCESS" }

--- The counts in a line.
---@param name string
---@param results crash.syscalls.result[]
---@param total integer
---@return string
function M.line(name, results, total)
  local counts, bad = {}, 0
  for _, result in ipairs(results) do
    local text = table.concat(result.complaints, "\n")
    for _, kind in ipairs(KINDS) do
      counts[kind] = (counts[kind] or 0) + (text:find(kind .. ":", 1, true) and 1 or 0)
    end
    bad = bad + (#result.complaints > 0 and 1 or 0)
  end
  local line = "rotation of a %s: %d of %d points, %d met; %d lost, %d set twice, %d stuck, %d false successes, %d "
    .. "wrong in all"
  return line:format(name, #results, total, M.met(results), counts.LOST or 0, counts.TWICE or 0, counts.STUCK or 0,
    counts["FALSE SUCCESS"] or 0, bad)
end

--- What is wrong, point by point; empty when nothing is.
---@param results crash.syscalls.result[]
---@return string
function M.complaints(results)
  local lines = {}
  for _, result in ipairs(results) do
    for _, text in ipairs(result.complaints) do lines[#lines + 1] = M.name(result.point) .. ": " .. text end
  end
  return table.concat(lines, "\n")
end

return M
