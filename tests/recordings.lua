--- Recorded answers of the real services: a folder of JSON files beside the checkout, where there is one.
--
-- Each file has `exchanges` or `errors`, a list of { request, answer = { status, headers, body } }. A source that does
-- not show the status, or the path, leaves it out.

local json = require "host.json"
local lfs = require "lfs"

local M = {}

local FOLDER = SOURCE .. "/../shared/recordings"

---@class recordings.exchange
---@field place string "graph-errors.json 3"
---@field about string? what the source says of it
---@field method string? of a request to Graph
---@field path string? below the version: "/users/1"
---@field query string?
---@field sent table? the body of the request
---@field status integer as recorded; else 400 for a refusal, and 200
---@field headers table<string, string>
---@field body table|string decoded; "" for none
---@field refuses boolean

local function read(path)
  local file <close> = assert(io.open(path))
  return assert(json.decode(file:read "a"))
end

local function or_nil(value)
  if value ~= json.null then return value end
end

-- "POST /applications/{id}/addPassword", or { method, url }.
local function request_of(request)
  if type(request) == "table" then
    local path, query = request.url:match "^https://[^/]+/[^/]+([^?]*)%??(.*)$"
    return request.method, path, query, or_nil(request.body)
  end
  local method, path = (request or ""):match "^(%u+) ?(/?[^ ]*)"
  if not method then return nil end
  return method, path:sub(1, 1) == "/" and path:gsub("{[^}]*}", "1") or "/organization"
end

local function exchange_of(place, recorded)
  local answer, method, path, query, sent = recorded.answer, request_of(recorded.request)
  local body = or_nil(answer.body) or ""
  local refuses = type(body) == "table" and (body.error ~= nil or body["odata.error"] ~= nil)
  return {
    place = place, about = or_nil(recorded.about), method = method, path = path, query = query, sent = sent,
    status = or_nil(answer.status) or (refuses and 400 or 200), headers = or_nil(answer.headers) or {}, body = body,
    refuses = refuses,
  }
end

--- All recorded exchanges, by file and place; nil and why, where there are none.
---@return recordings.exchange[]?, string? why
function M.all()
  if lfs.attributes(FOLDER, "mode") ~= "directory" then
    return nil, "skipped: there are no recordings at ../shared/recordings"
  end
  local names, list = {}, {}
  for name in lfs.dir(FOLDER) do
    if name:match "%.json$" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local recorded = read(FOLDER .. "/" .. name)
    for i, one in ipairs(recorded.exchanges or recorded.errors) do
      list[#list + 1] = exchange_of(("%s %d"):format(name, i), one)
    end
  end
  return list
end

return M
