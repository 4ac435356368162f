--- /applications/{id}/federatedIdentityCredentials (Microsoft Learn: federatedidentitycredentials-overview,
--- application-post-federatedidentitycredentials; shape recorded 2022, on beta).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local directory = require "emulator.tenant.directory"
local query = require "emulator.query"
local schema = require "emulator.schema"

local M = {}

local TYPE, MOST = "federatedIdentityCredential", 20
local REQUIRED = { "name", "issuer", "subject", "audiences" }

local function collection_of(application)
  return ("applications('%s')/federatedIdentityCredentials"):format(application.id)
end

local function is_of(application)
  return function(row) return row._client == application.appId end
end

local function list(ctx, key)
  local application = applications.visible(ctx, key)
  ctx.collection = collection_of(application)
  return query.list(ctx, TYPE, query.source(ctx.tenant.federations, { only = is_of(application),
    equals = { "_client", application.appId } }))
end

-- A credential is named by its id or by its name.
local function find(ctx, application, key)
  local row = ctx.tenant.federations:find(function(one)
    return is_of(application)(one) and (one.id == key:lower() or one.name == key)
  end, ctx.at)
  return row or answer.missing(key)
end

local function get(ctx, key, id)
  local application = applications.visible(ctx, key)
  return query.entity(ctx, TYPE, find(ctx, application, id), nil, collection_of(application) .. "/$entity")
end

local function check(body)
  local refusal = schema.refusal(TYPE, body)
  if refusal then answer.bad("%s", refusal) end
  if body.audiences and #body.audiences ~= 1 then
    answer.bad "The number of audiences on a federated identity credential must be exactly one."
  end
end

local function check_new(ctx, application, body)
  check(body)
  for _, name in ipairs(REQUIRED) do
    if not schema.is_given(body[name]) then
      answer.bad("A value is required for property '%s' of resource 'FederatedIdentityCredential'.", name)
    end
  end
  if #body.name < 3 or #body.name > 120 or not body.name:match("^%w[%w_-]*$") then
    answer.bad("Invalid value specified for property 'name' of resource 'FederatedIdentityCredential'.")
  end
  local count = 0
  for _, row in ctx.tenant.federations:scan(math.huge) do
    if is_of(application)(row) then -- the refusal: azure-workload-identity, pkg/cloud/errors.go
      count = count + 1
      local is_same = row.issuer == body.issuer and row.subject == body.subject
      if row.name == body.name or is_same then
        answer.same_key(ctx.tenant, ("FederatedIdentityCredential with name %s already exists."):format(row.name))
      end
    end
  end
  if count >= MOST then answer.bad("An application has at most %d federated identity credentials.", MOST) end
end

local function post(ctx, key)
  local application = applications.visible(ctx, key)
  access.need_application(ctx, application)
  check_new(ctx, application, ctx.body)
  local row = { _client = application.appId }
  for name, value in pairs(ctx.body) do row[name] = value end
  row.id = directory.new_id(ctx.tenant)
  ctx.tenant.federations:put(row.id, row)
  local _, shown = query.entity(ctx, TYPE, row, nil, collection_of(application) .. "/$entity")
  return 201, shown, { Location = ("%s/v2/%s/federatedIdentityCredentials/%s"):format(ctx.request.base, ctx.tenant.id,
    row.id) }
end

local function patch(ctx, key, id)
  local application = applications.visible(ctx, key)
  access.need_application(ctx, application)
  check(ctx.body)
  ctx.tenant.federations:change(find(ctx, application, id).id, ctx.body)
  return 204
end

local function delete(ctx, key, id)
  local application = applications.visible(ctx, key)
  access.need_application(ctx, application)
  ctx.tenant.federations:drop(find(ctx, application, id).id)
  return 204
end

M.routes = {
  ["GET /applications/{id}/federatedIdentityCredentials"] = list,
  ["POST /applications/{id}/federatedIdentityCredentials"] = post,
  ["GET /applications/{id}/federatedIdentityCredentials/{id}"] = get,
  ["PATCH /applications/{id}/federatedIdentityCredentials/{id}"] = patch,
  ["DELETE /applications/{id}/federatedIdentityCredentials/{id}"] = delete,
}

return M
