--- Call a function for many items at once: a few worker tasks share the list of items. Scripts use `task`.

local class = require "base.class"
local fail = require "fail"
local scheduler = require "task.scheduler"
local traceback = require "base.traceback"

local M = {}

-- The workers that share a list of items, and the task that waits for the workers. That task is woken when the last
-- worker has finished or the first has failed, not for each worker.
---@class task.crew
---@field owner Task
---@field workers Task[]
---@field running integer
---@field failed Task?
local Crew = class "task.crew"

function Crew:worker_finished(worker)
  self.running = self.running - 1
  if not worker.ok then self.failed = self.failed or worker end
  if self.running == 0 or self.failed == worker then scheduler.wake(self.owner) end
end

function Crew:__close()
  for _, worker in ipairs(self.workers) do worker:cancel("cancelled") end
end

-- Start `limit` workers. Each worker calls `call_at(place)` for the next place from 1 to `count`, until `go_on` returns
-- false. For each place, the worker's depth starts at the depth of the caller, because the items do not depend on each
-- other.
local function start_crew(count, limit, go_on, call_at)
  if count > 0 and (limit < 1 or limit ~= limit) then error("the limit of tasks at once is 1 at least", 3) end
  local crew = Crew { owner = scheduler.current(), workers = {}, running = math.min(limit, count) }
  local taken, base = 0, scheduler.current().depth
  local function run_worker()
    local worker = scheduler.current()
    local deepest = base
    while taken < count and go_on() do
      taken = taken + 1
      worker.depth = base
      call_at(taken)
      if worker.depth > deepest then deepest = worker.depth end
    end
    worker.depth = deepest
  end
  for n = 1, crew.running do
    crew.workers[n] = scheduler.spawn(run_worker)
    crew.workers[n].crew = crew
  end
  return crew
end

-- Wait until no worker runs. Raises the error of the first worker that failed.
local function wait_for_crew(crew, ignore_deadline)
  while crew.running > 0 and not crew.failed do scheduler.suspend(ignore_deadline) end
  if crew.failed then error(crew.failed.result[1], 0) end
  for _, worker in ipairs(crew.workers) do scheduler.note_waited_for(worker) end
end

local function return_true() return true end

--- See `task.map`. A single item needs no other task: the running one calls `fn`.
function M.map(items, limit, fn)
  scheduler.require_current()
  if #items == 1 and limit >= 1 then
    scheduler.check()
    return { (fn(items[1], 1)) }
  end
  local results = {}
  local crew <close> = start_crew(#items, limit, return_true, function(place)
    scheduler.check()
    results[place] = fn(items[place], place)
  end)
  wait_for_crew(crew, false)
  return results
end

--- See `task.all`.
function M.all(functions)
  scheduler.require_current()
  local results = M.map(functions, #functions, function(fn) return (fn()) end)
  return table.unpack(results, 1, #functions)
end

---@class task.crew.options the options of task.each, and those that only the library uses
---@field stop_on_failure boolean?
---@field progress progress? counts each item that is done
---@field forget boolean? return no outcomes

--- See `task.each`.
---@param items any[]
---@param limit integer
---@param fn fun(item: any, place: integer): any
---@param options task.crew.options?
---@return task.outcome[] outcomes, integer failures
function M.each(items, limit, fn, options)
  scheduler.require_current()
  local found, failures, unreachable = {}, 0, nil
  local stop_on_failure = options and options.stop_on_failure
  local progress, forget = options and options.progress, options and options.forget
  local function go_on() return not scheduler.stopping() and not (stop_on_failure and failures > 0) end
  local crew <close> = start_crew(#items, limit, go_on, function(place)
    local ok, result = false, unreachable
    if not unreachable then ok, result = xpcall(fn, traceback.keep, items[place], place) end
    if not ok then failures = failures + 1 end
    if not ok and fail.is(result) and result.unreachable then unreachable = result end
    if not forget then found[place] = { item = items[place], ok = ok, result = result } end
    if progress then progress:step() end
  end)
  wait_for_crew(crew, true) -- each worker has the deadline too, and ends its change first
  local outcomes = {}
  for place = 1, #items do outcomes[#outcomes + 1] = found[place] end
  return outcomes, failures
end

return M
