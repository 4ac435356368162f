--- Tasks that wait for a moment: a heap, the earliest first.

local M = {}

---@class task.timer
---@field at number the moment, in time.monotonic
---@field task Task
---@field asked number seconds it asked to wait

--- A heap of no timers.
---@return task.timer[]
function M.new() return {} end

local function sift_up(heap, i)
  local entry = heap[i]
  while i > 1 and heap[i // 2].at > entry.at do
    heap[i] = heap[i // 2]
    i = i // 2
  end
  heap[i] = entry
end

local function sift_down(heap, i)
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

--- Have the task wait until the moment.
---@param heap task.timer[]
---@param task Task
---@param at number
---@param asked number
function M.add(heap, task, at, asked)
  heap[#heap + 1] = { at = at, task = task, asked = asked }
  sift_up(heap, #heap)
end

--- Take the earliest off.
---@param heap task.timer[]
---@return task.timer
function M.take(heap)
  local entry, final = heap[1], table.remove(heap)
  if entry ~= final then
    heap[1] = final
    sift_down(heap, 1)
  end
  return entry
end

--- The earliest that a task still waits for.
---@param heap task.timer[]
---@return task.timer?
function M.first(heap)
  while heap[1] and heap[1].task.done do M.take(heap) end
  return heap[1]
end

return M
