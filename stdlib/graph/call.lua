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
local retry = require "http.retry"
local text = require "graph.text"
local time = require "time"

local M = {}

---@class graph.call.options: graph.options what only the library may say of a call; scripts use `graph`
---@field note string? for the record; `what` by default
---@field credential host.credential? another credential than ours, such as that of an application that is proven
---@field once boolean? an answer ends the call; only a request that was not sent is tried again
---@field ready nil|fun() called before each try, and again when the try had to wait for the write budget; it may wait,
--- and raise to give the call up
---@field sending nil|fun() called before each try: what it stages in the journal is durable when the try leaves

---@class graph.call: http.retry.call
---@field method string
---@field path string
---@field body table?
---@field options graph.call.options
---@field base string
---@field query table<string, string>?
---@field headers table<string, string>?
---@field link string? the link to the page, instead of path and query
---@field first host.request? built, and not sent yet
---@field judge fun(request: host.request, answer: host.answer): any, any
---@field overruled boolean the caller knows better than the request whether it may be repeated
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
    ["$select"] = text.list(options.select), ["$filter"] = text.filter(options.filter),
    ["$expand"] = text.expand(options.expand), ["$orderby"] = options.order,
    ["$top"] = options.top and ("%d"):format(options.top), ["$search"] = text.search(options.search),
    ["$count"] = (options.count or options.advanced) and "true" or nil,
  }
  local eventual = (options.search or options.count or options.advanced) and "eventual" or nil
  return query, { ConsistencyLevel = options.consistency or eventual, Prefer = options.prefer }
end

-- The resource that the service throttles as a whole, as far as we can tell.
function Call:resource() return self.path:match("^/[^/?(]*") end

-- Build the request of the next try: each one has an id of its own.
---@return host.request|nil, string?
function Call:build()
  if self.link then return native_graph.next(self.base, self.link, self.headers) end
  local request = self.first
    or native_graph.request(self.base, self.method, self.path, self.query, self.body, self.headers)
  self.first = nil
  return request
end

function Call:attempt() return M.once(self, self.judge) end

-- A credential that the caller brought is not ours to renew.
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
  -- built now, so that a wrong call raises here
  local first = native_graph.request(base, method, path, query, body, headers)
  local changes, repeatable = first:traits()
  local said = options.repeatable
  local overruled = said ~= nil and said ~= repeatable
  if overruled then repeatable = said end
  return Call {
    what = options.what or (method .. " " .. path), method = method, path = path, body = body, options = options,
    base = base, query = query, headers = headers, first = first, changes = changes, repeatable = repeatable,
    overruled = overruled, fresh_write = options.fresh_write, once = options.once, credential = nil,
  }
end

--- The call for the page that a link leads to.
---@param link string
---@param first graph.call that of the first page
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

local IDENTIFIED = "%s (request-id %s)"

local function said(failure)
  if not failure.status then return failure.message end
  local words = tostring(failure.status)
  if failure.code and failure.code ~= "" then words = words .. " " .. failure.code end
  if failure.message and failure.message ~= "" then words = words .. ": " .. failure.message end
  return failure.request_id and IDENTIFIED:format(words, failure.request_id) or words
end

local function members_of(body)
  local names = {}
  for name in pairs(body or {}) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local MOST_DENIED = 1000
local denied, denied_count = {}, 0 ---@type table<string, graph.call.made> by what it sets and where

---@class graph.call.made
---@field method string
---@field path string
---@field members string[] of the body

local function key_of(made)
  local words = { made.method, made.path }
  for _, name in ipairs(made.members) do words[#words + 1] = tostring(name) end
  return table.concat(words, "\n")
end

local function note_denied(made)
  local key = key_of(made)
  if denied[key] or denied_count >= MOST_DENIED then return end
  denied[key], denied_count = made, denied_count + 1
end

--- The call that a failure is about, as it was made; nil when Graph denied no such call. For a script can make a
--- failure, too, and name in it whatever call it likes.
---@param failure Failure
---@return graph.call.made?
function M.denied(failure)
  local named = failure.call
  if type(named) ~= "table" or type(named.members) ~= "table" then return nil end
  return type(named.method) == "string" and type(named.path) == "string" and denied[key_of(named)] or nil
end

--- Make the failure of a call. No other code makes one.
---@param call graph.call
---@param failure http.retry.failure
---@return Failure
function M.failure(call, failure)
  local reason, words = explain.graph(failure, call), said(failure)
  local made = { method = call.method, path = call.path, members = members_of(call.body) }
  if failure.status == 403 then note_denied(made) end
  return fail.new {
    kind = failure.kind, what = call.what, why = explain.why(reason, failure, words, "Graph"), said = words,
    call = { method = made.method, path = made.path, members = made.members },
    fix = reason.fix, resumes = reason.resumes, status = failure.status, code = failure.code, message = failure.message,
    target = failure.target, request_id = failure.request_id, cause = failure,
    unreachable = outage.is(failure) or nil,
  }
end

--- Raise it.
---@param call graph.call
---@param failure http.retry.failure
function M.raise(call, failure)
  error(M.failure(call, failure), 0)
end

---------------------------------------------------------------------------
-- Sending

-- One connection may lead to one machine in trouble, so the next try uses another connection (Microsoft Learn: best
-- practices for working with Microsoft Graph).
local function note_trouble(call, failure)
  call.fresh = failure.status == 503 or failure.status == 504
end

-- The record of a change says what it was for; where the caller gives no note, the method and path.
local function http_options(call)
  local options = call.options
  if options.note or not (call.changes or options.what) then return options end
  return { timeout = options.timeout, note = call.what, ready = options.ready, sending = options.sending }
end

--- Send the call once and judge its answer with `judge(request, answer)`.
---@param call graph.call
---@param judge fun(request: host.request, answer: host.answer): any, any
---@return any value, any date_or_failure
function M.once(call, judge)
  local request <close>, refused = call:build()
  if not request then return nil, { kind = "bad_answer", message = refused } end
  if call.overruled then request:set_repeatable(call.repeatable) end
  if call.fresh then request:set_fresh() end
  call.credential = call.options.credential or oauth.credential()
  local sent = time.monotonic()
  local answer <close>, message, kind, maybe_sent = http.send(request, call.credential, http_options(call))
  if not answer then return nil, retry.transport(message, kind, maybe_sent) end
  local value, more = judge(request, answer)
  local date = more
  if value == nil then date = more.date end
  graph_clock.note(date, sent)
  if value ~= nil then return value, more end
  note_trouble(call, more)
  return nil, more
end

--- Send the call until it is answered; retry by kind of failure. Waits.
---@param call graph.call
---@param judge nil|fun(request: host.request, answer: host.answer): any, any
---@return any value, any date_or_failure
function M.try(call, judge)
  call.judge = judge
  return retry.run(call)
end

--- Send the call until it is answered. Raises what stays a failure. Waits.
---@param call graph.call
---@return any value, number? date
function M.perform(call)
  local value, more = M.try(call)
  if value ~= nil then return value, more end
  if more.kind == "missing" and call.options.missing == "nil" then return nil end
  M.raise(call, more)
end

return M
