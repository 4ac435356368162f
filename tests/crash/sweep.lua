--- Going over all points: each request of each act, with each blow.

local play = require "crash.point"
local program = require "crash.program"
local scene = require "crash.scene"
local scheduler = require "task.scheduler"
local task = require "task"

local M = {}

local MARGIN = 3 -- requests; tasks side by side do not always ask in the same order

---@class crash.options
---@field stride integer every how many points one is played; 1: all
---@field seed integer of the emulators
---@field lanes integer points played at once
---@field act string? only this one
---@field blow string? only those whose name has this in it
---@field at integer? only this request
---@field tell nil|fun(text: string)

---@class crash.result
---@field act string
---@field blow string
---@field place integer
---@field outcome crash.outcome

local function chosen(options)
  local acts, blows = {}, {}
  for _, act in ipairs(scene.ACTS) do
    if not options.act or act.name == options.act then acts[#acts + 1] = act end
  end
  for _, blow in ipairs(scene.BLOWS) do
    if not options.blow or blow.name:find(options.blow, 1, true) then blows[#blows + 1] = blow end
  end
  return acts, blows
end

-- How many places a blow has in an act.
local function places_of(act, blow, count)
  if blow.places then return blow.places end
  return (play.is_changing(act, blow) and count.changing or count.all) + MARGIN
end

-- Every point, blow by blow; the stride goes on from one list to the next. And how
-- many of them at least there are.
local function points_of(options, acts, blows, counts)
  local points, number, few = {}, 0, 0
  local function add(act, blow, place, sure)
    number = number + 1
    if options.at and options.at ~= place or number % options.stride ~= 0 then return end
    points[#points + 1] = { act = act, blow = blow, place = place }
    if sure then few = few + 1 end
  end
  for i, act in ipairs(acts) do
    local few_before = few
    for _, blow in ipairs(blows) do
      local places = act.knows and blow.state == "deleted" and 0 or places_of(act, blow, counts[i])
      for place = 1, places do add(act, blow, place, not blow.places and place <= places - 2 * MARGIN) end
    end
    -- A wide stride can step over a whole act, or meet only places behind its end.
    local has_point = few > few_before or options.stride == 1 or options.at
    if not has_point then points[#points + 1] = { act = act, blow = blows[1], place = 1 } end
  end
  return points, few
end

---@class crash.sum
---@field points integer
---@field exact integer
---@field again integer points at which more than one run was needed
---@field listed integer credentials a person was told of at once
---@field later integer and at the next look

local function sum_up(results)
  local sum = { points = 0, exact = 0, again = 0, listed = 0, later = 0 }
  for _, result in ipairs(results) do
    local outcome = result.outcome
    sum.points = sum.points + 1
    if #outcome.complaints == 0 then sum.exact = sum.exact + 1 end
    if outcome.again > 1 then sum.again = sum.again + 1 end
    sum.listed, sum.later = sum.listed + outcome.listed, sum.later + outcome.later
  end
  return sum
end

--- What came of it, in a line.
---@param name string
---@param results crash.result[]
---@return string
function M.line(name, results)
  local sum = sum_up(results)
  local line = ("%s: %d points, %d exact, %d not"):format(name, sum.points, sum.exact, sum.points - sum.exact)
  if sum.again > 0 then line = ("%s; %d took two runs more"):format(line, sum.again) end
  if sum.listed + sum.later == 0 then return line end
  return ("%s; credentials a person decides on: %d, %d of them told at once")
    :format(line, sum.listed + sum.later, sum.listed)
end

--- What is wrong, point by point; empty when nothing is.
---@param results crash.result[]
---@return string
function M.complaints(results)
  local lines = {}
  for _, result in ipairs(results) do
    for _, text in ipairs(result.outcome.complaints) do
      lines[#lines + 1] = ("%s, %s, request %d (%s): %s"):format(result.act, result.blow, result.place,
        result.outcome.request or "?", text)
    end
  end
  return table.concat(lines, "\n")
end

-- Tell of each group of points as it is over.
local function teller(options, points)
  local left, groups = {}, {}
  local function key(point) return point.act.name .. ", " .. point.blow.name end
  for _, point in ipairs(points) do left[key(point)] = (left[key(point)] or 0) + 1 end
  return function(point, result)
    local name = key(point)
    left[name], groups[name] = left[name] - 1, groups[name] or {}
    if result.outcome.met then table.insert(groups[name], result) end
    if not options.tell then return end
    if options.at then options.tell(("request %d: %s"):format(point.place, result.outcome.request or "none")) end
    if #result.outcome.complaints > 0 then options.tell(M.complaints { result }) end
    if left[name] == 0 then options.tell(M.line(name, groups[name])) end
  end
end

local function play_all(options, points)
  local results, told = {}, teller(options, points)
  task.each(points, options.lanes, function(point)
    local outcome = play.play(point.act, point.blow, point.place, options.seed)
    local result = { act = point.act.name, blow = point.blow.name, place = point.place, outcome = outcome }
    told(point, result)
    if outcome.met then results[#results + 1] = result end
  end)
  return results
end

--- Play the points. Those after the last request are not in the results.
---@param options crash.options
---@return crash.result[]
---@return integer few how many there should be at least
function M.run(options)
  return scheduler.run(program.poll, function()
    local acts, blows = chosen(options)
    local counts = task.map(acts, options.lanes, function(act) return play.count(act, options.seed) end)
    local points, few = points_of(options, acts, blows, counts)
    return play_all(options, points), few
  end)
end

return M
