--- A door to a network that is not there: scripted answers, a virtual clock.
-- It has the shape of host.gate's door, so http, graph, oauth and everything
-- above them run on it unchanged. A request nobody scripted raises in the task
-- that sent it.

local gate = require "host.gate"
local http = require "http.client"
local json = require "host.json"
local scheduler = require "task.scheduler"
local time = require "time"
local time_clock = require "time.clock"

local M = {}

---------------------------------------------------------------------------
-- A clock that moves only when everybody waits

---@class fake.clock: time.clock
local Clock = { __name = "fake clock", least = 0 }
Clock.__index = Clock

function Clock:time() return self.start end
function Clock.monotonic() return 1000 end
function Clock:offset() return self.passed end
function Clock:advance(seconds) self.passed = self.passed + seconds end

--- A clock that stands at `start` (2026-01-01T00:00:00Z).
---@param start number?
---@return fake.clock
function M.clock(start)
  return setmetatable({ start = start or 1767225600, passed = 0 }, Clock)
end

---------------------------------------------------------------------------
-- Transfers

local Transfer = { __name = "fake transfer" }
Transfer.__index = Transfer

function Transfer:answer()
  if not self.finished then error("transfer is still running", 2) end
  if not self.reply.status then return nil, self.reply.message, self.reply.kind, self.reply.maybe_sent end
  return gate.answer(self.reply.status, self.reply.headers, self.reply.body)
end

function Transfer:close()
  self.closed = true
  self.door:forget(self)
end

Transfer.__close = Transfer.close

---------------------------------------------------------------------------
-- The door

---@class fake.request what was sent, as plain values
---@field method string
---@field path string without scheme and host, without the query
---@field query table<string, string> decoded
---@field url string
---@field peer string
---@field body any decoded where it is JSON, else the text (secrets are masked)
---@field credential any
---@field timeout number
---@field note string?
---@field at number when, by the clock
---@field text string? the body (secrets are masked)
---@field repeatable boolean

---@class fake.door: host.gate.door
---@field requests fake.request[] in the order they were sent
---@field latency number seconds until an answer comes (0)
local Door = { __name = "fake door" }
Door.__index = Door

local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function parse_query(text)
  local query = {}
  for name, value in text:gmatch("([^&=]+)=?([^&]*)") do query[decode(name)] = decode(value) end
  return query
end

local function describe(request, credential, timeout, note)
  local url = request:url()
  local path, query = url:match("^%a+://[^/]*([^?]*)%??(.*)$")
  local text = request:body()
  return {
    method = request:method(), url = url, path = path, query = parse_query(query or ""), peer = request:peer(),
    body = text and (json.decode(text) or text), credential = credential, timeout = timeout, note = note,
    at = time.now(), text = text, repeatable = request:repeatable(),
  }
end

-- "/v1.0/users/{id}" and "/v1.0/applications(uniqueName='{name}')" as Lua patterns; "*" matches anything.
local function pattern_of(template)
  local escaped = template:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
  return "^" .. escaped:gsub("{[^}]*}", "[^/]-") .. "$"
end

--- Answer requests of this method ("*": any) whose path matches. `reply` is
--- `function(request) -> status, headers, body` or a table `{ status, headers, body }`; a body that
--- is a table is encoded as JSON. `nil, message, kind, maybe_sent` is a failure instead.
--- Of several that match, the last one named answers.
---@param method string
---@param template string "/v1.0/users/{id}", "*" for any rest
---@param reply table|fun(request: fake.request): ...
function Door:on(method, template, reply)
  table.insert(self.rules, 1, { method = method, pattern = pattern_of(template), reply = reply })
end

--- The same, for one request only. Several are used up in the order they were named.
function Door:once(method, template, reply)
  table.insert(self.singles, { method = method, pattern = pattern_of(template), reply = reply })
end

local function matches(rule, request)
  return (rule.method == "*" or rule.method == request.method) and request.path:match(rule.pattern)
end

local function find(door, request)
  for place, rule in ipairs(door.singles) do
    if matches(rule, request) then return table.remove(door.singles, place).reply end
  end
  for _, rule in ipairs(door.rules) do
    if matches(rule, request) then return rule.reply end
  end
end

local function call(reply, request)
  if type(reply) == "table" then return table.unpack(reply, 1, 4) end
  return reply(request)
end

local function reply_to(door, request)
  local reply = find(door, request)
  if not reply then
    error(("nobody scripted %s %s (body: %s)"):format(request.method, request.url,
      request.body and json.encode(request.body) or "none"), 0)
  end
  local status, headers, body, maybe_sent = call(reply, request)
  if not status then return { message = headers, kind = body, maybe_sent = maybe_sent } end
  if type(body) == "table" then body = json.encode(body) end
  return { status = status, headers = headers or {}, body = body or "" }
end

function Door:submit(request, credential, rights, timeout, note)
  assert(rights, "nobody's rights")
  assert(type(timeout) == "number" and timeout > 0, "a timeout in seconds is needed")
  local seen = describe(request, credential, timeout, note)
  table.insert(self.requests, seen)
  local transfer = setmetatable({ door = self, seen = seen }, Transfer)
  transfer.reply = reply_to(self, seen)
  table.insert(self.queued, transfer)
  return transfer
end

function Door:forget(transfer)
  for _, list in ipairs { self.queued, self.started } do
    for place, other in ipairs(list) do
      if other == transfer then return table.remove(list, place) end
    end
  end
end

function Door:flush()
  local count = #self.queued
  for _, transfer in ipairs(self.queued) do
    transfer.due = time.monotonic() + self.latency
    table.insert(self.started, transfer)
  end
  self.queued = {}
  return count
end

local function take_due(door)
  local due, left, next_due = {}, {}, math.huge
  for _, transfer in ipairs(door.started) do
    local late = transfer.due <= time.monotonic()
    table.insert(late and due or left, transfer)
    transfer.finished = late
    if not late then next_due = math.min(next_due, transfer.due) end
  end
  door.started = left
  return due, next_due
end

function Door:poll(ms)
  self:flush()
  local due, next_due = take_due(self)
  if #due > 0 or ms <= 0 then return due end
  time_clock.advance(math.min(ms / 1000, next_due - time.monotonic()))
  return (take_due(self))
end

function Door:running() return #self.queued + #self.started end

function Door:close() self.closed = true end

--- How many requests of this method and path were sent?
---@param method string
---@param template string
---@return integer
function Door:count(method, template)
  local rule, count = { method = method, pattern = pattern_of(template) }, 0
  for _, request in ipairs(self.requests) do
    if matches(rule, request) then count = count + 1 end
  end
  return count
end

--- A door with nothing scripted.
---@return fake.door
function M.door()
  return setmetatable({ rules = {}, singles = {}, queued = {}, started = {}, requests = {}, latency = 0 }, Door)
end

--- Rights at a door that checks none.
---@return task.rights.session
function M.acting()
  return { script = {}, own = {}, diagnosis = {} }
end

--- Run `fn(...)` as a task behind this door, at this clock's time.
---@param door fake.door
---@param clock fake.clock
---@param fn function
---@return any ...
function M.run(door, clock, fn, ...)
  local old_clock, old_door, old_acting = time_clock.use(clock), http.use(door, M.acting())
  local _ <close> = setmetatable({}, { __close = function()
    time_clock.use(old_clock)
    http.use(old_door, old_acting)
  end })
  return scheduler.run(http.poll, fn, ...)
end

return M
