--- $batch: up to 20 requests in one (merill/msgraph: batching, 2026-05).

local answer = require "emulator.graph.answer"
local json = require "json"

local M = {}

local function decode(text)
  return (text:gsub("%+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The options of a query string, decoded.
---@param text string
---@return table<string, string>
function M.options(text)
  local options = {}
  for pair in text:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    options[decode(name)] = decode(value)
  end
  return options
end

local function header_reader(headers)
  local lower = {}
  for name, value in pairs(headers or {}) do
    lower[name:lower()] = value
  end
  return function(name) return lower[name:lower()] end
end

local function inner_request(ctx, part)
  local url = tostring(part.url or "")
  if url:sub(1, 1) ~= "/" then url = "/" .. url end
  local path, query = url:match("^([^?]*)%??(.*)$")
  return {
    method = tostring(part.method or ""):upper(),
    path = "/v1.0" .. path,
    query = M.options(query),
    header = header_reader(part.headers),
    body = part.body,
    base = ctx.request.base,
    stale = ctx.request.stale,
  }
end

local function waits_for_failure(part, statuses)
  for _, id in ipairs(part.dependsOn or {}) do
    if not statuses[id] or statuses[id] >= 400 then return true end
  end
  return false
end

local function check(parts)
  if type(parts) ~= "table" or #parts == 0 then answer.bad_query("Invalid batch payload format.") end
  if #parts > 20 then answer.bad_query("Number of batch request steps exceeds the maximum value of 20.") end
  local seen = {}
  for _, part in ipairs(parts) do
    local id = tostring(part.id or ""):lower()
    if id == "" or seen[id] then answer.bad_query("Request Id is missing or duplicated.") end
    seen[id] = true
  end
end

local function answer_part(ctx, part, statuses)
  if waits_for_failure(part, statuses) then
    return { id = part.id, status = 424, body = { error = { code = "FailedDependency",
      message = "Failed because of a failed dependency." } } }
  end
  local status, headers, body = ctx.handle(ctx.tenant, inner_request(ctx, part), ctx.caller)
  return { id = part.id, status = status, headers = headers, body = body }
end

local function batch(ctx)
  local parts = ctx.body.requests
  check(parts)
  local responses, statuses = json.array {}, {}
  for i, part in ipairs(parts) do
    responses[i] = answer_part(ctx, part, statuses)
    statuses[part.id] = responses[i].status
  end
  return 200, { responses = responses }
end

M.routes = { ["POST /$batch"] = batch }

return M
