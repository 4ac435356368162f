--- While a service cannot be reached at all, one call tries again for all.
---
--- A connection that cannot be made fails every call in the same way. So the first call that meets this tries again,
--- and the other calls to that peer wait. They go on when it gets through, and fail with its failure when it gives up,
--- instead of thousands of calls that each try again.

local http = require "http.client"
local kinds = require "fail.kinds"
local scheduler = require "task.scheduler"

local M = {}

---@class http.outage
---@field leader Task?
---@field waiting Task[]
---@field failure http.retry.failure
---@field over "reached"|"given up"|nil

local outages = setmetatable({}, { __mode = "k" }) -- door -> peer -> outage

local function at_door()
  local door = http.door() or M
  outages[door] = outages[door] or {}
  return outages[door]
end

local function of_peer(peer)
  local here = outages[http.door() or M]
  return here and here[peer]
end

--- Could the service not be reached at all?
---@param failure http.retry.failure
---@return boolean
function M.is(failure)
  local transport = kinds.transport(failure)
  return transport ~= nil and transport.unreached == true
end

local function finish(peer, outage, how)
  outage.over = how
  at_door()[peer] = nil
  for _, waiter in ipairs(outage.waiting) do scheduler.wake(waiter) end
end

-- The leader may be cancelled, or leave; then one of the waiting calls leads.
local function wait(outage)
  local me, leader = scheduler.here(), outage.leader
  if leader and not leader.done then
    table.insert(outage.waiting, me)
    table.insert(leader.waiters, me)
    while not outage.over and outage.leader == leader and not leader.done do scheduler.suspend() end
  end
  if not outage.over and outage.leader == leader then outage.leader = me end
end

--- Wait while another call tries whether the peer can be reached. Returns that call's failure when it gave up.
---@param peer string
---@return http.retry.failure?
function M.hold(peer)
  local outage = of_peer(peer)
  while outage and not outage.over and outage.leader ~= scheduler.current() do wait(outage) end
  return outage and outage.over == "given up" and outage.failure or nil
end

--- Note the outcome of a try: nil for an answer, else a failure.
---@param peer string
---@param failure http.retry.failure?
function M.learn(peer, failure)
  local outage = of_peer(peer)
  if failure and failure.transport and kinds.transport(failure).not_about_peer then return end
  if not failure or not M.is(failure) then
    if outage then finish(peer, outage, "reached") end
  elseif not outage then
    at_door()[peer] = { leader = scheduler.here(), waiting = {}, failure = failure }
    http.reject(peer, failure.message, failure.transport)
  elseif outage.leader == scheduler.current() then
    outage.failure = failure
  end
end

--- Is the running task the one that tries for all?
---@param peer string
---@return boolean
function M.leads(peer)
  local outage = of_peer(peer)
  return outage ~= nil and outage.leader == scheduler.current()
end

--- The running task stops trying. With `found` it is known that the peer cannot be reached, and all waiting calls fail;
--- without, one of them tries.
---@param peer string
---@param found boolean
function M.leave(peer, found)
  if not M.leads(peer) then return end
  local outage = of_peer(peer)
  if found then return finish(peer, outage, "given up") end
  outage.leader = nil
  for _, waiter in ipairs(outage.waiting) do scheduler.wake(waiter) end
end

return M
