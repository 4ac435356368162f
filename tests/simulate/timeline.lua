--- What happens when: events on one line of time, and processes that wait on it. Nothing
--- takes time by itself; the line moves from one event to the next.

local M = {}

---@class simulate.event
---@field at number
---@field order integer
---@field fn function
---@field off boolean? it does not happen

---@class simulate.timeline
---@field clock fake.clock whose offset is the line's moment
---@field heap simulate.event[]
---@field made integer
local Timeline = {}
Timeline.__index = Timeline

--- A line over this clock.
---@param clock fake.clock
---@return simulate.timeline
function M.new(clock) return setmetatable({ clock = clock, heap = {}, made = 0 }, Timeline) end

--- Seconds since the beginning.
---@return number
function Timeline:now() return self.clock:offset() end

local function sift_up(heap, i)
  local event = heap[i]
  local at, order = event.at, event.order
  while i > 1 do
    local parent = heap[i // 2]
    if parent.at < at or parent.at == at and parent.order < order then break end
    heap[i] = parent
    i = i // 2
  end
  heap[i] = event
end

local function sift_down(heap)
  local event, i, count = heap[1], 1, #heap
  local at, order = event.at, event.order
  while 2 * i <= count do
    local place = 2 * i
    local child, other = heap[place], heap[place + 1]
    if other and (other.at < child.at or other.at == child.at and other.order < child.order) then
      place, child = place + 1, other
    end
    if at < child.at or at == child.at and order < child.order then break end
    heap[i] = child
    i = place
  end
  heap[i] = event
end

local function take(heap)
  local event, final = heap[1], table.remove(heap)
  if event ~= final then
    heap[1] = final
    sift_down(heap)
  end
  return event
end

--- Let `fn` be called in so many seconds.
---@param seconds number
---@param fn function
---@return simulate.event
function Timeline:after(seconds, fn)
  self.made = self.made + 1
  local event = { at = self:now() + seconds, order = self.made, fn = fn }
  table.insert(self.heap, event)
  sift_up(self.heap, #self.heap)
  return event
end

local function advance(self, moment)
  local ahead = moment - self:now()
  if ahead > 0 then self.clock:advance(ahead) end
end

local function step(self, until_moment)
  local event = self.heap[1]
  if not event or event.at > until_moment then return false end
  take(self.heap)
  if event.off then return true end
  advance(self, event.at)
  event.fn()
  return true
end

--- Let so much time pass, with all that happens meanwhile.
---@param seconds number
function Timeline:pass(seconds)
  local moment = self:now() + seconds
  while step(self, moment) do end
  advance(self, moment)
end

--- Go on until this is so, or for so many seconds. Is it so?
---@param is_done fun(): boolean
---@param seconds number
---@return boolean
function Timeline:go_on(is_done, seconds)
  local moment = self:now() + seconds
  while not is_done() do
    if not step(self, moment) then return false end
  end
  return true
end

---------------------------------------------------------------------------
-- Processes

---@class simulate.process
---@field timeline simulate.timeline
---@field co thread
---@field done boolean
---@field dead boolean killed: it is never resumed again
---@field ok boolean?
---@field result any
---@field timer simulate.event? that ends its wait
local Process = {}
Process.__index = Process

local function resume(self)
  if self.done or self.dead then return end
  local ok, result = coroutine.resume(self.co)
  if coroutine.status(self.co) ~= "dead" then
    if self.dead then return end
    self.timer = self.timeline:after(result, function() resume(self) end)
    return
  end
  if self.dead then return end
  self.done, self.ok, self.result = true, ok, result
  if self.ended then self.ended() end
end

--- Begin a process, in so many seconds.
---@param seconds number
---@param fn fun(process: simulate.process): any
---@param ended fun() called when it has come to its own end
---@return simulate.process
function Timeline:process(seconds, fn, ended)
  local self_ = setmetatable({ timeline = self, done = false, dead = false, ended = ended }, Process)
  self_.co = coroutine.create(function() return fn(self_) end)
  self:after(seconds, function() resume(self_) end)
  return self_
end

--- Of the running process: wait so long, or until it is woken.
---@param seconds number
function Process:wait(seconds)
  assert(coroutine.running() == self.co, "a process waits outside its tasks only")
  coroutine.yield(math.max(0, seconds))
end

--- End its wait now.
function Process:wake()
  if self.done or self.dead or not self.timer or self.timer.off then return end
  self.timer.off = true
  self.timer = self.timeline:after(0, function() resume(self) end)
end

--- Of the running process, when it was killed: this call does not return.
function Process.vanish()
  while true do coroutine.yield(0) end
end

return M
