--- Many calls at once, by a few tasks that share a list. Scripts use `task`.

local class = require "base.class"
local fail = require "fail"
local scheduler = require "task.scheduler"

local M = {}

-- Workers that share a list of places, and the task that waits for them. It is woken
-- when the last has left or the first has failed, not for each.
---@class task.crew
---@field owner Task
---@field workers Task[]
---@field running integer
---@field failed Task?
local Crew = class "task.crew"

function Crew:left(worker)
  self.running = self.running - 1
  if not worker.ok then self.failed = self.failed or worker end
  if self.running == 0 or self.failed == worker then scheduler.wake(self.owner) end
end

function Crew:__close()
  for _, worker in ipairs(self.workers) do worker:cancel("cancelled") end
end

-- `limit` workers, each calling `work(place)` for the places it takes, until `go_on`
-- says no. Depth is that of the caller for each place: places do not depend on each
-- other, only streams are scarce.
local function crew_of(count, limit, go_on, work)
  if count > 0 and (limit < 1 or limit ~= limit) then error("the limit of tasks at once is 1 at least", 3) end
  local crew = Crew { owner = scheduler.current(), workers = {}, running = math.min(limit, count) }
  local taken, base = 0, scheduler.current().depth
  local function run()
    local me = scheduler.current()
    local deepest = base
    while taken < count and go_on() do
      taken = taken + 1
      me.depth = base
      work(taken)
      if me.depth > deepest then deepest = me.depth end
    end
    me.depth = deepest
  end
  for n = 1, crew.running do
    crew.workers[n] = scheduler.spawn(run)
    crew.workers[n].crew = crew
  end
  return crew
end

-- Wait until no worker runs; raise the first error of one.
local function attend(crew, to_the_end)
  while crew.running > 0 and not crew.failed do scheduler.suspend(to_the_end) end
  if crew.failed then error(crew.failed.result[1], 0) end
  for _, worker in ipairs(crew.workers) do scheduler.join(worker) end
end

local function always() return true end

--- `task.map` says how.
function M.map(items, limit, fn)
  scheduler.here()
  local results = {}
  local crew <close> = crew_of(#items, limit, always, function(place)
    scheduler.check()
    results[place] = fn(items[place], place)
  end)
  attend(crew, false)
  return results
end

--- `task.all` says how.
function M.all(functions)
  scheduler.here()
  local results = M.map(functions, #functions, function(fn) return (fn()) end)
  return table.unpack(results, 1, #functions)
end

---@class task.crew.options what the library may say besides
---@field stop_on_failure boolean?
---@field progress progress? it is told of each item that is done
---@field forget boolean? keep no outcomes

--- `task.each` says how.
---@param items any[]
---@param limit integer
---@param fn fun(item: any, place: integer): any
---@param options task.crew.options?
---@return task.outcome[] outcomes, integer failures
function M.each(items, limit, fn, options)
  scheduler.here()
  local found, failures, unreachable = {}, 0, nil
  local stop_on_failure = options and options.stop_on_failure
  local progress, forget = options and options.progress, options and options.forget
  local function go_on() return not scheduler.stopping() and not (stop_on_failure and failures > 0) end
  local crew <close> = crew_of(#items, limit, go_on, function(place)
    local ok, result = false, unreachable
    if not unreachable then ok, result = xpcall(fn, scheduler.keep_trace, items[place], place) end
    if not ok then failures = failures + 1 end
    if not ok and fail.is(result) and result.unreachable then unreachable = result end
    if not forget then found[place] = { item = items[place], ok = ok, result = result } end
    if progress then progress:step() end
  end)
  attend(crew, true) -- a deadline of ours must not cut their changes short; they have it too
  local outcomes = {}
  for place = 1, #items do outcomes[#outcomes + 1] = found[place] end
  return outcomes, failures
end

return M
