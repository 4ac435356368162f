--- Microsoft Graph: calls that wait, page and retry, and fail with a cause and a fix.

local batch = require "graph.batch"
local call = require "graph.call"
local clock = require "graph.clock"
local fail = require "fail"
local options_of = require("base.options").of
local pages = require "graph.pages"
local text = require "graph.text"

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

local RULES = {
  what = "string", select = "string|table", filter = "string|table", expand = "string|table", order = "string",
  top = "integer", search = "string|table", count = "boolean", advanced = "boolean", consistency = "string",
  prefer = "string", missing = "string", fresh_write = "boolean", repeatable = "boolean", timeout = "number",
}

local read = {} -- function -> what reads its options
for _, name in ipairs { "get", "post", "patch", "put", "delete", "list", "all", "first", "count" } do
  read[name] = options_of("graph." .. name, RULES)
end

---------------------------------------------------------------------------
-- One call

--- Read. Second result: the server's time of the answer.
---@param path string graph.path(…) when it has ids in it
---@param options graph.options?
---@return table|number|nil value nil only with missing = "nil"
---@return number? date
function M.get(path, options)
  return call.perform(call.new("GET", path, nil, read.get(options)))
end

--- Make, or ask what takes a body. Never repeated when its answer is lost: then
--- it fails with "unknown_outcome".
---@param path string
---@param body table?
---@param options graph.options?
---@return table value, number? date
function M.post(path, body, options)
  return call.perform(call.new("POST", path, body, read.post(options)))
end

--- Change, or with prefer = "create-if-missing" make. The value is {} when nothing was made.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.patch(path, body, options)
  return call.perform(call.new("PATCH", path, body, read.patch(options)))
end

--- Replace.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.put(path, body, options)
  return call.perform(call.new("PUT", path, body, read.put(options)))
end

--- Remove. It is no failure when it is gone after an answer of ours got lost.
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
-- Lists

--- Go through the items of all pages: `for user in graph.list("/users", …) do`.
--- The next page is fetched while this one is used, and no more than these two are
--- held; leaving the loop early gives it up.
---@param path string
---@param options graph.options?
---@return fun(): table|nil
function M.list(path, options)
  return pages.items(pages.of(path, read.list(options), true))
end

--- The items of all pages as one list.
---@param path string
---@param options graph.options?
---@return table[]
function M.all(path, options)
  local list = {}
  for item in pages.items(pages.of(path, read.all(options), true)) do list[#list + 1] = item end
  return list
end

--- The first item, or nil. Asks for no more pages than that takes.
---@param path string
---@param options graph.options?
---@return table|nil
function M.first(path, options)
  local next_item = pages.items(pages.of(path, read.first(options), false))
  return next_item()
end

--- How many there are: "/users", with a filter or search where wanted.
---@param path string
---@param options graph.options?
---@return integer
function M.count(path, options)
  local asked = read.count(options)
  asked.consistency = asked.consistency or "eventual"
  asked.advanced, asked.count = nil, nil -- the path says it
  return math.tointeger((call.perform(call.new("GET", path .. "/$count", nil, asked))))
end

---------------------------------------------------------------------------
-- Many at once

---@class graph.part: graph.options one call of a batch
---@field method string? "GET"
---@field path string graph.path(…) when it has ids in it
---@field body table?

local PART = { method = "string", path = "string", body = "any" }
for name, types in pairs(RULES) do PART[name] = types end

local read_part = options_of("graph.batch", PART)
local read_by_ids = options_of("graph.by_ids", { types = "table", select = "string|table", what = "string" })

--- Many calls at once: split into batches of twenty, each tried again by its own
--- status, outcomes in the order of the parts. A part that failed has its failure as
--- result; nothing is raised for it.
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

--- Directory objects by their ids, a thousand at a time, in the order of the ids.
--- What is not there, or may not be seen, is left out.
---@param ids string[]
---@param options { types: string[]?, select: string[]?, what: string? }? types: "user", "group", …
---@return table[] objects
---@return table<string, table> by_id
function M.by_ids(ids, options) return batch.by_ids(ids, read_by_ids(options)) end

---------------------------------------------------------------------------
-- Texts

--- A filter with its values quoted: %s takes a text, number or boolean, %t a moment, %% a percent sign.
--- The option `filter` takes the same as data: { "displayName eq %s", name } or { displayName = name }.
---@param template string|table "displayName eq %s and createdDateTime ge %t"
---@return string
function M.filter(template, ...)
  if type(template) == "table" then return text.filter(template) end
  return (text.fill(template, ...))
end

--- A path with its values escaped. A place after "=" is a key: '/applications(uniqueName={name})'.
---@param template string "/applications/{id}/addPassword"
---@return string
function M.path(template, ...)
  return (text.path(template, ...))
end

--- Seconds Graph's clock is ahead of ours (behind: negative), by its last answer; nil before one.
---@return number?
function M.now()
  return clock.ahead()
end

return M
