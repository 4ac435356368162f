--- Serve HTTPS on loopback: listeners with handlers, and answers that are late,
--- cut short, or never come. The one place that blocks is `Service:turn`.

local class = require "base.class"
local httpd = require "host.httpd"
local log = require "log"
local sys = require "host.sys"

local M = {}

local TURN_MS = 1000

---@class httpd.request what a handler is given
---@field method string
---@field path string as sent, percent-encoded, without the query
---@field query table<string, string> decoded
---@field text string the query as sent
---@field header fun(name: string): string?
---@field json fun(): any?, string? the body; secrets lifted
---@field form fun(): table<string, string|host.secret>
---@field basic fun(): string?, host.secret? user and password of an Authorization: Basic header
---@field base string scheme, host and port it came in by
---@field size integer bytes of the body

---@class httpd.answer what a handler returns when status, headers, body is not enough
---@field status integer?
---@field headers table<string, string>?
---@field body string|table|nil
---@field wait number? seconds before it is sent
---@field how "reply"|"drop"|"cut"|"hold"|nil
---@field bytes integer? how much of the body a cut answer carries

---@class httpd.listener
---@field name string
---@field host string
---@field port integer 0: any
---@field plain boolean? plain HTTP, though the others have TLS
---@field handle fun(request: httpd.request): integer|httpd.answer, table?, string|table|nil

---@class httpd.service
---@field ca string? PEM of its authority; nil for plain HTTP
---@field addresses table<string, string> name of the listener -> "https://127.0.0.1:4711"
---@field bases table<string, string> the same, or the address of a proxy before it: what answers call it
local Service = class "httpd.service"

--- An answer `seconds` from now.
---@param seconds number
---@param status integer
---@param headers table<string, string>
---@param body string|table
---@return httpd.answer
function M.later(seconds, status, headers, body)
  return { wait = seconds, status = status, headers = headers, body = body }
end

--- No answer: the connection closes.
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

local dated, date ---@type number?, string? the second last asked for, and its text

local function date_of(time)
  local at = sys.utc(time // 1)
  local day = DAYS[(time // 86400 + 4) % 7 + 1] -- 1970 began on a Thursday
  local clock = ("%02d:%02d:%02d"):format(at.hour, at.minute, at.second)
  return ("%s, %02d %s %04d %s GMT"):format(day, at.day, MONTHS[at.month], at.year, clock)
end

--- A moment as a Date header has it: "Mon, 23 Nov 2026 05:00:00 GMT". Asked for with each
--- answer, so the last one is kept.
---@param time number
---@return string
function M.date(time)
  local second = time // 1
  if second ~= dated then dated, date = second, date_of(second) end
  return date
end

--- Listen. Raises when a port cannot be had.
--- What its clients have to trust: `Service.ca`, PEM of an authority that vouches for loopback only.
---@param options {plain: boolean?, listeners: httpd.listener[]}
---@return httpd.service
function M.open(options)
  local identity = not options.plain and httpd.identity() or nil
  local self = Service {
    ca = identity and identity:ca(),
    server = httpd.server(identity),
    listeners = {},
    addresses = {}, bases = {},
    held = {},
  }
  for _, listener in ipairs(options.listeners) do
    local port, index = self.server:listen(listener.host, listener.port, listener.plain)
    if not port then
      self.server:close()
      error(index, 0)
    end
    local host = listener.host:find(":", 1, true) and "[" .. listener.host .. "]" or listener.host
    local scheme = identity and not listener.plain and "https" or "http"
    self.listeners[index] = listener
    local address = ("%s://%s:%d"):format(scheme, host, port)
    self.addresses[listener.name], self.bases[listener.name] = address, address
  end
  return self
end

--- Also end when the descriptor does (`Service:ended`).
---@param fd integer
function Service:watch(fd)
  self.server:watch(fd)
end

---@return boolean
function Service:ended()
  return self.server:ended()
end

-- Parts of a request that are made when they are asked for: most are not.
local PARTS = {
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
  local make = PARTS[name]
  if not make then return nil end
  local part = make(self._incoming)
  self[name] = part
  return part
end

local function describe(self, incoming)
  local listener = self.listeners[incoming:listener()]
  return listener, Request {
    _incoming = incoming, method = incoming:method(), path = incoming:path(), base = self.bases[listener.name],
  }
end

local function write(incoming, answer)
  if answer.how == "drop" then return incoming:drop() end
  local headers, body = answer.headers or {}, answer.body or ""
  if answer.how == "cut" then return incoming:cut(answer.status, headers, body, answer.bytes) end
  incoming:reply(answer.status, headers, body)
end

local function crash(message)
  log.warn("the server's own handler failed: " .. debug.traceback(tostring(message), 2))
  return { status = 500, headers = { ["Content-Type"] = "text/plain" }, body = "the handler failed; see the log" }
end

--- A bad answer is the handler's bug, not a reason to stop serving.
local function send(incoming, answer)
  local ok, message = pcall(write, incoming, answer)
  if not ok then write(incoming, crash(message)) end
end

local function ask(listener, request)
  local status, headers, body = listener.handle(request)
  if type(status) == "table" then return status end
  return { status = status, headers = headers, body = body }
end

local function accept(self, incoming)
  local listener, request = describe(self, incoming)
  local _, answer = xpcall(ask, crash, listener, request)
  local wait = answer.how == "hold" and math.huge or answer.wait or 0
  if wait <= 0 then return send(incoming, answer) end
  self.held[#self.held + 1] = { due = sys.monotonic() + wait, incoming = incoming, answer = answer }
end

--- Send what is due; return seconds until the next is.
local function release(self)
  local now, kept, wait = sys.monotonic(), {}, math.huge
  for _, held in ipairs(self.held) do
    if held.due <= now then
      send(held.incoming, held.answer)
    else
      kept[#kept + 1] = held
      wait = math.min(wait, held.due - now)
    end
  end
  self.held = kept
  return wait
end

--- Serve what comes in within `ms`, blocking at most that long.
---@param ms integer
function Service:turn(ms)
  local wait = release(self)
  local requests = self.server:poll(math.ceil(math.min(ms, wait * 1000)))
  for _, incoming in ipairs(requests) do accept(self, incoming) end
  release(self)
end

--- Stop listening. Answers still held are never given.
function Service:close()
  self.held = {}
  self.server:close()
end
Service.__close = Service.close

--- Serve until `done()` holds, an interrupt comes or has come, or the watched descriptor ends.
---@param service httpd.service
---@param done nil|fun(): boolean
function M.serve(service, done)
  while sys.interrupts() == 0 and not service:ended() and not (done and done()) do
    service:turn(TURN_MS)
  end
end

return M
