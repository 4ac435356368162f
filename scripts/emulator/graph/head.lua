--- The headers of Graph's answers, as recorded 2021 to 2025. An error's content type has no OData parameters; an answer
--- without a body has neither content type nor OData-Version.

local http_server = require "http.server"

local M = {}

local JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
local DIAGNOSTIC = '{"ServerInfo":{"DataCenter":"Emulator","Slice":"E","Ring":"0","ScaleUnit":"000",'
  .. '"RoleInstance":"EMULATOR"}}'

-- Resource units of a call; most calls cost one (Microsoft Learn: throttling-limits, 2026-02-06; recorded 2022, 2023:
-- applications and getMemberGroups 2, getByIds 3).
local UNITS = {
  ["GET /applications"] = 2, ["GET /users"] = 2, ["GET /groups/{id}/members"] = 3,
  ["GET /groups/{id}/transitivemembers"] = 5, ["POST /directoryobjects/getbyids"] = 3,
  ["POST /users/{id}/getmembergroups"] = 2, ["GET /oauth2permissiongrants"] = 2,
  ["GET /serviceprincipals/{id}/approleassignments"] = 2, ["GET /serviceprincipals/{id}/approleassignedto"] = 2,
}

local function units(ctx)
  local count, selects = UNITS[ctx.call] or 1, ctx.request.query["$select"] ~= nil
  return ("%d"):format(math.max(1, selects and count - 1 or count))
end

local function of_all(ctx, ids)
  return {
    ["request-id"] = ids.request,
    ["client-request-id"] = ids.client,
    Date = http_server.date(ctx:now()),
    ["Cache-Control"] = "no-cache",
    ["Strict-Transport-Security"] = "max-age=31536000",
    ["x-ms-ags-diagnostic"] = DIAGNOSTIC,
    ["x-ms-resource-unit"] = units(ctx),
  }
end

local function with(headers, more)
  for name, value in pairs(more or {}) do headers[name] = value end
  return headers
end

local function for_body(headers, kind)
  headers["Content-Type"], headers["Transfer-Encoding"], headers.Vary = kind, "chunked", "Accept-Encoding"
  return headers
end

--- The headers of a call that was carried out.
---@param ctx emulator.context
---@param ids { request: string, client: string }
---@param body any
---@param more table<string, string>?
---@return table<string, string>
function M.of_answer(ctx, ids, body, more)
  local headers = of_all(ctx, ids)
  if body then
    for_body(headers, JSON)["OData-Version"] = "4.0"
  end
  return with(headers, more)
end

--- The headers of a refusal.
---@param ctx emulator.context
---@param ids { request: string, client: string }
---@param more table<string, string>?
---@return table<string, string>
function M.of_refusal(ctx, ids, more)
  return with(for_body(of_all(ctx, ids), "application/json"), more)
end

--- The Location of a new object.
---@param ctx emulator.context
---@param kind "Application"|"ServicePrincipal"|"User"|"Group"
---@param id string
---@return table<string, string>
function M.created(ctx, kind, id)
  return { Location = ("%s/v2/%s/directoryObjects/%s/Microsoft.DirectoryServices.%s"):format(ctx.request.base,
    ctx.tenant.id, id, kind) }
end

--- The Location of an action that answers 200: the service itself.
---@param ctx emulator.context
---@return table<string, string>
function M.acted(ctx)
  return { Location = ctx.request.base }
end

return M
