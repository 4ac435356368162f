--- Recorded answers of the real services: a folder of JSON files beside the checkout, where there is one.
--
-- Each file has `exchanges` or `errors`, a list of { request, answer = { status, headers, body } }. A source that does
-- not show the status, or the path, leaves it out.

local contoso = require "contoso"
local graph = require "graph"
local json = require "host.json"
local lfs = require "lfs"
local oauth = require "oauth.sign_in"

local M = {}

local FOLDER = SOURCE .. "/../shared/recordings"

---@class recordings.exchange
---@field place string "graph-errors.json 3"
---@field is_login boolean was it the login service that answered?
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

-- "POST /applications/{id}/addPassword", or { method, url }. A file of sign-ins may leave the request out.
local function request_of(request)
  if type(request) == "table" then
    local path, query = request.url:match "^https://[^/]+/[^/]+([^?]*)%??(.*)$"
    return request.method, path, query, or_nil(request.body), request.url:find "^https://login%." ~= nil
  end
  local method, path = (request or ""):match "^(%u+) ?(/?[^ ]*)"
  if not method then return nil, nil, nil, nil, true end
  return method, path:sub(1, 1) == "/" and path:gsub("{[^}]*}", "1") or "/organization"
end

local function exchange_of(place, recorded)
  local answer, method, path, query, sent, is_login = recorded.answer, request_of(recorded.request)
  local body = or_nil(answer.body) or ""
  local refuses = type(body) == "table" and (body.error ~= nil or body["odata.error"] ~= nil)
  return {
    place = place, about = or_nil(recorded.about), method = method, path = path, query = query, sent = sent,
    status = or_nil(answer.status) or (refuses and 400 or 200), headers = or_nil(answer.headers) or {}, body = body,
    refuses = refuses, is_login = is_login or false,
  }
end

--- All recorded exchanges of a folder, by file and place; nil and why, where there are none.
---@param folder string? the folder beside the checkout
---@return recordings.exchange[]?, string? why
function M.all(folder)
  folder = folder or FOLDER
  if lfs.attributes(folder, "mode") ~= "directory" then
    return nil, "skipped: there are no recordings at ../shared/recordings"
  end
  local names, list = {}, {}
  for name in lfs.dir(folder) do
    if name:match "%.json$" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local recorded = read(folder .. "/" .. name)
    for i, one in ipairs(recorded.exchanges or recorded.errors) do
      list[#list + 1] = exchange_of(("%s %d"):format(name, i), one)
    end
  end
  return list
end

---------------------------------------------------------------------------
-- Through the client

local BODIES = { ["graph-errors.json 11"] = { passwordProfile = { forceChangePasswordNextSignIn = false } } }

local function answer_of(one) return { one.status, one.headers, one.body } end

local function ask_graph(tenant, one)
  tenant.door:on(one.method, "/v1.0*", answer_of(one))
  return tenant:run(function()
    local call = graph[one.method:lower()]
    if one.method == "GET" or one.method == "DELETE" then return call(one.path, {}) end
    return call(one.path, BODIES[one.place] or one.sent or {}, {})
  end)
end

-- A discovery is judged for the host that it came from.
local function discover(tenant, one)
  tenant.profile.login = "https://login.microsoftonline.com"
  tenant.door:on("GET", "*", answer_of(one))
  return { tenant = tenant:run(oauth.tenant, tenant.profile) }
end

local DEVICE = { 200, {}, {
  device_code = "device-code-1", user_code = "ABC-DEF", verification_uri = "https://microsoft.com/devicelogin",
  expires_in = 900, interval = 5,
} }

local function sign_in(tenant, one)
  local is_code = one.path and one.path:find "/devicecode$"
  tenant.door:on("POST", "/contoso.onmicrosoft.com/oauth2/v2.0/devicecode", is_code and answer_of(one) or DEVICE)
  tenant.door:on("POST", contoso.TOKEN, is_code and contoso.token() or answer_of(one))
  return tenant:run(oauth.sign_in, tenant.profile)
end

--- Let the client make the recorded request and get the recorded answer. Returns what it makes of it; raises what it
--- raises.
---@param one recordings.exchange
---@param who "person"|"application"|nil who signs in
---@return any
function M.replay(one, who)
  local sent = type(one.sent) == "string" and one.sent or ""
  local is_code = one.path and one.path:find "/devicecode$" or sent:find "device_code"
  local is_person = who == "person" or is_code
  local tenant <close> = contoso.new(is_person and { method = "device_code", client_id = "public-1" } or nil)
  if not one.is_login then return ask_graph(tenant, one) end
  return one.method == "GET" and discover(tenant, one) or sign_in(tenant, one)
end

return M
