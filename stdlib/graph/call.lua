--- One call of Microsoft Graph: its request, its tries, and how it fails. `graph` is
--- for scripts; this is what its parts share.

local explain = require "explain"
local fail = require "fail"
local http = require "http"
local native = require "host.graph"
local oauth = require "oauth"
local outage = require "retry.outage"
local profile = require "profile"
local retry = require "retry"
local text = require "graph.text"
local time = require "time"

local M = {}

---@class graph.options
---@field what string? what this does, in words: "create application 'X'"
---@field select string|string[]?
---@field filter string|table|nil { accountEnabled = true }, { "displayName eq %s", name }: see graph.filter
---@field expand string|table|nil { "memberOf" }, { memberOf = { select = { "id" } } }
---@field order string? $orderby
---@field top integer?
---@field search string|table|nil { displayName = "adm" }
---@field count boolean? $count=true
---@field advanced boolean? the filter or order needs the advanced query mode
---@field consistency "eventual"? set by itself for search, count and advanced
---@field prefer string? the Prefer header: "create-if-missing"
---@field missing "nil"? give nil, instead of failing, for what is not there
---@field fresh_write boolean? we just wrote what this stands on: wait for its replication (120 s)
---@field repeatable boolean? may it be sent again when the answer is lost? (default: by method)
---@field timeout number? seconds for one try (30)
---@field note string? for the record; `what` by default
---@field sending nil|fun() called before each try: what it stages in the journal is durable when the try leaves

---@class graph.call: retry.call
---@field method string
---@field path string
---@field body table?
---@field options graph.options
---@field build fun(): host.request|nil, string?

local skew = {} ---@type { ahead: number?, profile: profile? } by the last answer

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

-- What the service throttles together, as far as we can tell.
local function resource_of(path)
  return path:match("^/[^/?(]*")
end

--- A call, and what retry has to know of it.
---@param method string
---@param path string
---@param body table?
---@param options graph.options
---@return graph.call
function M.new(method, path, body, options)
  local base = profile.current().graph
  local query, headers = M.query(options)
  local call = {
    what = options.what or (method .. " " .. path), method = method, path = path, body = body, options = options,
    peer = "graph", resource = resource_of(path), fresh_write = options.fresh_write,
  }
  local first = native.request(base, method, path, query, body, headers) -- made early: a wrong one raises here
  function call.build()
    local request = first or native.request(base, method, path, query, body, headers)
    first = nil -- each try has an id of its own
    return request
  end
  call.changes, call.repeatable = first:changes(), first:repeatable()
  if options.repeatable ~= nil then call.repeatable = options.repeatable end
  return call
end

--- The call for the page a link leads to.
---@param link string
---@param first graph.call that of the first page
---@return graph.call
function M.page(link, first)
  local base = profile.current().graph
  local _, headers = M.query(first.options)
  return {
    what = first.what, method = "GET", path = first.path, options = first.options, repeatable = true,
    peer = "graph", resource = first.resource,
    build = function() return native.next(base, link, headers) end,
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

--- The error that a failed call is. The one place where it is made.
---@param call graph.call
---@param failure retry.failure
---@return Failure
function M.failure(call, failure)
  local reason, words = explain.graph(failure, call), said(failure)
  return fail.new {
    kind = failure.kind, what = call.what, why = explain.why(reason, failure, words, "Graph"), said = words,
    call = { method = call.method, path = call.path, members = members_of(call.body) },
    fix = reason.fix, status = failure.status, code = failure.code, message = failure.message,
    target = failure.target, request_id = failure.request_id, cause = failure,
    unreachable = outage.is(failure) or nil,
  }
end

--- Raise it.
---@param call graph.call
---@param failure retry.failure
function M.raise(call, failure)
  error(M.failure(call, failure), 0)
end

---------------------------------------------------------------------------
-- Sending

local asking_why = false -- the calls made now are to explain a refusal

--- Call `fn(...)` in a way that its reads need no declaration: they are ours, to explain
--- a refusal. As pcall.
---@param fn function
---@return boolean ok, any ...
function M.explaining(fn, ...)
  asking_why = true
  local _ <close> = setmetatable({}, { __close = function() asking_why = false end })
  return pcall(fn, ...)
end

--- Take note of the server's time.
---@param date number?
function M.note_date(date)
  if date then skew = { ahead = date - time.now(), profile = profile.current() } end
end

--- Seconds Graph's clock is ahead of ours, by its last answer; nil before one.
---@return number?
function M.ahead()
  return skew.profile == profile.current() and skew.ahead or nil
end

-- Behind one connection may be one machine that has trouble, so the next try goes by another
-- (learn.microsoft.com, "Best practices for working with Microsoft Graph").
local function note_trouble(call, failure)
  call.fresh = failure.status == 503 or failure.status == 504
end

--- Send the call once and judge its answer with `judge(request, answer)`.
---@param call graph.call
---@param judge fun(request: host.request, answer: host.answer): any, any
---@return any value, any date_or_failure
function M.once(call, judge)
  local request <close>, refused = call.build()
  if not request then return nil, { kind = "bad_answer", message = refused } end
  if call.repeatable ~= request:repeatable() then request:set_repeatable(call.repeatable) end
  if call.fresh then request:set_fresh() end
  if asking_why then request:set_explaining() end
  call.credential = oauth.credential()
  local answer <close>, message, kind, maybe_sent = http.send(request, call.credential, {
    timeout = call.options.timeout or 30, note = call.options.note or call.what,
    sending = call.options.sending,
  })
  if not answer then return nil, retry.transport(message, kind, maybe_sent) end
  local value, more = judge(request, answer)
  if value ~= nil then
    M.note_date(more)
    return value, more
  end
  M.note_date(more.date)
  note_trouble(call, more)
  return nil, more
end

--- Send it until it is answered, with retries by kind.
---@param call graph.call
---@param judge nil|fun(request: host.request, answer: host.answer): any, any
---@return any value, any date_or_failure
function M.try(call, judge)
  function call.attempt() return M.once(call, judge or native.judge) end
  function call.renew() oauth.renew(call.credential) end
  return retry.run(call)
end

--- Send it until it is answered; raise what stays a failure.
---@param call graph.call
---@return any value, number? date
function M.perform(call)
  local value, more = M.try(call)
  if value ~= nil then return value, more end
  if more.kind == "missing" and call.options.missing == "nil" then return nil end
  M.raise(call, more)
end

return M
