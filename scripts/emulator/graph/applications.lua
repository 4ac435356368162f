--- /applications (Microsoft Learn: application-post-applications,
--- application-upsert 2026-03-14, application-update, application-delete).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local certificates = require "emulator.graph.certificates"
local directory = require "emulator.tenant.directory"
local groups = require "emulator.graph.groups"
local head = require "emulator.graph.head"
local json = require "json"
local moments = require "emulator.moments"
local object_size = require "emulator.graph.object_size"
local query = require "emulator.query"
local schema = require "emulator.schema"
local time = require "time"

local M = {}

local function fits_key(key)
  local name, value = next(key)
  if name ~= "appId" and name ~= "uniqueName" then
    answer.bad_query("The key '%s' is not an alternate key of 'microsoft.graph.application'.", tostring(name))
  end
  if name == "appId" then value = value:lower() end
  return function(row) return row[name] == value end
end

--- The application of a path segment: object id, {appId = …} or {uniqueName = …}. Without a moment, the newest version.
---@param ctx emulator.context
---@param key string|table
---@param at number?
---@return table?
function M.find(ctx, key, at)
  local applications = ctx.tenant.applications
  if type(key) == "table" then return (applications:find(fits_key(key), at)) end
  if at then return applications:get(key:lower(), at) end
  return applications:newest(key:lower())
end

local function visible(ctx, key)
  return M.find(ctx, key, ctx.at) or answer.missing(type(key) == "table" and select(2, next(key)) or key)
end
M.visible = visible

--- What GET shows of a password credential: everything but the secret (Graph: passwordCredential).
---@param ctx emulator.context
---@param owner string
---@return table[]
function M.credentials(ctx, owner)
  local list = json.array {}
  for i, row in ipairs(ctx.tenant:passwords(owner, ctx.at)) do
    list[i] = {
      customKeyIdentifier = json.null, displayName = row.displayName or json.null, endDateTime = row.endDateTime,
      hint = row.hint, keyId = row.keyId, secretText = json.null, startDateTime = row.startDateTime,
    }
  end
  return list
end

--- The password credentials of an application or service principal; those of a crowd's are part of its row.
---@param ctx emulator.context
---@param row table
---@return table[]
function M.credentials_of(ctx, row)
  local list = M.credentials(ctx, row.id)
  for _, secret in ipairs(row._secrets or {}) do list[#list + 1] = secret end
  return list
end

local function without_keys(list)
  local bare = json.array {}
  for i, credential in ipairs(list or {}) do
    local copy = { key = json.null }
    for name, value in pairs(credential) do
      if name ~= "key" then copy[name] = value end
    end
    bare[i] = copy
  end
  return bare
end

-- Access tokens of version 2 for an application that personal accounts sign in to, else null (recorded 2022, 2025).
local function token_version(row)
  return row.signInAudience == "AzureADandPersonalMicrosoftAccount" and 2 or json.null
end

-- The members that are never null, as recorded 2022 and 2025.
local function empty_settings(row)
  return {
    api = { knownClientApplications = json.array {}, oauth2PermissionScopes = json.array {},
      preAuthorizedApplications = json.array {}, acceptMappedClaims = json.null,
      requestedAccessTokenVersion = token_version(row) },
    web = { homePageUrl = json.null, logoutUrl = json.null, redirectUris = json.array {},
      redirectUriSettings = json.array {},
      implicitGrantSettings = { enableIdTokenIssuance = false, enableAccessTokenIssuance = false } },
    spa = { redirectUris = json.array {} },
    publicClient = { redirectUris = json.array {} },
    info = M.no_info(),
    verifiedPublisher = M.no_publisher(),
    parentalControlSettings = { countriesBlockedForMinors = json.array {}, legalAgeGroupRule = "Allow" },
    oauth2RequirePostResponse = false,
  }
end

--- The member `info` of an application or service principal without any links.
---@return table
function M.no_info()
  return { termsOfServiceUrl = json.null, supportUrl = json.null, privacyStatementUrl = json.null,
    marketingUrl = json.null, logoUrl = json.null }
end

--- The member `verifiedPublisher` of an application or service principal that has none.
---@return table
function M.no_publisher()
  return { displayName = json.null, verifiedPublisherId = json.null, addedDateTime = json.null }
end

-- An object with the members of another in place of its own.
local function merged(object, changes)
  local made = {}
  for name, value in pairs(object) do made[name] = value end
  for name, value in pairs(changes) do made[name] = value end
  return made
end

local function is_object(value)
  return type(value) == "table" and value ~= json.null and not json.is_array(value)
end

local function dressed(ctx)
  return function(row)
    local shown = empty_settings(row)
    for name, value in pairs(row) do
      local never_null = shown[name]
      if not is_object(never_null) then
        shown[name] = value
      elseif is_object(value) then
        shown[name] = merged(never_null, value)
      end
    end
    shown.passwordCredentials = M.credentials_of(ctx, row)
    shown.federatedIdentityCredentials = M.federated(ctx, row) -- for filters; shown by $expand only
    local selected = (ctx.request.query["$select"] or ""):lower():find("keycredentials", 1, true)
    shown.keyCredentials = selected and row.keyCredentials or without_keys(row.keyCredentials)
    return shown
  end
end

-- The federated credentials of an application. The clients that have any are looked up once for a request.
function M.federated(ctx, row)
  if not ctx.federated then
    ctx.federated = {}
    for _, one in ctx.tenant.federations:scan(ctx.at) do
      local list = ctx.federated[one._client] or json.array {}
      ctx.federated[one._client], list[#list + 1] = list, one
    end
  end
  return ctx.federated[row.appId]
end

local function owner_ids(row)
  local ids = {}
  for id in pairs(row._owners or {}) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  return ids
end

--- Go through a list of ids in the form that query.objects expects.
---@param ids string[]
---@return fun(at: number, from: integer): fun(): integer?, string?
function M.walk(ids)
  return function(_, from)
    local place = from - 1
    return function()
      place = place + 1
      if ids[place] then return place, ids[place] end
    end
  end
end

--- The list of the objects with these ids, of all kinds, or of one.
---@param ctx emulator.context
---@param ids string[]
---@param only string? a cast: "group"
function M.list_objects(ctx, ids, only)
  ctx.collection = only and only .. "s" or "directoryObjects"
  return query.list(ctx, only or "directoryObject", query.objects(ctx, M.walk(ids), only))
end

local MOST_EXPANDED = 20 -- objects of a relationship, without a link to more (Microsoft Learn: query-parameters)

local function expand_owners(ctx)
  return function(row)
    local list = json.array {}
    for i, id in ipairs(owner_ids(row)) do
      if i > MOST_EXPANDED then break end
      local object, type_name = directory.object(ctx.tenant, id, ctx.at)
      if object then list[#list + 1] = query.object(ctx, type_name, object) end
    end
    return list
  end
end

local function expand_federated(ctx)
  return function(row)
    local list = json.array {}
    for i, one in ipairs(M.federated(ctx, row) or {}) do list[i] = schema.show("federatedIdentityCredential", one) end
    return list
  end
end

local function source(ctx)
  return query.source(ctx.tenant.applications, { dress = dressed(ctx),
    expand = { owners = expand_owners(ctx), federatedIdentityCredentials = expand_federated(ctx) } })
end

local function list(ctx)
  return query.list(ctx, "application", source(ctx))
end

local function count(ctx)
  return query.count(ctx, "application", source(ctx))
end

local function get(ctx, key)
  return query.entity(ctx, "application", visible(ctx, key), source(ctx))
end

---------------------------------------------------------------------------
-- Writing

local AUDIENCES = { AzureADMyOrg = true, AzureADMultipleOrgs = true, AzureADandPersonalMicrosoftAccount = true,
  PersonalMicrosoftAccount = true }

local function check(body, allowed)
  local refusal = schema.refusal("application", body, allowed)
  if refusal then answer.bad("%s", refusal) end
  if body.displayName == "" or body.displayName == json.null then
    answer.bad("A value is required for property 'displayName' of resource 'Application'.")
  end
  if body.signInAudience and not AUDIENCES[body.signInAudience] then
    answer.bad("Invalid value specified for property 'signInAudience' of resource 'Application'.")
  end
end

--- The owner of a new application: the person who calls, or the calling application's service principal.
local function owners_of(ctx)
  return { [ctx.caller.oid] = true }
end

-- A POST shows the moment with its fraction, a GET whole seconds (recorded 2022, 2025).
local function shown_to_creator(ctx, row)
  local _, shown = query.entity(ctx, "application", row, { dress = dressed(ctx) })
  if shown.createdDateTime then shown.createdDateTime = moments.ticks(ctx:now()) end
  return shown
end

local function create(ctx, body, unique_name)
  if body.displayName == nil then
    answer.bad("A value is required for property 'displayName' of resource 'Application'.")
  end
  local row = { signInAudience = ctx.tenant.flags.default_audience }
  for name, value in pairs(body) do
    row[name] = value
  end
  row.id, row.appId = directory.new_id(ctx.tenant), directory.new_id(ctx.tenant)
  row.uniqueName = unique_name
  row.publisherDomain = ctx.tenant.domain
  row.createdDateTime = time.iso(ctx:now())
  row.keyCredentials = body.keyCredentials and certificates.settle(ctx, { createdDateTime = row.createdDateTime },
    body.keyCredentials)
  row._owners, row._owned_from = owners_of(ctx), ctx.tenant:ownership_from()
  ctx.tenant.applications:put(row.id, row)
  return 201, shown_to_creator(ctx, row), head.created(ctx, "Application", row.id)
end

local function post(ctx)
  access.need_register(ctx)
  check(ctx.body)
  return create(ctx, ctx.body)
end

local function change(ctx, row)
  access.need_application(ctx, row)
  local changes = {}
  for name, value in pairs(ctx.body) do
    -- members of a complex type that are not sent stay as they are (OData 4.0 part 1, 11.4.3)
    if is_object(value) and is_object(row[name]) then value = merged(row[name], value) end
    if not name:find("@odata.", 1, true) then changes[name] = value end
  end
  if changes.keyCredentials then
    changes.keyCredentials = certificates.settle(ctx, ctx.tenant.applications:newest(row.id), changes.keyCredentials)
  end
  object_size.check(ctx, row.id, changes)
  ctx.tenant.applications:change(row.id, changes)
  return 204
end

local function check_deleted(ctx, unique_name)
  if not ctx.tenant.flags.deleted_keeps_unique_name then return end
  for _, item in ctx.tenant.deleted:scan(math.huge) do
    if item.type == "application" and item.row.uniqueName == unique_name then
      answer.same_value "uniqueName" -- microsoftgraph/msgraph-bicep-types#137, 2024
    end
  end
end

--- PATCH /applications(uniqueName='x') with Prefer: create-if-missing creates or changes it (application-upsert). Keys
--- are unique in the whole directory, so an application that was written a moment ago counts.
local function upsert(ctx, unique_name)
  local row = M.find(ctx, { uniqueName = unique_name })
  check(ctx.body, { uniqueName = ctx.body.uniqueName == unique_name })
  if row then return change(ctx, row) end
  if not ctx:may_create() then answer.missing(unique_name) end
  access.need_register(ctx)
  check_deleted(ctx, unique_name)
  return create(ctx, ctx.body, unique_name)
end

local function patch(ctx, key)
  if type(key) == "table" and key.uniqueName then return upsert(ctx, key.uniqueName) end
  local row = visible(ctx, key)
  check(ctx.body, { uniqueName = ctx.body.uniqueName == row.uniqueName })
  return change(ctx, row)
end

--- Delete softly: it can be restored for 30 days, and its service principal too (application-delete).
local function delete(ctx, key)
  local row = visible(ctx, key)
  access.need_application(ctx, row)
  ctx.tenant:bury("application", row)
  local principal = ctx.tenant:principal_of(row.appId)
  if principal then ctx.tenant:bury("servicePrincipal", principal) end
  return 204
end

---------------------------------------------------------------------------
-- Owners

local function owners(ctx, key)
  ctx.collection = "directoryObjects"
  return query.list(ctx, "directoryObject", query.objects(ctx, M.walk(owner_ids(visible(ctx, key)))))
end

local function change_owner(ctx, row, id, owner)
  local set = {}
  for other in pairs(row._owners or {}) do
    set[other] = true
  end
  set[id] = owner or nil
  ctx.tenant.applications:change(row.id, { _owners = set })
  return 204
end

local function add_owner(ctx, key)
  local row = visible(ctx, key)
  access.need_application(ctx, row)
  local id = groups.reference(ctx)
  if (ctx.tenant.applications:newest(row.id)._owners or {})[id] then
    answer.bad("One or more added object references already exist for the following modified properties: 'owners'.")
  end
  return change_owner(ctx, row, id, true)
end

local function remove_owner(ctx, key, id)
  local row = visible(ctx, key)
  access.need_application(ctx, row)
  if not (row._owners or {})[id] then answer.missing(id) end
  return change_owner(ctx, row, id, false)
end

query.dress("application", dressed)

M.routes = {
  ["GET /applications"] = list,
  ["GET /applications/$count"] = count,
  ["POST /applications"] = post,
  ["GET /applications/{id}"] = get,
  ["PATCH /applications/{id}"] = patch,
  ["DELETE /applications/{id}"] = delete,
  ["GET /applications/{id}/owners"] = owners,
  ["POST /applications/{id}/owners/$ref"] = add_owner,
  ["DELETE /applications/{id}/owners/{id}/$ref"] = remove_owner,
}

return M
