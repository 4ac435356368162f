--- One request at a time per task, many tasks at a time per connection.
--
-- All requests of the program go through one door (host.gate's, or a test's of
-- the same shape); which one is said with `use`. The door does what must not be
-- left to Lua: may it go, put it on record, attach the credential, send.

local log = require "log"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local sys = require "host.sys"
local task = require "task"

local M = {}

local LIMIT = 100 -- requests in flight: what servers grant as streams

local door ---@type host.gate.door?
local in_flight = 0
local queue, first, last = {}, 1, 0 -- places of tasks waiting for a stream
local owners = setmetatable({}, { __mode = "k" }) -- running transfer -> its task
local sent, longest = 0, 0

--- Send through this door from now on (nil: through none), with these rights of its making. Returns those before.
---@param new host.gate.door?
---@param acting task.rights.session?
---@return host.gate.door? door, task.rights.session? acting
function M.use(new, acting)
  local before = door
  if before and in_flight > 0 then error("requests are in flight through the other door", 2) end
  door, queue, first, last, sent, longest = new, {}, 1, 0, 0, 0
  return before, rights.use(acting)
end

--- The door in use.
---@return host.gate.door?
function M.door() return door end

local stream = setmetatable({}, { __close = function() in_flight = in_flight - 1 end })

---@class http.waiting in the queue
---@field task Task
---@field peer string
---@field refusal { message: string, kind: string }?

-- A stream to be closed; or nil and why the peer cannot be reached.
local function acquire(request)
  while in_flight >= LIMIT do
    local place = { task = scheduler.current(), peer = request:peer() }
    last = last + 1
    queue[last] = place
    scheduler.suspend()
    if place.refusal then return nil, place.refusal end
  end
  in_flight = in_flight + 1
  return stream
end

--- Fail the requests to this peer that wait for a stream: it cannot be reached.
---@param peer string
---@param message string
---@param kind string of host.gate's
function M.reject(peer, message, kind)
  for i = first, last do
    local place = queue[i]
    if place.peer == peer and not place.refusal then
      place.refusal = { message = message, kind = kind }
      scheduler.wake(place.task)
    end
  end
end

-- Wake as many queued tasks as there are free streams. Done here, once per turn
-- of the loop, so a task cancelled while queued cannot take a wake-up with it.
local function admit()
  local free = LIMIT - in_flight
  local woken = 0
  while woken < free and first <= last do
    local place = queue[first]
    queue[first], first = nil, first + 1
    if not place.task.done and not place.refusal then
      scheduler.wake(place.task)
      woken = woken + 1
    end
  end
  return woken
end

-- This request needed every answer its task, or the tasks it joined, had before.
local function count(me)
  sent = sent + 1
  me.depth = me.depth + 1
  if me.depth > longest then longest = me.depth end
end

---@class http.options
---@field timeout number? seconds from when it is sent (30), never more than the task has left
---@field note string? what it is for, for the record
---@field own boolean? with Moonlatch's own rights, not those of the script it works for: to sign in
---@field ready nil|fun() called before each try, before it is given to the door; it may wait, and raise to give up
---@field sending nil|fun() called for each try when it has its turn: what it stages in the journal is durable when
--- the try leaves

-- With whose rights a request leaves; or nil and why with nobody's.
local function rights_for(me, options)
  local acting = rights.of(me)
  if options and options.own then acting = rights.own() end
  if acting then return acting end
  return nil, "no script stands behind this call: what loads a script, or cleans up after one, sends nothing"
end

-- One try to send it: an answer or a failure; or, when the write budget has no room, how
-- many seconds it has to wait, without a stream.
local function send(me, request, credential, options)
  if options and options.ready then options.ready() end
  local _ <close>, refusal = acquire(request)
  if refusal then return nil, nil, refusal.message, refusal.kind, false end
  local timeout, left = options and options.timeout or 30, task.left()
  if left < timeout then timeout = left end
  if timeout <= 0 then scheduler.suspend() end -- raises: the time is over
  local acting, why = rights_for(me, options)
  if not acting then return nil, nil, why, "undeclared", false end
  local transfer <close>, message, kind, wait = door:submit(request, credential, acting, timeout,
    options and options.note)
  if not transfer then return wait, nil, message, kind, false end
  if options and options.sending then options.sending() end
  count(me)
  owners[transfer] = me
  while owners[transfer] do scheduler.suspend(true) end
  return nil, transfer:answer()
end

-- Read when it is asked for: most never see it.
local function show(...) log.detail(require("http.trace").line(...)) end

--- Send one request and wait for the answer. Fails with the kinds of
--- host.gate's submit and answer; `maybe_sent` says whether the far side may have
--- acted on it. Once submitted it is not abandoned by a deadline: its own timeout is that.
--- What has to wait for the write budget waits here, and is on record nowhere yet.
---@param request host.request
---@param credential host.credential?
---@param options http.options?
---@return host.answer|nil answer, string? message, string? kind, boolean? maybe_sent
function M.send(request, credential, options)
  if not door then error("no door to the network is open: session.open makes one", 2) end
  local me, began = scheduler.here(), log.verbose() and sys.monotonic()
  local wait, answer, message, kind, maybe_sent = send(me, request, credential, options)
  while wait do
    task.sleep(wait)
    wait, answer, message, kind, maybe_sent = send(me, request, credential, options)
  end
  if began and not (door and door.traces) then show(request, answer, kind, sys.monotonic() - began) end
  return answer, message, kind, maybe_sent
end

--- The write budget: changes a second, and the seconds until a new one would have its
--- turn; nothing without one.
---@return number? rate, number? ahead
function M.pace()
  if door and door.pace then return door:pace() end
end

--- Wake the tasks whose requests finished. This is the `poll` given to scheduler.run.
---@param ms integer longest time to block
---@return integer running requests still awaited; without a door it only waits
function M.poll(ms)
  if not door then
    if ms > 0 then sys.sleep(ms) end
    return 0
  end
  if admit() > 0 then ms = 0 end
  for _, transfer in ipairs(door:poll(ms)) do
    local owner = owners[transfer]
    owners[transfer] = nil
    if owner then scheduler.wake(owner) end
  end
  return door:running()
end

--- Requests queued or in flight.
---@return integer
function M.running()
  return door and door:running() or 0
end

--- Requests submitted through this door.
---@return integer
function M.requests() return sent end

--- The longest chain of requests that each needed the answer before it.
---@return integer
function M.chain() return longest end

return M
