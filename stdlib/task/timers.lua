--- Which task waits until when: a binary heap, the earliest timer first.

local M = {}

---@class task.timer
---@field at number in time.monotonic
---@field task Task
---@field asked number seconds it was asked to wait

local heap = {} ---@type task.timer[]

local function sift_up(i)
  local entry = heap[i]
  while i > 1 and heap[i // 2].at > entry.at do
    heap[i] = heap[i // 2]
    i = i // 2
  end
  heap[i] = entry
end

local function sift_down(i)
  local entry, count = heap[i], #heap
  while 2 * i <= count do
    local child = 2 * i
    if child < count and heap[child + 1].at < heap[child].at then child = child + 1 end
    if heap[child].at >= entry.at then break end
    heap[i] = heap[child]
    i = child
  end
  heap[i] = entry
end

--- Add a timer.
---@param task Task
---@param at number in time.monotonic
---@param asked number seconds it was asked to wait
function M.add(task, at, asked)
  heap[#heap + 1] = { at = at, task = task, asked = asked }
  sift_up(#heap)
end

--- Take the earliest timer away. There must be one.
---@return task.timer
function M.take()
  local entry, final = heap[1], table.remove(heap)
  if entry ~= final then
    heap[1] = final
    sift_down(1)
  end
  return entry
end

--- The earliest timer whose task is not done; nil when there is none.
---@return task.timer|nil
function M.next()
  while heap[1] and heap[1].task.done do M.take() end
  return heap[1]
end

--- All timers, in no particular order.
---@return task.timer[]
function M.all() return heap end

--- Drop all timers.
function M.clear() heap = {} end

return M
