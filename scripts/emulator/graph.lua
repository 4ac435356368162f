--- Microsoft Graph of an emulated tenant, v1.0 and the part of beta that v1.0 does not have: makes an answer from a
--- request and the claims of its token. Nothing here waits or touches a socket.

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local head = require "emulator.graph.head"
local random = require "emulator.random"
local time = require "time"

local M = {}

local PARTS = {}
for i, name in ipairs { "users", "accounts", "groups", "applications", "credentials", "principals", "grants", "roles",
  "policies", "pim", "pim_groups", "directory", "deleted", "batch", "federation", "memberships", "devices", "delta",
  "property", "logs", "activity_reports", "mail" } do
  PARTS[i] = require("emulator.graph." .. name)
end

---@class emulator.request
---@field method string
---@field path string "/v1.0/applications", as sent
---@field query table<string, string> decoded
---@field header fun(name: string): string?
---@field body table? decoded JSON, secrets lifted
---@field base string "https://127.0.0.1:4711"
---@field stale number? answer a read from the state of that many seconds ago
---@field steady boolean? answered by the replica that is never behind
---@field refusal string? why the token was not accepted (then there is no caller)

---@class emulator.caller claims of the token
---@field oid string object id of the person or service principal
---@field appid string
---@field idtyp "app"|"user"|nil
---@field roles string[]?
---@field scp string?
---@field wids string[]?

---@class emulator.context the context that handlers get
---@field tenant emulator.tenant
---@field request emulator.request
---@field caller emulator.caller
---@field body table
---@field version "v1.0"|"beta"
---@field at number the moment whose state reads see
---@field collection string? name of the list in @odata.context
---@field keys (string|table)[]? the keys in the path
local Context = { __name = "emulator.context" }
Context.__index = Context

--- A context URL.
---@param what string "applications/$entity"
---@return string
function Context:context(what)
  return ("%s/%s/$metadata#%s"):format(self.request.base, self.version, what)
end

--- The emulator's time.
---@return number
function Context:now()
  return self.tenant.now()
end

--- Does the request ask for an upsert?
---@return boolean
function Context:may_create()
  return (self.request.header("prefer") or ""):lower():find("create-if-missing", 1, true) ~= nil
end

---------------------------------------------------------------------------
-- Paths

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- "applications(appId='x')" -> "applications", {appId = "x"}; "users('x')" -> "users", "x".
local function keyed(segment)
  local name, inside = segment:match("^([%w%.]+)%((.*)%)$")
  if not name then return segment end
  local key, value = inside:match("^(%w+)='(.*)'$")
  if key then return name, { [key] = value:gsub("''", "'") } end
  value = inside:match("^'(.*)'$")
  return name, value and value:gsub("''", "'") or nil
end

local function steps_of(path)
  local steps = {}
  for segment in path:gmatch("[^/]+") do
    local name, key = keyed(decode(segment))
    steps[#steps + 1] = { literal = name:lower(), text = name }
    if key ~= nil then steps[#steps + 1] = { key = key } end
  end
  return steps
end

local METHODS = {} -- the key under which a node of the tree holds its handlers
local trees ---@type table<string, table> by version

local function add_route(tree, method_and_path, handler, template)
  local method, path = method_and_path:match("^(%u+) (.+)$")
  local node = tree
  for segment in path:gmatch("[^/]+") do
    local name = segment == "{property}" and "{id}" or segment:lower()
    node[name] = node[name] or {}
    node = node[name]
  end
  node[METHODS] = node[METHODS] or {}
  local call = template:gsub("/%$count$", ""):gsub("(member%a*)/microsoft%.graph%.%a+$", "%1"):gsub("/{property}$", "")
  node[METHODS][method] = { handler = handler, call = method .. " " .. call }
end

local function build_trees()
  trees = { ["v1.0"] = {}, beta = {} }
  for _, part in ipairs(PARTS) do
    for version, routes in pairs { ["v1.0"] = part.routes, beta = part.beta } do
      for method_and_path, handler in pairs(routes) do
        add_route(trees[version], method_and_path, handler, method_and_path:match(" (.+)$"):lower())
      end
    end
  end
end

local function step_into(node, step, parameters)
  local next_node = step.literal and (node[step.literal] or node[step.literal:gsub("^microsoft%.graph%.", "")])
  if next_node and step.literal ~= "{id}" then return next_node end
  if not node["{id}"] then
    answer.bad_query("Resource not found for the segment '%s'.", step.text or "key")
  end
  parameters[#parameters + 1] = step.key or step.text
  return node["{id}"]
end

local parsed, count = {}, 0 -- parsed paths; clients ask for the same few again and again
local MOST = 1000

local function known_steps(path)
  local steps = parsed[path]
  if steps then return steps end
  if count == MOST then parsed, count = {}, 0 end
  steps = steps_of(path)
  parsed[path], count = steps, count + 1
  return steps
end

--- The handler of a request and the keys in its path.
local function route(ctx)
  local request = ctx.request
  if not trees then build_trees() end
  local version, path = request.path:match("^/([^/]*)(.*)$")
  ctx.version = version
  if not trees[version] then answer.bad_query("Invalid version: %s", version or "") end
  path = path:match("^/myorganization(/.*)$") or path -- an older name of the tenant, which clients still use
  local node, parameters = trees[version], {}
  for _, step in ipairs(known_steps(path)) do
    node = step_into(node, step, parameters)
  end
  if not node[METHODS] then answer.bad_query("Resource not found for the segment '%s'.", path:match("([^/]*)$")) end
  local found = node[METHODS][request.method]
  if not found then
    answer.refuse(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
  end
  return found, parameters
end

---------------------------------------------------------------------------
-- The steps of a request

local function authenticate(ctx)
  if not ctx.caller then
    answer.refuse(401, "InvalidAuthenticationToken", ctx.request.refusal or "Access token is empty.")
  end
  local at = ctx:now() - (ctx.request.stale or 0)
  local there = access.is_person(ctx) and ctx.tenant.users:get(ctx.caller.oid, at)
    or not access.is_person(ctx) and ctx.tenant.service_principals:get(ctx.caller.oid, at)
  if not there then
    answer.refuse(401, "Authorization_IdentityNotFound",
      "The identity of the calling application could not be established.")
  end
end

-- Count a request of the caller against a limit {count, seconds}; the seconds to wait when it is above the limit.
local function wait_for(ctx, made, quota)
  local moments, now = made[ctx.caller.appid] or {}, ctx:now()
  made[ctx.caller.appid] = moments
  while moments[1] and moments[1] <= now - quota[2] do
    table.remove(moments, 1)
  end
  if #moments >= quota[1] then return math.max(1, math.ceil(moments[1] + quota[2] - now)) end
  moments[#moments + 1] = now
end

--- The limit of the logs and reports, which all share one (Microsoft Learn: throttling-limits, 2026-02-06). The answer
--- has no Retry-After (graph2otel@dfd9ef7, graph-api-gotchas.md); its code and text: JBines/Remove-StaleGuests#7, 2022.
local function throttle_logs(ctx, call)
  local quota = ctx.tenant.flags.report_quota
  if not quota or not access.is_log(call) or not wait_for(ctx, ctx.tenant.asked, quota) then return end
  answer.refuse(429, "UnknownError", "Too Many Requests")
end

--- The write limit of an application in a tenant, when the flag sets one (Microsoft Learn: throttling-limits,
--- 2026-02-06).
local function throttle(ctx)
  local quota = ctx.tenant.flags.write_quota
  if not quota or ctx.request.method == "GET" then return end
  local wait = wait_for(ctx, ctx.tenant.writes, quota)
  if wait then
    local message = ("Too many requests from Identifier:%s under category:aadgraph.app.tenant_large. "
      .. "Please try again later."):format(ctx.caller.appid) -- jsa2/AADAppAudit#9, 2024
    answer.refuse(429, "TooManyRequests", message, { headers = { ["Retry-After"] = ("%d"):format(wait),
      ["x-ms-throttle-information"] = "WriteLimitExceeded", ["x-ms-throttle-scope"] = "Tenant_Application/ReadWrite/"
      .. ctx.caller.appid .. "/" .. ctx.tenant.id } })
  end
end

local function check_body(ctx)
  local method = ctx.request.method
  if method == "PATCH" and type(ctx.body) ~= "table" then
    answer.bad_query("Empty Payload. JSON content expected.")
  end
  if type(ctx.body) ~= "table" then ctx.body = {} end
end

-- The calls whose handlers check the permission themselves, because it depends on the body.
local OWN_CHECKS = { ["PATCH /users/{id}"] = true }

local function run(ctx)
  local found, parameters = route(ctx)
  authenticate(ctx)
  throttle(ctx)
  throttle_logs(ctx, found.call)
  ctx.tenant:decay()
  check_body(ctx)
  ctx.call, ctx.keys = found.call, parameters
  if not OWN_CHECKS[found.call] then access.need(ctx, found.call) end
  return found.handler(ctx, table.unpack(parameters))
end

-- Does the path name an object that was made, and cannot be seen yet?
local function is_unseen(ctx)
  for _, key in ipairs(ctx.keys) do
    local is_id = type(key) == "string"
    if is_id and directory.object(ctx.tenant, key, math.huge) and not directory.object(ctx.tenant, key, ctx.at) then
      return true
    end
  end
  return false
end

-- The refusal of a write to an object that cannot be seen yet; see the flag unseen_code.
local function refusal_of_unseen(ctx, refusal)
  local code = ctx.tenant.flags.unseen_code
  if refusal.code ~= "Request_ResourceNotFound" or ctx.request.method == "GET" or not is_unseen(ctx) then
    return refusal
  end
  local message = code == "Directory_ObjectNotFound" and "Unable to read the company information from the directory."
  return { status = refusal.status, code = code, message = message or refusal.message }
end

-- The inner error of a 429 has no ids (recorded 2024).
local function error_body(ctx, refusal, ids)
  local inner = { date = time.iso(ctx:now()):sub(1, -2) }
  if refusal.status ~= 429 then
    inner["request-id"], inner["client-request-id"] = ids.request, ids.client
  end
  return { error = { code = refusal.code, message = refusal.message, details = refusal.details, innerError = inner } }
end

--- The moment whose state a request sees. Each request is answered by one of several replicas, some of which are behind
--- by up to the flag `reads_flip`.
local function moment(tenant, request)
  local behind = request.steady and 0 or tenant:behind() * random.fraction(tenant.seed, "replica", tenant.requests)
  return tenant.now() - (request.stale or 0) - behind
end

--- Answer one request.
---@param tenant emulator.tenant
---@param request emulator.request
---@param caller emulator.caller?
---@return integer status, table headers, table|string|nil body
function M.handle(tenant, request, caller)
  local ctx = setmetatable({ tenant = tenant, request = request, caller = caller, body = request.body,
    handle = M.handle }, Context)
  tenant.requests = (tenant.requests or 0) + 1
  ctx.at = moment(tenant, request)
  local ids = { request = random.guid(tenant.seed, "request", tenant.requests) }
  ids.client = request.header("client-request-id") or ids.request
  local before = tenant.actor
  tenant.actor = { caller = caller, address = request.address, agent = request.header("user-agent") }
  local ok, status, body, more = pcall(run, ctx)
  tenant.actor = before
  if ok then return status, head.of_answer(ctx, ids, body, more), body end
  if not answer.is_refusal(status) then error(status, 0) end
  local refusal = refusal_of_unseen(ctx, status)
  return refusal.status, head.of_refusal(ctx, ids, refusal.headers), error_body(ctx, refusal, ids)
end

return M
