--- Go through the steps of a run, and keep the record of each: what it did, saw and told.
---
--- Steps that run side by side tell what they do in their order: what a later one tells waits until all have ended.

local log = require "log"
local scheduler = require "task.scheduler"
local task = require "task"

local M = {}

---@class workflow.record of a step, as it is in the result of a run
---@field name string
---@field state "done"|"waiting"|"failed"
---@field items workflow.item[]
---@field notes string[]
---@field warnings string[]
---@field unseen string[]

local working = setmetatable({}, { __mode = "k" }) ---@type table<Task, workflow.record> of steps side by side
local held = setmetatable({}, { __mode = "k" }) ---@type table<workflow.record, function[]> told later

-- Begin the record of a step. It becomes the run's present one.
local function begin(run, step)
  run.step = { name = step.name, state = "done", items = {}, notes = {}, warnings = {}, unseen = {} }
  table.insert(run.steps, run.step)
  return run.step
end

--- The record of the step that the running task works at.
---@param run workflow.Run
---@return workflow.record
function M.current_record(run) return working[scheduler.current()] or run.step end

--- The record that an item is in.
---@param run workflow.Run
---@param item workflow.item
---@return workflow.record
function M.record_of_item(run, item)
  for _, record in ipairs(run.steps) do
    for _, one in ipairs(record.items) do
      if one == item then return record end
    end
  end
  return run.step
end

--- Call `print_text(text)` when it is the turn of this step: at once, or when the steps beside it have ended.
---@param record workflow.record
---@param print_text fun(text: string)
---@param text string
function M.print_in_turn(record, print_text, text)
  if not held[record] then return print_text(text) end
  table.insert(held[record], function() print_text(text) end)
end

local function release(record)
  local list = held[record]
  held[record] = nil
  for _, tell in ipairs(list or {}) do tell() end
end

-- Every step that began is finished, also when others fail; then the first error is raised, and its step is the run's
-- present one.
local function side_by_side(run, steps)
  local records = {}
  for i, step in ipairs(steps) do
    records[i] = begin(run, step)
    held[records[i]] = i > 1 and {} or nil
    M.print_in_turn(records[i], log.step, step.name)
  end
  local outcomes = task.each(steps, #steps, function(step, i)
    working[scheduler.current()] = records[i]
    step.act(run, run.have, run.args)
  end)
  for _, record in ipairs(records) do release(record) end
  for i, one in ipairs(outcomes) do
    if not one.ok then
      run.step = records[i]
      error(one.result, 0)
    end
  end
end

local function one_by_itself(run, step)
  begin(run, step)
  local tell = run:acting() and log.step or log.progress
  tell(step.name)
  step.act(run, run.have, run.args)
end

-- May a step marked `settled` start: is everything visible, and no person waited for?
local function may_start(run, step)
  if not step.settled or not run:acting() then return true end
  run:settle()
  return #run.waiting == 0
end

-- The steps from this place on that run side by side: one, and those after it that are marked `beside`. What takes time
-- is changes; what only reads goes step by step.
local function group_at(run, steps, place)
  local last = place
  while run:acting() and steps[last + 1] and steps[last + 1].beside do last = last + 1 end
  return table.move(steps, place, last, 1, {})
end

--- Go through the steps, up to one that may not start. Waits.
---@param run workflow.Run
---@param steps workflow.Step[]
function M.go_through(run, steps)
  local place = 1
  while steps[place] and may_start(run, steps[place]) do
    local group = group_at(run, steps, place)
    place = place + #group
    if #group == 1 then one_by_itself(run, group[1]) else side_by_side(run, group) end
  end
end

return M
