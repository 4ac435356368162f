--- Microsoft Graph: calls that wait, go through pages, retry, and fail with a cause and a fix.

local batch = require "graph.batch"
local call = require "graph.call"
local fail = require "fail"
local graph_clock = require "graph.clock"
local options_of = require("base.options").of
local pages = require "graph.pages"
local text = require "graph.text"

local M = {}

---@class graph.options
---@field what string? what the call does, in words, for messages: "create application 'X'"
---@field select string|string[]?
---@field filter string|table|nil { accountEnabled = true }, { "displayName eq %s", name }: see graph.filter
---@field expand string|table|nil { "memberOf" }, { memberOf = { select = { "id" } } }
---@field order string? $orderby
---@field top integer?
---@field search string|table|nil { displayName = "adm" }
---@field count boolean? $count=true
---@field advanced boolean? the filter or order needs the advanced query mode
---@field consistency "eventual"? set automatically for search, count and advanced
---@field prefer string? the Prefer header: "create-if-missing"
---@field missing "nil"? return nil for an object that does not exist, instead of raising "missing"
---@field fresh_write boolean? the call depends on an object that we wrote a moment ago: retry for up to 120 s while
--- Entra replicates it
---@field repeatable boolean? may the call be sent again when its answer is lost? (default: by method)
---@field timeout number? time limit of one try (30), in seconds

local RULES = {
  what = "string", select = "string|table", filter = "string|table", expand = "string|table", order = "string",
  top = "integer", search = "string|table", count = "boolean", advanced = "boolean", consistency = "string",
  prefer = "string", missing = "string", fresh_write = "boolean", repeatable = "boolean", timeout = "number",
}

local read = {} -- name of a function -> the reader of its options
for _, name in ipairs { "get", "post", "patch", "put", "delete", "list", "all", "first", "count" } do
  read[name] = options_of("graph." .. name, RULES)
end

---------------------------------------------------------------------------
-- One call

--- Read an object, or one page of a list. The second result is the server's time of the answer. Waits.
---@param path string use graph.path(…) when it contains ids
---@param options graph.options?
---@return table|number|nil value nil only with missing = "nil"
---@return number? date
function M.get(path, options)
  return call.perform(call.new("GET", path, nil, read.get(options)))
end

--- Create an object, or call an action. When the answer is lost, the call is not repeated, and raises
--- "unknown_outcome". Waits.
---@param path string
---@param body table?
---@param options graph.options?
---@return table value, number? date
function M.post(path, body, options)
  return call.perform(call.new("POST", path, body, read.post(options)))
end

--- Change an object; with prefer = "create-if-missing", create it when it does not exist. The value is {} when nothing
--- was created. Waits.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.patch(path, body, options)
  return call.perform(call.new("PATCH", path, body, read.patch(options)))
end

--- Replace an object. Waits.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.put(path, body, options)
  return call.perform(call.new("PUT", path, body, read.put(options)))
end

--- Delete an object. When the answer of the first try was lost, and the next try finds no object, the deletion counts
--- as done. Waits.
---@param path string
---@param options graph.options?
---@return table|nil value, number? date
function M.delete(path, options)
  local ok, value, date = pcall(call.perform, call.new("DELETE", path, nil, read.delete(options)))
  if ok then return value, date end
  if fail.is(value, "missing") and value.cause.maybe_sent then return {} end
  error(value, 0)
end

---------------------------------------------------------------------------
-- Lists of objects

--- Go through the items of all pages: `for user in graph.list("/users", …) do`. The next page is fetched while the
--- present page is used; at most two pages are in memory. Leaving the loop early stops fetching. Waits.
---@param path string
---@param options graph.options?
---@return fun(): table|nil
function M.list(path, options)
  return pages.items(pages.of(path, read.list(options), true))
end

--- All items of all pages as one list. Waits.
---@param path string
---@param options graph.options?
---@return table[]
function M.all(path, options)
  local list = {}
  for item in pages.items(pages.of(path, read.all(options), true)) do list[#list + 1] = item end
  return list
end

--- The first item; nil when there is none. Fetches pages until one has an item. Waits.
---@param path string
---@param options graph.options?
---@return table|nil
function M.first(path, options)
  local next_item = pages.items(pages.of(path, read.first(options), false))
  return next_item()
end

--- The number of objects of a path ("/users"), optionally with a filter or a search. Waits.
---@param path string
---@param options graph.options?
---@return integer
function M.count(path, options)
  local asked = read.count(options)
  asked.consistency = asked.consistency or "eventual"
  asked.advanced, asked.count = nil, nil -- the path asks for the count
  return math.tointeger((call.perform(call.new("GET", path .. "/$count", nil, asked))))
end

---------------------------------------------------------------------------
-- Many at once

---@class graph.part: graph.options one call of a batch
---@field method string? "GET"
---@field path string use graph.path(…) when it contains ids
---@field body table?

local PART = { method = "string", path = "string", body = "any" }
for name, types in pairs(RULES) do PART[name] = types end

local read_part = options_of("graph.batch", PART)
local read_by_ids = options_of("graph.by_ids", { types = "table", select = "string|table", what = "string" })

--- Make many calls in few requests: batches of twenty. Each part is retried by its own status. Returns the outcomes in
--- the order of the parts. The outcome of a failed part has the failure as its result; `batch` does not raise it.
--- Waits.
---@param parts graph.part[] { path = "/users/1", select = { "id" } }, { method = "PATCH", path = …, body = … }
---@return task.outcome[] outcomes with item, ok, result
---@return integer failures
function M.batch(parts)
  local read_parts = {}
  for i, part in ipairs(parts) do read_parts[i] = read_part(part) end
  local outcomes, failures = batch.send(read_parts)
  for i, outcome in ipairs(outcomes) do outcome.item = parts[i] end
  return outcomes, failures
end

--- Read directory objects by their ids, a thousand in a request. Returns them in the order of the ids; objects that do
--- not exist, and objects that we may not read, are left out. Waits.
---@param ids string[]
---@param options { types: string[]?, select: string[]?, what: string? }? types: "user", "group", …
---@return table[] objects
---@return table<string, table> by_id
function M.by_ids(ids, options) return batch.by_ids(ids, read_by_ids(options)) end

---------------------------------------------------------------------------
-- Texts

--- Make a filter with quoted values: %s takes a text, a number or a boolean, %t a moment, %% is a percent sign. The
--- option `filter` takes the same filter as data: { "displayName eq %s", name } or { displayName = name }.
---@param template string|table "displayName eq %s and createdDateTime ge %t"
---@return string
function M.filter(template, ...)
  if type(template) == "table" then return text.filter(template) end
  return (text.fill(template, ...))
end

--- Make a path with escaped values. A value after "=" is a key: '/applications(uniqueName={name})'.
---@param template string "/applications/{id}/addPassword"
---@return string
function M.path(template, ...)
  return (text.path(template, ...))
end

--- The seconds by which Graph's clock is ahead of this machine's clock (negative: behind), by Graph's answers; nil
--- before the first answer.
---@return number?
function M.now()
  return graph_clock.seconds_ahead()
end

return M
