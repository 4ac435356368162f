--- While a service cannot be reached at all, one call tries again for all calls.
---
--- When no connection can be made, every call fails in the same way. So the first failed call (the leader) tries again,
--- and the other calls to the peer wait: they go on when the leader gets an answer, and fail with the leader's failure
--- when the leader gives up. Without this, thousands of calls would each try again.

local http = require "http.client"
local kinds = require "fail.kinds"
local scheduler = require "task.scheduler"

local M = {}

---@class http.outage
---@field leader Task? the task that tries again for all
---@field waiting Task[] the tasks that wait for the leader
---@field failure http.retry.failure of the leader's last try
---@field over "reached"|"given up"|nil how the outage ended

local outages = setmetatable({}, { __mode = "k" }) -- door -> peer -> outage

local function outages_of_door()
  local door = http.door() or M
  outages[door] = outages[door] or {}
  return outages[door]
end

local function outage_of(peer)
  local of_door = outages[http.door() or M]
  return of_door and of_door[peer]
end

--- Does the failure mean that the service could not be reached at all?
---@param failure http.retry.failure
---@return boolean
function M.is_unreached(failure)
  local transport = kinds.transport(failure)
  return transport ~= nil and transport.unreached == true
end

local function end_outage(peer, outage, ended_by)
  outage.over = ended_by
  outages_of_door()[peer] = nil
  for _, waiter in ipairs(outage.waiting) do scheduler.wake(waiter) end
end

-- Wait until the leader knows whether the peer can be reached. When the leader is cancelled or leaves, the running task
-- becomes the leader.
local function wait_for_leader(outage)
  local me, leader = scheduler.require_current(), outage.leader
  if leader and not leader.done then
    table.insert(outage.waiting, me)
    table.insert(leader.waiters, me)
    while not outage.over and outage.leader == leader and not leader.done do scheduler.suspend() end
  end
  if not outage.over and outage.leader == leader then outage.leader = me end
end

--- Wait while the leader of an outage tries to reach the peer. Returns the leader's failure when the leader gave up.
---@param peer string
---@return http.retry.failure?
function M.wait_for_peer(peer)
  local outage = outage_of(peer)
  while outage and not outage.over and outage.leader ~= scheduler.current() do wait_for_leader(outage) end
  return outage and outage.over == "given up" and outage.failure or nil
end

--- Note the outcome of a try. The first try that does not reach the peer begins an outage, and its task leads.
---@param peer string
---@param failure http.retry.failure? nil when an answer came
function M.note_try(peer, failure)
  local outage = outage_of(peer)
  if failure and failure.transport and kinds.transport(failure).not_about_peer then return end
  if not failure or not M.is_unreached(failure) then
    if outage then end_outage(peer, outage, "reached") end
  elseif not outage then
    outages_of_door()[peer] = { leader = scheduler.require_current(), waiting = {}, failure = failure }
    http.reject_queued(peer, failure.message, failure.transport)
  elseif outage.leader == scheduler.current() then
    outage.failure = failure
  end
end

--- Is the running task the leader of an outage of this peer?
---@param peer string
---@return boolean
function M.is_leader(peer)
  local outage = outage_of(peer)
  return outage ~= nil and outage.leader == scheduler.current()
end

--- Let the running task stop trying to reach the peer, when it is the leader.
---@param peer string
---@param is_given_up boolean true: the peer cannot be reached, so all waiting calls fail; false: one of the waiting
--- tasks becomes the leader
function M.stop_leading(peer, is_given_up)
  if not M.is_leader(peer) then return end
  local outage = outage_of(peer)
  if is_given_up then return end_outage(peer, outage, "given up") end
  outage.leader = nil
  for _, waiter in ipairs(outage.waiting) do scheduler.wake(waiter) end
end

return M
