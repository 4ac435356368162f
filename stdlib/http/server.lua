--- Serve HTTPS on loopback: listeners with handlers. A handler may also answer late, cut its answer short, or never
--- answer, as a service in trouble does. Only `Service:turn` blocks.

local class = require "base.class"
local fail = require "fail"
local httpd = require "host.httpd"
local log = require "log"
local sys = require "host.sys"

local M = {}

local TURN_MS = 1000

---@class httpd.request the request that a handler gets
---@field method string
---@field path string as sent, percent-encoded, without the query
---@field query table<string, string> decoded
---@field text string the query, percent-encoded as sent
---@field header fun(name: string): string?
---@field json fun(): any?, string? the body, with secret values in the place of secrets
---@field form fun(): table<string, string|host.secret>
---@field basic fun(): string?, host.secret? user and password of an Authorization: Basic header
---@field base string scheme, host and port of the listener
---@field size integer bytes of the body

---@class httpd.answer what a handler returns instead of status, headers and body
---@field status integer?
---@field headers table<string, string>?
---@field body string|table|nil
---@field wait number? seconds before the answer is sent
---@field how "reply"|"drop"|"cut"|"hold"|nil
---@field bytes integer? bytes of the body that a cut answer carries

---@class httpd.listener
---@field name string
---@field host string
---@field port integer 0: any
---@field plain boolean? plain HTTP, although the other listeners have TLS
---@field handle fun(request: httpd.request): integer|httpd.answer, table?, string|table|nil

---@class httpd.service
---@field ca string? PEM of its certificate authority; nil for plain HTTP
---@field addresses table<string, string> name of the listener -> "https://127.0.0.1:4711"
---@field bases table<string, string> the same, or the address of a proxy before it: what answers call it
local Service = class "httpd.service"

--- An answer that is sent `seconds` from now.
---@param seconds number
---@param status integer
---@param headers table<string, string>
---@param body string|table
---@return httpd.answer
function M.later(seconds, status, headers, body)
  return { wait = seconds, status = status, headers = headers, body = body }
end

--- No answer: the connection is closed.
---@return httpd.answer
function M.drop()
  return { how = "drop" }
end

--- No answer, ever, on a connection that stays open.
---@return httpd.answer
function M.hold()
  return { how = "hold" }
end

--- The head of an answer and the first `bytes` of its body.
---@param status integer
---@param headers table<string, string>
---@param body string|table
---@param bytes integer
---@return httpd.answer
function M.cut(status, headers, body, bytes)
  return { how = "cut", status = status, headers = headers, body = body, bytes = bytes }
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

local date_second, date_text ---@type number?, string? the last second, and its text

local function http_date(time)
  local at = sys.utc(time // 1)
  local day = DAYS[(time // 86400 + 4) % 7 + 1] -- 1970 began on a Thursday
  local clock = ("%02d:%02d:%02d"):format(at.hour, at.minute, at.second)
  return ("%s, %02d %s %04d %s GMT"):format(day, at.day, MONTHS[at.month], at.year, clock)
end

--- A moment as a Date header writes it: "Mon, 23 Nov 2026 05:00:00 GMT". The text of the last second is kept, because
--- every answer has this header.
---@param time number
---@return string
function M.date(time)
  local second = time // 1
  if second ~= date_second then date_second, date_text = second, http_date(second) end
  return date_text
end

local LISTEN_FIXES = {
  address = "Name an address of this machine only: 127.0.0.1 or ::1.",
  port = "Name another port, whose next three ports are free, too; or leave the port out, for free ones.",
}

local function raise_not_listening(listener, why, kind)
  fail.raise { kind = "usage", what = "serve on " .. listener.host, why = why, fix = LISTEN_FIXES[kind] }
end

--- Listen on all ports. Raises "usage" when a port cannot be opened. Clients have to trust `Service.ca`, a certificate
--- authority that vouches for loopback only.
---@param options {plain: boolean?, listeners: httpd.listener[]}
---@return httpd.service
function M.open(options)
  local identity = not options.plain and httpd.identity() or nil
  local self = Service {
    ca = identity and identity:ca(),
    server = httpd.server(identity),
    listeners = {},
    addresses = {}, bases = {},
    delayed = {},
  }
  for _, listener in ipairs(options.listeners) do
    local port, index, kind = self.server:listen(listener.host, listener.port, listener.plain)
    if not port then
      self.server:close()
      raise_not_listening(listener, index, kind)
    end
    local host = listener.host:find(":", 1, true) and "[" .. listener.host .. "]" or listener.host
    local scheme = identity and not listener.plain and "https" or "http"
    self.listeners[index] = listener
    local address = ("%s://%s:%d"):format(scheme, host, port)
    self.addresses[listener.name], self.bases[listener.name] = address, address
  end
  return self
end

--- Watch a file descriptor: `Service:ended` is true when the descriptor has reached its end.
---@param fd integer
function Service:watch(fd)
  self.server:watch(fd)
end

--- Has the watched descriptor reached its end?
---@return boolean
function Service:ended()
  return self.server:ended()
end

-- The parts of a request that are read from the connection when a handler first uses them.
local REQUEST_PARTS = {
  query = function(incoming) return incoming:arguments() end,
  text = function(incoming) return incoming:query() end,
  size = function(incoming) return incoming:size() end,
  header = function(incoming) return function(name) return incoming:header(name) end end,
  json = function(incoming) return function() return incoming:json() end end,
  form = function(incoming) return function() return incoming:form() end end,
  basic = function(incoming) return function() return incoming:basic() end end,
}

local Request = class "httpd.request"

function Request:__index(name)
  local make = REQUEST_PARTS[name]
  if not make then return nil end
  local part = make(self._incoming)
  self[name] = part
  return part
end

local function new_request(self, incoming)
  local listener = self.listeners[incoming:listener()]
  return listener, Request {
    _incoming = incoming, method = incoming:method(), path = incoming:path(), base = self.bases[listener.name],
  }
end

local function write_answer(incoming, answer)
  if answer.how == "drop" then return incoming:drop() end
  local headers, body = answer.headers or {}, answer.body or ""
  if answer.how == "cut" then return incoming:cut(answer.status, headers, body, answer.bytes) end
  incoming:reply(answer.status, headers, body)
end

local function answer_for_crash(message)
  log.warn("a handler of the server failed: " .. debug.traceback(tostring(message), 2))
  return { status = 500, headers = { ["Content-Type"] = "text/plain" }, body = "the handler failed; see the log" }
end

-- Send a handler's answer. An answer that cannot be written is a bug of the handler: the client gets a 500 instead, and
-- the server goes on.
local function send_answer(incoming, answer)
  local ok, message = pcall(write_answer, incoming, answer)
  if not ok then write_answer(incoming, answer_for_crash(message)) end
end

local function call_handler(listener, request)
  local status, headers, body = listener.handle(request)
  if type(status) == "table" then return status end
  return { status = status, headers = headers, body = body }
end

local function answer_request(self, incoming)
  local listener, request = new_request(self, incoming)
  local _, answer = xpcall(call_handler, answer_for_crash, listener, request)
  local wait = answer.how == "hold" and math.huge or answer.wait or 0
  if wait <= 0 then return send_answer(incoming, answer) end
  self.delayed[#self.delayed + 1] = { due = sys.monotonic() + wait, incoming = incoming, answer = answer }
end

-- Send the delayed answers that are due. Returns the seconds until the next one is due.
local function send_due_answers(self)
  local now, kept, wait = sys.monotonic(), {}, math.huge
  for _, delayed in ipairs(self.delayed) do
    if delayed.due <= now then
      send_answer(delayed.incoming, delayed.answer)
    else
      kept[#kept + 1] = delayed
      wait = math.min(wait, delayed.due - now)
    end
  end
  self.delayed = kept
  return wait
end

--- Serve the requests that come in within `ms` milliseconds. Blocks at most that long.
---@param ms integer
function Service:turn(ms)
  local wait = send_due_answers(self)
  local requests = self.server:poll(math.ceil(math.min(ms, wait * 1000)))
  for _, incoming in ipairs(requests) do answer_request(self, incoming) end
  send_due_answers(self)
end

--- Stop listening. Delayed answers are not sent any more.
function Service:close()
  self.delayed = {}
  self.server:close()
end
Service.__close = Service.close

--- Serve until `done()` returns true, the program was interrupted, or the watched descriptor has reached its end.
---@param service httpd.service
---@param done nil|fun(): boolean
function M.serve(service, done)
  while sys.interrupts() == 0 and not service:ended() and not (done and done()) do
    service:turn(TURN_MS)
  end
end

return M
