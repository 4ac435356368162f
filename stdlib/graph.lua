--- Microsoft Graph: calls that wait, page and retry, and fail with a cause and a fix.

local explain = require "explain"
local fail = require "fail"
local http = require "http"
local native = require "host.graph"
local oauth = require "oauth"
local profile = require "profile"
local retry = require "retry"
local task = require "task"
local time = require "time"

local M = {}

---@class graph.options
---@field what string? what this does, in words: "create application 'X'"
---@field select string|string[]?
---@field filter string? see graph.filter
---@field expand string?
---@field order string? $orderby
---@field top integer?
---@field search string?
---@field count boolean? $count=true
---@field consistency "eventual"? needed for advanced queries
---@field prefer string? the Prefer header: "create-if-missing"
---@field missing "nil"? give nil, instead of failing, for what is not there
---@field fresh_write boolean? we just wrote what this stands on: wait for its replication (120 s)
---@field repeatable boolean? may it be sent again when the answer is lost? (default: by method)
---@field timeout number? seconds for one try (30)
---@field note string? for the record; `what` by default

local skew = {} ---@type { ahead: number?, profile: profile? } by the last answer

---------------------------------------------------------------------------
-- Building

local function joined(value)
  return type(value) == "table" and table.concat(value, ",") or value
end

local function query_of(options)
  return {
    ["$select"] = joined(options.select), ["$filter"] = options.filter, ["$expand"] = joined(options.expand),
    ["$orderby"] = options.order, ["$top"] = options.top and ("%d"):format(options.top),
    ["$search"] = options.search, ["$count"] = options.count and "true" or nil,
  }
end

local function headers_of(options)
  return { ConsistencyLevel = options.consistency, Prefer = options.prefer }
end

-- One call: how to build its request, and what retry has to know of it.
local function call_of(method, path, body, options)
  local base = profile.current().graph
  local query, headers = query_of(options), headers_of(options)
  local call = {
    what = options.what or (method .. " " .. path), method = method, path = path, body = body, options = options,
    fresh_write = options.fresh_write,
    build = function() return native.request(base, method, path, query, body, headers) end,
  }
  local sample = call.build()
  call.changes, call.repeatable = sample:changes(), sample:repeatable()
  if options.repeatable ~= nil then call.repeatable = options.repeatable end
  return call
end

local function page_call(link, first)
  local base, headers = profile.current().graph, headers_of(first.options)
  return {
    what = first.what, method = "GET", path = first.path, options = first.options, repeatable = true,
    build = function() return native.next(base, link, headers) end,
  }
end

---------------------------------------------------------------------------
-- Failing

local IDENTIFIED = "%s (request-id %s)"

local function said(failure)
  if not failure.status then return failure.message end
  local text = tostring(failure.status)
  if failure.code and failure.code ~= "" then text = text .. " " .. failure.code end
  if failure.message and failure.message ~= "" then text = text .. ": " .. failure.message end
  return failure.request_id and IDENTIFIED:format(text, failure.request_id) or text
end

-- The one place where a failed call becomes an error.
local function raise(call, failure)
  local reason = explain.graph(failure, call)
  fail.raise {
    kind = failure.kind, what = call.what, why = explain.why(reason, failure, said(failure), "Graph"),
    fix = reason.fix, status = failure.status, code = failure.code,
    request_id = failure.request_id, cause = failure,
  }
end

---------------------------------------------------------------------------
-- Sending

local function note_date(date)
  if date then skew = { ahead = date - time.now(), profile = profile.current() } end
end

-- Behind one connection may be one machine that has trouble, so the next try goes by another
-- (learn.microsoft.com, "Best practices for working with Microsoft Graph").
local function note_trouble(call, failure)
  call.fresh = failure.status == 503 or failure.status == 504
end

local function attempt(call)
  local request, refused = call.build()
  if not request then return nil, { kind = "bad_answer", message = refused } end
  if call.repeatable ~= request:repeatable() then request:set_repeatable(call.repeatable) end
  if call.fresh then request:set_fresh() end
  call.credential = oauth.credential()
  local answer <close>, message, kind, maybe_sent = http.send(request, call.credential, {
    timeout = call.options.timeout or 30, note = call.options.note or call.what,
  })
  if not answer then return nil, retry.transport(message, kind, maybe_sent) end
  local value, more = native.judge(request, answer)
  if value ~= nil then
    note_date(more)
    return value, more
  end
  note_date(more.date)
  note_trouble(call, more)
  return nil, more
end

local function perform(call)
  call.attempt = function() return attempt(call) end
  call.renew = function() oauth.renew(call.credential) end
  local value, more = retry.run(call)
  if value ~= nil then return value, more end
  if more.kind == "missing" and call.options.missing == "nil" then return nil end
  raise(call, more)
end

---------------------------------------------------------------------------
-- Public: one call

--- Read. Second result: the server's time of the answer.
---@param path string graph.path(…) when it has ids in it
---@param options graph.options?
---@return table|number|nil value nil only with missing = "nil"
---@return number? date
function M.get(path, options)
  return perform(call_of("GET", path, nil, options or {}))
end

--- Make, or ask what takes a body. Never repeated when its answer is lost: then
--- it fails with "unknown_outcome".
---@param path string
---@param body table?
---@param options graph.options?
---@return table value, number? date
function M.post(path, body, options)
  return perform(call_of("POST", path, body, options or {}))
end

--- Change, or with prefer = "create-if-missing" make. The value is {} when nothing was made.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.patch(path, body, options)
  return perform(call_of("PATCH", path, body, options or {}))
end

--- Replace.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.put(path, body, options)
  return perform(call_of("PUT", path, body, options or {}))
end

--- Remove. It is no failure when it is gone after an answer of ours got lost.
---@param path string
---@param options graph.options?
---@return table|nil value, number? date
function M.delete(path, options)
  local call = call_of("DELETE", path, nil, options or {})
  local ok, value, date = pcall(perform, call)
  if ok then return value, date end
  if fail.is(value, "missing") and value.cause.maybe_sent then return {} end
  error(value, 0)
end

---------------------------------------------------------------------------
-- Public: lists

local function check_page(call, page)
  if type(page) == "table" and type(page.value) == "table" then return page end
  raise(call, { kind = "bad_answer", message = "the answer is no page: it has no list called value" })
end

-- Follow the links from page to page; each page is asked for while the one before is used.
---@class graph.pages
---@field call table
---@field page table?
---@field coming Task?
---@field seen table<string, true>
---@field eager boolean
local Pages = { __name = "pages" }
Pages.__index = Pages

function Pages:close()
  if self.coming then self.coming:cancel() end
  self.coming = nil
end

Pages.__close = Pages.close

local function link_of(pages)
  local link = pages.page["@odata.nextLink"]
  if type(link) ~= "string" then return nil end
  if pages.seen[link] then
    raise(pages.call, { kind = "bad_answer", message = "a next page's link leads back to a page already read" })
  end
  pages.seen[link] = true
  return link
end

local function fetch(call, link)
  return check_page(call, (perform(page_call(link, call))))
end

function Pages:prefetch()
  local link = link_of(self)
  self.link = link
  self.coming = link and self.eager and task.spawn(fetch, self.call, link) or nil
end

-- The next page, or nil after the last.
function Pages:next()
  if not self.page then
    local page = perform(self.call)
    self.page = page and check_page(self.call, page) or { value = {} }
  elseif self.coming then
    local coming = self.coming
    self.page = coming:wait()
    self.coming = nil
  elseif self.link then
    self.page = fetch(self.call, self.link)
  else
    return nil
  end
  self:prefetch()
  return self.page
end

local function pages_of(path, options, eager)
  return setmetatable({ call = call_of("GET", path, nil, options or {}), seen = {}, eager = eager }, Pages)
end

-- An iterator over the items of all pages, in the form a generic for takes.
local function items(pages)
  local list, place = {}, 0
  local function next_item()
    while place >= #list do
      local page = pages:next()
      if not page then return nil end
      list, place = page.value, 0
    end
    place = place + 1
    return list[place]
  end
  return next_item, nil, nil, pages
end

--- Go through the items of all pages: `for user in graph.list("/users", …) do`.
--- The next page is fetched while this one is used; leaving the loop early gives it up.
---@param path string
---@param options graph.options?
---@return fun(): table|nil
function M.list(path, options)
  return items(pages_of(path, options, true))
end

--- The items of all pages as one list.
---@param path string
---@param options graph.options?
---@return table[]
function M.all(path, options)
  local list = {}
  for item in items(pages_of(path, options, true)) do list[#list + 1] = item end
  return list
end

--- The first item, or nil. Asks for no more pages than that takes.
---@param path string
---@param options graph.options?
---@return table|nil
function M.first(path, options)
  local next_item = items(pages_of(path, options, false))
  return next_item()
end

---------------------------------------------------------------------------
-- Public: texts

--- A filter with its values quoted: %s takes a text, number or boolean, %t a moment, %% a percent sign.
---@param template string "displayName eq %s and createdDateTime ge %t"
---@return string
function M.filter(template, ...)
  local values, place = table.pack(...), 0
  local text = template:gsub("%%(.)", function(kind)
    if kind == "%" then return "%" end
    place = place + 1
    if place > values.n then error("graph.filter: more places than values", 3) end
    if kind == "t" then return time.iso(values[place]) end
    if kind ~= "s" then error(("graph.filter: unknown place %%%s"):format(kind), 3) end
    return native.literal(values[place])
  end)
  if place < values.n then error("graph.filter: more values than places", 2) end
  return text
end

--- A path with its values escaped. A place after "=" is a key: '/applications(uniqueName={name})'.
---@param template string "/applications/{id}/addPassword"
---@return string
function M.path(template, ...)
  local values, place = table.pack(...), 0
  local function take()
    place = place + 1
    if type(values[place]) ~= "string" then
      error(("graph.path: value %d for %s is %s, not a string"):format(place, template, type(values[place])), 4)
    end
    return values[place]
  end
  local text = template:gsub("(=?){[^}]*}", function(key)
    if key == "" then return native.segment(take()) end
    return "='" .. native.segment((take():gsub("'", "''"))) .. "'"
  end)
  if place < values.n then error("graph.path: more values than places", 2) end
  return text
end

--- Seconds Graph's clock is ahead of ours (behind: negative), by its last answer; nil before one.
---@return number?
function M.now()
  return skew.profile == profile.current() and skew.ahead or nil
end

return M
