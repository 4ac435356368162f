--- One call of Microsoft Graph: its request, its tries and its failure. Only the library uses this; scripts use
--- `graph`.

local class = require "base.class"
local explain = require "explain.cause"
local fail = require "fail"
local graph_clock = require "graph.clock"
local http = require "http.client"
local native_graph = require "host.graph"
local oauth = require "oauth.sign_in"
local outage = require "http.outage"
local profiles = require "profile.current"
local required = require "graph.required"
local retry = require "http.retry"
local sets = require "base.sets"
local text = require "graph.text"
local time = require "time"

local M = {}

---@class graph.call.options: graph.options the options of graph, and those that only the library uses
---@field note string? the purpose of the call, for the record; `what` by default
---@field credential host.credential? the credential to use instead of ours, such as a new credential that is to be
--- proven
---@field bare boolean? of a list: may the answer be the only item itself, instead of a page?
---@field once boolean? an answer ends the call; only a request that was not sent is tried again
---@field ready nil|fun() called before each try, and again when the try had to wait for the write budget; it may wait,
--- and may raise an error to give the call up
---@field sending nil|fun() called before each try: what it stages in the journal is durable before the try leaves

---@class graph.call: http.retry.call
---@field method string
---@field path string
---@field body table?
---@field options graph.call.options
---@field base string
---@field query table<string, string>?
---@field headers table<string, string>?
---@field link string? the link to a page of a list, instead of path and query
---@field first host.request? the request of the first try, not sent yet
---@field judge fun(request: host.request, answer: host.answer): any, any
---@field overruled boolean did the caller decide whether the request may be repeated?
---@field credential host.credential? the credential of the last try
local Call = class "graph.call"
Call.peer = "graph"
Call.judge = native_graph.judge

local NONE = {} ---@type graph.call.options

---------------------------------------------------------------------------
-- Building

--- The query of a call, and the headers that scripts may choose.
---@param options graph.options
---@return table<string, string> query, table<string, string> headers
function M.query(options)
  local query = {
    ["$select"] = text.comma_list(options.select), ["$filter"] = text.filter(options.filter),
    ["$expand"] = text.expand(options.expand), ["$orderby"] = options.order,
    ["$top"] = options.top and ("%d"):format(options.top), ["$search"] = text.search(options.search),
    ["$count"] = (options.count or options.advanced) and "true" or nil,
  }
  local eventual = (options.search or options.count or options.advanced) and "eventual" or nil
  return query, { ConsistencyLevel = options.consistency or eventual, Prefer = options.prefer }
end

-- The resource that the service throttles as a whole: the first segment of the path, "/users", in either version.
function Call:resource() return (self.path:gsub("^/beta/", "/"):match("^/[^/?(]*")) end

-- The names of the members of a body.
local function body_member_names(body)
  local names = {}
  for name in pairs(body or {}) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local LATELY = 120 -- seconds for which what we made may be unknown to a part of Entra

local made_at = setmetatable({}, { __mode = "k" }) ---@type table<host.gate.door, number> of the last object, monotonic

--- Note that the call succeeded with this value.
---@param value any
function Call:succeeded(value)
  local is_made = self.method == "POST" and self.changes or self.options.prefer and next(value) ~= nil
  if is_made and self.path ~= "/$batch" then made_at[http.door()] = time.monotonic() end
end

-- Does the token in use have what the table of permissions asks for this call?
local function is_covered(call)
  local principal = not call.options.credential and oauth.signed_in()
  local rows = principal and required.rows(call.method, call.path, body_member_names(call.body)) or {}
  local kind = principal and principal.kind == "app" and "application" or "delegated"
  local held = principal and sets.of(kind == "application" and principal.roles or principal.scopes)
  for _, row in ipairs(rows) do
    if not required.covers(held, row[kind]) then return false end
  end
  return #rows > 0
end

--- May this refusal pass, because Entra does not know yet what was made before? Only where the token has the
--- permission, and where the text says so or we made something lately.
---@param failure http.retry.failure
---@return boolean
function Call:is_lagging(failure)
  if failure.code ~= "Authorization_RequestDenied" then return false end
  local moment = made_at[http.door()]
  local lately = moment ~= nil and time.monotonic() - moment <= LATELY
  return (failure.lag or lately) and is_covered(self)
end

-- Build the request of the next try. The request of each try has an id of its own.
---@return host.request|nil, string?
function Call:build()
  if self.link then return native_graph.next(self.base, self.link, self.headers, self.path) end
  local request = self.first
    or native_graph.request(self.base, self.method, self.path, self.query, self.body, self.headers)
  self.first = nil
  return request
end

function Call:attempt() return M.try_once(self, self.judge) end

-- Renew the credential; a credential that the caller passed is left as it is.
function Call:renew()
  if not self.options.credential then oauth.renew(self.credential) end
end

--- Make a call.
---@param method string
---@param path string
---@param body table?
---@param options graph.call.options?
---@return graph.call
function M.new(method, path, body, options)
  local base, query, headers = profiles.current().graph, nil, nil
  if options and next(options) then query, headers = M.query(options) end
  options = options or NONE
  -- the request is built now, so that a wrong call raises its error here
  local first = native_graph.request(base, method, path, query, body, headers)
  local changes, repeatable = first:traits()
  local wanted = options.repeatable
  local overruled = wanted ~= nil and wanted ~= repeatable
  if overruled then repeatable = wanted end
  return Call {
    what = options.what or (method .. " " .. path), method = method, path = path, body = body, options = options,
    base = base, query = query, headers = headers, first = first, changes = changes, repeatable = repeatable,
    overruled = overruled, fresh_write = options.fresh_write, once = options.once, credential = nil,
  }
end

--- The call for the page that a link leads to.
---@param link string
---@param first graph.call the call for the first page
---@return graph.call
function M.page(link, first)
  local _, headers = M.query(first.options)
  return Call {
    what = first.what, method = "GET", path = first.path, options = first.options, base = profiles.current().graph,
    headers = headers, link = link, changes = false, repeatable = true, overruled = false, credential = nil,
  }
end

---------------------------------------------------------------------------
-- Failing

local WITH_REQUEST_ID = "%s (request-id %s)"

-- Status, code, message and request id of an answer in one text.
local function quote_graph_answer(failure)
  if not failure.status then return failure.message end
  local words = tostring(failure.status)
  if failure.code and failure.code ~= "" then words = words .. " " .. failure.code end
  if failure.message and failure.message ~= "" then words = words .. ": " .. failure.message end
  return failure.request_id and WITH_REQUEST_ID:format(words, failure.request_id) or words
end

local MOST_DENIED = 1000
local denied_calls, denied_count = {}, 0 ---@type table<string, graph.call.made> by key: method, path and members

---@class graph.call.made
---@field method string
---@field path string
---@field members string[] of the body

local function denied_call_key(made)
  local words = { made.method, made.path }
  for _, name in ipairs(made.members) do words[#words + 1] = tostring(name) end
  return table.concat(words, "\n")
end

local function remember_denied(made)
  local key = denied_call_key(made)
  if denied_calls[key] or denied_count >= MOST_DENIED then return end
  denied_calls[key], denied_count = made, denied_count + 1
end

--- The denied call that a failure is about; nil when Graph denied no such call. A script can make a failure that names
--- any call, so only calls that Graph did deny are returned.
---@param failure Failure
---@return graph.call.made?
function M.denied_call(failure)
  local named = failure.call
  if type(named) ~= "table" or type(named.members) ~= "table" then return nil end
  return type(named.method) == "string" and type(named.path) == "string" and denied_calls[denied_call_key(named)] or nil
end

--- Make the failure of a call. No other function makes failures of Graph.
---@param call graph.call
---@param failure http.retry.failure
---@return Failure
function M.failure(call, failure)
  local reason, words = explain.graph(failure, call), quote_graph_answer(failure)
  local made = { method = call.method, path = call.path, members = body_member_names(call.body) }
  if failure.status == 403 then remember_denied(made) end
  return fail.new {
    kind = failure.kind, what = call.what, why = explain.why(reason, failure, words, "Graph"), said = words,
    call = { method = made.method, path = made.path, members = made.members },
    fix = reason.fix, resumes = reason.resumes, status = failure.status, code = failure.code, message = failure.message,
    target = failure.target, request_id = failure.request_id, cause = failure,
    unreachable = outage.is_unreached(failure) or nil,
  }
end

--- Raise the failure of a call.
---@param call graph.call
---@param failure http.retry.failure
function M.raise(call, failure)
  error(M.failure(call, failure), 0)
end

---------------------------------------------------------------------------
-- Sending a call

-- After a 503 or 504, let the next try use a new connection: the present connection may lead to a machine in trouble
-- (Microsoft Learn, "Best practices for working with Microsoft Graph").
local function use_fresh_connection_after(call, failure)
  call.fresh = failure.status == 503 or failure.status == 504
end

-- The options for http.client. The record of a change needs a note: without a note of the caller, what the call does.
local function http_options_of(call)
  local options = call.options
  if options.note or not (call.changes or options.what) then return options end
  return { timeout = options.timeout, note = call.what, ready = options.ready, sending = options.sending }
end

--- Send the call once, and judge its answer with `judge(request, answer)`.
---@param call graph.call
---@param judge fun(request: host.request, answer: host.answer): any, any
---@return any value, any date_or_failure
function M.try_once(call, judge)
  local request <close>, refused = call:build()
  if not request then return nil, { kind = "bad_answer", message = refused } end
  if call.overruled then request:set_repeatable(call.repeatable) end
  if call.fresh then request:set_fresh() end
  call.credential = call.options.credential or oauth.credential()
  local sent = time.monotonic()
  local answer <close>, message, kind, maybe_sent = http.send(request, call.credential, http_options_of(call))
  if not answer then return nil, retry.transport_failure(message, kind, maybe_sent) end
  local value, more = judge(request, answer)
  local date = more
  if value == nil then date = more.date end
  graph_clock.note(date, sent)
  if value ~= nil then
    call:succeeded(value)
    return value, more
  end
  use_fresh_connection_after(call, more)
  return nil, more
end

--- Send the call until it succeeds or must not be tried again (http.retry). Waits.
---@param call graph.call
---@param judge nil|fun(request: host.request, answer: host.answer): any, any
---@return any value, any date_or_failure
function M.try_repeatedly(call, judge)
  call.judge = judge
  return retry.run(call)
end

--- Send the call until it succeeds or must not be tried again. Raises its failure. Waits.
---@param call graph.call
---@return any value, number? date
function M.perform(call)
  local value, more = M.try_repeatedly(call)
  if value ~= nil then return value, more end
  if more.kind == "missing" and call.options.missing == "nil" then return nil end
  M.raise(call, more)
end

return M
