--- The server of the hand-over's page, on loopback: the checks of each request, and the answers.
--
-- The page itself (GET /) is the same for everybody and has no secret. Every other request is a POST with a JSON body,
-- from the page's own script; as a program would send it:
--
--   curl -H "Origin: $base" -H "Sec-Fetch-Site: same-origin" -H "Content-Type: application/json" …
--     -d '{"token": "…"}' $base/session   the token after "#" in the address → {"session": "…"}; once
--   and with -H "Moonlatch-Session: …":
--     -d '{}' $base/state                 handover.state's table, and `page`
--     -d '{}' $base/secret                → {"secret": "…"}; once for each address
--     -d '{"key": "licence", "done": true}' $base/tick                  → the state after it
--     -d '{"done": true}' $base/tested    Test connection succeeded      → the state after it
--     -d '{"id": "…"}' $base/confirm      pasted and saved; secret.id    → the state after it
--     -d '{}' $base/calendar              → text/calendar
--     -d '{}' $base/end                   the page is not needed any more
--
-- $base is http://127.0.0.1:PORT. Refusals: 401 for a used token or an ended session; 403 for another user, host or
-- origin; 404, 405, 415; 409, with the reason, for an action that the hand-over refuses.

local class = require "base.class"
local crypto = require "host.crypto"
local hint = require "log.hint"
local html = require "report.html"
local log = require "log"
local neighbour = require "http.neighbour"
local sys = require "host.sys"

local M = {}

---@class handover.page_server.desk what the page shows and does
---@field state fun(): table the table of handover.state
---@field give fun(): host.secret the secret; the journal says that it was given before the function returns
---@field given fun() called when the secret was sent
---@field tick fun(key: string, done: boolean)
---@field confirm fun(shown: string?, tested: boolean) `shown`: the id of the secret that the page showed
---@field calendar fun(): string

---@class handover.page_server
---@field desk handover.page_server.desk
---@field person http.neighbour the user who may use the page
---@field server host.httpd.server
---@field port integer
---@field base string
---@field token string? the token in the address; nil once it was used
---@field session string?
---@field was_given boolean was the secret given, for this address?
---@field tested boolean
---@field acted number when a person last acted on the page
---@field patience number seconds that the page stays after that
---@field finished boolean?
local PageServer = class "handover.page_server"

--- Seconds after which a page ends when nobody acts on it.
M.PATIENCE = 600

local FOLDER = "stdlib/handover/page/"

---------------------------------------------------------------------------
-- The page

local function page_asset(name) return assert(sys.embedded(FOLDER .. name), name) end

local function csp_hash(text) return "'sha256-" .. crypto.base64(crypto.digest("sha256", text)) .. "'" end

local function fill_page_placeholder(text, name, value)
  local first, last = text:find("@" .. name .. "@", 1, true)
  return text:sub(1, first - 1) .. value .. text:sub(last + 1)
end

-- The command for the terminal, as text of the page.
local function command_as_html() return html.escape(hint.text "{moonlatch} handover") end

-- The page with its style and script, and its Content Security Policy, which allows only this style and script.
local function assemble_page()
  local style, script = html.base_style() .. page_asset "page.css", page_asset "page.js"
  local page, command = page_asset "page.html", command_as_html()
  page = fill_page_placeholder(fill_page_placeholder(page, "COMMAND", command), "COMMAND", command)
  page = fill_page_placeholder(fill_page_placeholder(page, "STYLE", style), "SCRIPT", script)
  return page, ("default-src 'none'; style-src %s; script-src %s; connect-src 'self'; base-uri 'none'; "
    .. "form-action 'none'; frame-ancestors 'none'"):format(csp_hash(style), csp_hash(script))
end

local function page_headers(self, kind)
  return {
    ["Content-Type"] = kind, ["Cache-Control"] = "no-store", ["Content-Security-Policy"] = self.policy,
    ["Referrer-Policy"] = "no-referrer", ["X-Content-Type-Options"] = "nosniff",
    ["Cross-Origin-Opener-Policy"] = "same-origin", ["Cross-Origin-Resource-Policy"] = "same-origin",
  }
end

local JSON = "application/json"

local function reply_to_page(self, incoming, status, value)
  incoming:reply(status, page_headers(self, JSON), value)
end

---------------------------------------------------------------------------
-- The routes: each function answers for one path

local ROUTES = {}

local function page_state(self)
  local state = self.desk.state()
  state.page = {
    person = self.person.name, ends_in = math.max(0, self:ends_in()), given = self.was_given, tested = self.tested,
  }
  return state
end

local function page_token() return crypto.base64url(crypto.random(32)) end

ROUTES["/session"] = function(self, incoming, body)
  if not self.token or body.token ~= self.token then
    return reply_to_page(self, incoming, 401, { error = "The address was used before." })
  end
  self.token, self.session = nil, page_token()
  reply_to_page(self, incoming, 200, { session = self.session })
end

ROUTES["/state"] = function(self, incoming) reply_to_page(self, incoming, 200, page_state(self)) end

-- C copies the value from the secret into the answer, through a buffer that is wiped. libevent's copy is wiped when
-- libevent frees it, because the allocator wipes all memory that is freed.
ROUTES["/secret"] = function(self, incoming)
  if self.was_given then
    return reply_to_page(self, incoming, 409, {
      error = "The secret was given once for this address. Press Enter in the terminal for a new address.",
    })
  end
  local value <close> = self.desk.give()
  self.was_given = true
  reply_to_page(self, incoming, 200, { secret = value })
  self.desk.given()
end

-- Answer an action of a person with the new state. Each action gives the page more time.
local function reply_after_page_action(self, incoming)
  self.acted = sys.monotonic()
  reply_to_page(self, incoming, 200, page_state(self))
end

ROUTES["/tick"] = function(self, incoming, body)
  self.desk.tick(tostring(body.key), body.done == true)
  reply_after_page_action(self, incoming)
end

ROUTES["/tested"] = function(self, incoming, body)
  self.tested = body.done == true
  reply_after_page_action(self, incoming)
end

ROUTES["/confirm"] = function(self, incoming, body)
  self.desk.confirm(body.id, self.tested)
  reply_after_page_action(self, incoming)
end

ROUTES["/calendar"] = function(self, incoming)
  incoming:reply(200, page_headers(self, "text/calendar; charset=utf-8"), self.desk.calendar())
end

ROUTES["/end"] = function(self, incoming)
  self.finished = true
  reply_to_page(self, incoming, 200, {})
end

---------------------------------------------------------------------------
-- Checking requests

-- The status and the reason for refusing a request, before its body is read.
local function page_request_refusal(self, incoming)
  if not neighbour.sent(self.person, incoming) then
    return 403, "This page is for another user of this computer. The terminal says for whom."
  end
  if incoming:header "host" ~= self.host then return 403, "This page is at " .. self.base .. "/ only." end
  local is_page = incoming:path() == "/"
  if not is_page and not ROUTES[incoming:path()] then return 404, "There is nothing here." end
  if incoming:method() ~= (is_page and "GET" or "POST") then return 405, "Not by this method." end
  if is_page then return nil end
  if incoming:header "origin" ~= self.base or incoming:header "sec-fetch-site" ~= "same-origin" then
    return 403, "Only the page itself may ask for this."
  end
  if incoming:header "content-type" ~= JSON then return 415, "The body has to be JSON." end
  if incoming:path() == "/session" or self.session and incoming:header "moonlatch-session" == self.session then
    return nil
  end
  return 401, "This session has ended."
end

-- Answer one request. A failure of the hand-over is shown on the page and on the terminal.
local function answer_page_request(self, incoming)
  local status, why = page_request_refusal(self, incoming)
  if status then return reply_to_page(self, incoming, status, { error = why }) end
  if incoming:path() == "/" then
    return incoming:reply(200, page_headers(self, "text/html; charset=utf-8"), self.html)
  end
  local body = incoming:json()
  if type(body) ~= "table" then
    return reply_to_page(self, incoming, 415, { error = "The body has to be a JSON object." })
  end
  local ok, failure = pcall(ROUTES[incoming:path()], self, incoming, body)
  if ok then return end
  log.warn(tostring(failure))
  -- this reply fails when the request was answered already
  pcall(reply_to_page, self, incoming, 409, { error = tostring(failure) })
end

---------------------------------------------------------------------------

--- Listen on loopback. Requests are refused until `invite` was called.
---@param desk handover.page_server.desk
---@param person http.neighbour
---@return handover.page_server to be closed
function M.open(desk, person)
  local server = neighbour.server(person)
  local port = assert(server:listen("127.0.0.1", 0))
  local host = "127.0.0.1:" .. port
  local self = PageServer {
    desk = desk, person = person, server = server, port = port, host = host, base = "http://" .. host,
    was_given = false, tested = false, acted = sys.monotonic(), patience = M.PATIENCE,
  }
  self.html, self.policy = assemble_page()
  return self
end

--- Make a new address, which is valid for one session. The session before it ends.
---@return string url
function PageServer:invite()
  self.token, self.session, self.was_given, self.tested = page_token(), nil, false, false
  self.acted = sys.monotonic()
  return self.base .. "/#" .. self.token
end

--- Seconds until the page ends because nobody acts on it.
---@return number
function PageServer:ends_in()
  return self.acted + self.patience - sys.monotonic()
end

--- Answer the requests that arrive within `ms` milliseconds.
---@param ms integer
function PageServer:turn(ms)
  for _, incoming in ipairs(self.server:poll(ms)) do answer_page_request(self, incoming) end
end

function PageServer:close()
  self.token, self.session = nil, nil
  self.server:close()
end
PageServer.__close = PageServer.close

return M
