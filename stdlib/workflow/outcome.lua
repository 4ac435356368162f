--- The outcome of a workflow run: the counts, the exit status, and what to do about a failure.

local fail = require "fail"
local kinds = require "fail.kinds"

local M = {}

---@class workflow.result
---@field script string
---@field mode string
---@field changes { create: integer, update: integer, delete: integer, none: integer }
---@field steps table[]
---@field waiting workflow.waiting[]
---@field left table[] the objects that exist and were left alone, with the reasons
---@field alarms string[] why the purpose of the workflow fails
---@field unknown string[] what could not be looked at
---@field on_word string? the consumer that has a credential by a person's word only
---@field failure Failure? the failure that ended the run early
---@field status integer exit status

-- Count the changes by action. When acting, only the changes that were made count.
local function count_changes(run)
  local sums = { create = 0, update = 0, delete = 0, none = 0 }
  for _, step in ipairs(run.steps) do
    for _, item in ipairs(step.items) do
      local action = (item.done or not run:acting()) and item.action or "none"
      sums[action] = sums[action] + 1
    end
  end
  return sums
end

-- The exit status: 0 done, or nothing to do; 1 failed, out of order, or waiting for a person; 3 something to do, or
-- unknown.
local function exit_status_of_run(run, result)
  if result.failure then return 1 end
  if run.mode == "verify" and #run.alarms > 0 then return 1 end
  if run.mode == "verify" and #run.unknown > 0 then return 3 end
  local sums = result.changes
  if run.mode == "apply" then return #run.waiting > 0 and 1 or 0 end
  if run.mode == "destroy" and result.dry and sums.delete > 0 then return 3 end
  if run.mode == "destroy" then return #run.waiting > 0 and 1 or 0 end
  return (sums.create + sums.update + sums.delete + #run.waiting > 0) and 3 or 0
end

local RUN_AGAIN = "Run the same command again: it reads the present state, and goes on from there."

--- Mark the step that failed, and add the script and the step to the failure. When the same command, run again, goes on
--- from the present state, add that to the fix.
---@param run workflow.Run
---@param failure Failure
function M.complete_failure(run, failure)
  if fail.is(failure, "denied") then require("permissions.denied").explain(failure) end
  if run.step then run.step.state = "failed" end
  failure.script, failure.step = failure.script or run.id, failure.step or (run.step and run.step.name)
  if run.mode ~= "apply" and run.mode ~= "destroy" or not kinds.of(failure.kind).same_command_resumes then return end
  local fix = failure.kind ~= "unknown_outcome" and failure.fix
  if fix and failure.resumes then return end
  failure.fix = fix and fix .. " " .. RUN_AGAIN or RUN_AGAIN
end

--- The outcome of a run as one table.
---@param run workflow.Run
---@param failure Failure? the failure that ended the run early
---@param dry boolean?
---@return workflow.result
function M.of(run, failure, dry)
  local result = {
    script = run.id, mode = run.mode, dry = dry or nil, profile = run.profile and run.profile.name,
    steps = run.steps, changes = count_changes(run), waiting = run.waiting, left = run.left, alarms = run.alarms,
    unknown = run.unknown, on_word = run.on_word, failure = failure,
  }
  result.status = exit_status_of_run(run, result)
  return result
end

return M
