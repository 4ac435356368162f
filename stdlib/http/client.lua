--- Send one HTTP request and wait for its answer. A task sends one request at a time; many tasks share a connection.
--
-- All requests of the program go through one door (host.gate's, or a door with the same methods in a test). `use`
-- chooses the door. The door does what Lua code must not decide: it checks whether the request may go, puts it on
-- record, attaches the credential, and sends it.

local log = require "log"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local sys = require "host.sys"
local task = require "task"

local M = {}

local MOST_IN_FLIGHT = 100 -- requests in flight: what servers grant as streams

local door ---@type host.gate.door?
local in_flight = 0
local queue, first, last = {}, 1, 0 -- tasks that wait for a stream: queue[first] to queue[last]
local task_of_transfer = setmetatable({}, { __mode = "k" }) -- running transfer -> its task
local request_count, longest_chain = 0, 0

--- Send through this door from now on (nil: through none), with these rights that the door made. Returns the door and
--- the rights that were in use before.
---@param new host.gate.door?
---@param session_rights task.rights.session?
---@return host.gate.door? door, task.rights.session? session_rights
function M.use(new, session_rights)
  local before = door
  if before and in_flight > 0 then error("requests are in flight through the other door", 2) end
  door, queue, first, last, request_count, longest_chain = new, {}, 1, 0, 0, 0
  return before, rights.use(session_rights)
end

--- The door in use.
---@return host.gate.door?
function M.door() return door end

local stream_on_close = setmetatable({}, { __close = function() in_flight = in_flight - 1 end })

---@class http.client.queued a task that waits for a stream
---@field task Task
---@field peer string
---@field refusal { message: string, kind: string }?

-- Wait for a free stream. Returns a value whose closing frees the stream; or nil and why the peer cannot be reached.
local function acquire_request_stream(request)
  while in_flight >= MOST_IN_FLIGHT do
    local entry = { task = scheduler.current(), peer = request:peer() }
    last = last + 1
    queue[last] = entry
    scheduler.suspend()
    if entry.refusal then return nil, entry.refusal end
  end
  in_flight = in_flight + 1
  return stream_on_close
end

--- Fail the requests to this peer that wait for a stream, because the peer cannot be reached.
---@param peer string
---@param message string
---@param kind string the gate's kind
function M.reject_queued(peer, message, kind)
  for i = first, last do
    local entry = queue[i]
    if entry.peer == peer and not entry.refusal then
      entry.refusal = { message = message, kind = kind }
      scheduler.wake(entry.task)
    end
  end
end

-- Wake as many queued tasks as there are free streams. Returns their number. This is done once in each turn of the
-- loop, and not when a stream becomes free, so that a task that is cancelled while it is queued takes no other task's
-- turn.
local function wake_queued_tasks()
  local free = MOST_IN_FLIGHT - in_flight
  local woken = 0
  while woken < free and first <= last do
    local entry = queue[first]
    queue[first], first = nil, first + 1
    if not entry.task.done and not entry.refusal then
      scheduler.wake(entry.task)
      woken = woken + 1
    end
  end
  return woken
end

-- Count a request. The request comes after every answer that its task, and the tasks it has waited for, needed before.
local function count_request(sender)
  request_count = request_count + 1
  sender.depth = sender.depth + 1
  if sender.depth > longest_chain then longest_chain = sender.depth end
end

---@class http.options
---@field timeout number? seconds from sending to the answer (30), never more than the task has left
---@field note string? the purpose of the request, for the record
---@field own boolean? send with Moonlatch's own rights instead of the script's rights: to sign in
---@field ready nil|fun() called before each try, while nothing of the try is queued: it may wait, and may raise an
--- error to give up
---@field sending nil|fun() called for each try in its turn, just before the try leaves: what it writes to the journal
--- is durable before the try leaves

-- The rights that a request leaves with; or nil and why there are none.
local function rights_of_request(sender, options)
  local rights_in_use = rights.of(sender)
  if options and options.own then rights_in_use = rights.own() end
  if rights_in_use then return rights_in_use end
  return nil, "this call belongs to no script, so it has no rights: code that loads a script, or cleans up after it, "
    .. "sends nothing"
end

-- Make one try to send a request. Returns, when the write budget has no room, the seconds to wait (no stream is held
-- then); else nil, and the results of M.send.
local function submit_request(sender, request, credential, options)
  if options and options.ready then options.ready() end
  local _ <close>, refusal = acquire_request_stream(request)
  if refusal then return nil, nil, refusal.message, refusal.kind, false end
  local timeout, left = options and options.timeout or 30, task.left()
  if left < timeout then timeout = left end
  if timeout <= 0 then scheduler.suspend() end -- raises "timeout"
  local rights_in_use, why = rights_of_request(sender, options)
  if not rights_in_use then return nil, nil, why, "undeclared", false end
  local transfer <close>, message, kind, wait = door:submit(request, credential, rights_in_use, timeout,
    options and options.note)
  if not transfer then return wait, nil, message, kind, false end
  if options and options.sending then options.sending() end
  count_request(sender)
  task_of_transfer[transfer] = sender
  while task_of_transfer[transfer] do scheduler.suspend(true) end
  return nil, transfer:answer()
end

local observer ---@type nil|fun(request: host.request, answer: host.answer)

--- Call `fn` with each request and its answer from now on (nil: call nothing), before who sent the request gets the
--- answer. For a recording.
---@param fn nil|fun(request: host.request, answer: host.answer)
function M.observe(fn) observer = fn end

local disturbance ---@type nil|fun(request: host.request): "before"|"after"|nil

--- Lose requests, for a rehearsal: `fn` says of each request whether it is lost before it is sent, or after it was
--- carried out, when its answer is lost. Closing the result ends that.
---@param fn fun(request: host.request): "before"|"after"|nil
---@return table closable
function M.disturb(fn)
  disturbance = fn
  return setmetatable({}, { __close = function() disturbance = nil end })
end

local LOST = "the rehearsal lost it"

-- http.trace is loaded with --verbose only.
local function print_request_trace(...) log.detail(require("http.trace").line(...)) end

--- Send one request and wait for the answer. A request that was submitted is not abandoned at the task's deadline; its
--- own timeout limits the wait. A request that the write budget has no room for waits here, and is not on record yet.
---@param request host.request
---@param credential host.credential?
---@param options http.options?
---@return host.answer|nil answer, string? message, string? kind, boolean? maybe_sent without an answer: why, the kind
--- (as of submit and answer in host.gate), and whether the service may have acted on the request
function M.send(request, credential, options)
  if not door then error("no door to the network is open: session.open opens it", 2) end
  local sender, started = scheduler.require_current(), log.verbose() and sys.monotonic()
  local lost = disturbance and disturbance(request)
  if lost == "before" then return nil, LOST, "cut", true end
  local wait, answer, message, kind, maybe_sent = submit_request(sender, request, credential, options)
  while wait do
    task.sleep(wait)
    wait, answer, message, kind, maybe_sent = submit_request(sender, request, credential, options)
  end
  if observer and answer then observer(request, answer) end
  if started and not (door and door.traces) then
    print_request_trace(request, answer, kind, sys.monotonic() - started)
  end
  if lost and answer then return nil, LOST, "cut", true end
  return answer, message, kind, maybe_sent
end

--- The write budget; nothing when there is no write budget.
---@return number? rate changes a second
---@return number? ahead seconds until a new change would have its turn
function M.write_budget()
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
  if wake_queued_tasks() > 0 then ms = 0 end
  for _, transfer in ipairs(door:poll(ms)) do
    local owner = task_of_transfer[transfer]
    task_of_transfer[transfer] = nil
    if owner then scheduler.wake(owner) end
  end
  return door:running()
end

--- The number of requests queued or in flight.
---@return integer
function M.running()
  return door and door:running() or 0
end

--- The number of requests submitted through this door.
---@return integer
function M.request_count() return request_count end

--- The length of the longest chain of requests in which each request needed the answer before it.
---@return integer
function M.longest_chain() return longest_chain end

return M
