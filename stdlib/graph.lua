--- Microsoft Graph: calls that wait, page and retry, and fail with a cause and a fix.

local batch = require "graph.batch"
local call = require "graph.call"
local clock = require "graph.clock"
local fail = require "fail"
local pages = require "graph.pages"
local text = require "graph.text"

local M = {}

---------------------------------------------------------------------------
-- One call

--- Read. Second result: the server's time of the answer.
---@param path string graph.path(…) when it has ids in it
---@param options graph.options?
---@return table|number|nil value nil only with missing = "nil"
---@return number? date
function M.get(path, options)
  return call.perform(call.new("GET", path, nil, options))
end

--- Make, or ask what takes a body. Never repeated when its answer is lost: then
--- it fails with "unknown_outcome".
---@param path string
---@param body table?
---@param options graph.options?
---@return table value, number? date
function M.post(path, body, options)
  return call.perform(call.new("POST", path, body, options))
end

--- Change, or with prefer = "create-if-missing" make. The value is {} when nothing was made.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.patch(path, body, options)
  return call.perform(call.new("PATCH", path, body, options))
end

--- Replace.
---@param path string
---@param body table
---@param options graph.options?
---@return table value, number? date
function M.put(path, body, options)
  return call.perform(call.new("PUT", path, body, options))
end

--- Remove. It is no failure when it is gone after an answer of ours got lost.
---@param path string
---@param options graph.options?
---@return table|nil value, number? date
function M.delete(path, options)
  local ok, value, date = pcall(call.perform, call.new("DELETE", path, nil, options))
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
  return pages.items(pages.of(path, options, true))
end

--- The items of all pages as one list.
---@param path string
---@param options graph.options?
---@return table[]
function M.all(path, options)
  local list = {}
  for item in pages.items(pages.of(path, options, true)) do list[#list + 1] = item end
  return list
end

--- The first item, or nil. Asks for no more pages than that takes.
---@param path string
---@param options graph.options?
---@return table|nil
function M.first(path, options)
  local next_item = pages.items(pages.of(path, options, false))
  return next_item()
end

--- How many there are: "/users", with a filter or search where wanted.
---@param path string
---@param options graph.options?
---@return integer
function M.count(path, options)
  local asked = { consistency = "eventual" }
  for name, value in pairs(options or {}) do asked[name] = value end
  asked.advanced, asked.count = nil, nil -- the path says it
  return math.tointeger((call.perform(call.new("GET", path .. "/$count", nil, asked))))
end

---------------------------------------------------------------------------
-- Many at once

M.batch, M.by_ids = batch.send, batch.by_ids

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
