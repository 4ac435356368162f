--- Applications that are computed from their number: registrations with secrets, certificates, federated credentials
--- and owners, service principals (those of other tenants and SAML applications among them) and permissions. They are
--- there for lists: nobody can sign in with their credentials.

local json = require "json"
local lazily = require("emulator.tenant.crowd").lazily
local moments = require "emulator.moments"
local random = require "emulator.random"
local time = require "time"

local M = {}

local DAY = 86400
local EPOCH = 1577836800 -- 2020-01-01; the applications were registered in the five years after
local YEARS = 5 * 365 * DAY
local OTHER_TENANT = "5d0a7a3c-9a2e-4c1a-8b0e-0c6ce0c9b1f4"
local PERMISSIONS = { "User.Read.All", "Mail.Send", "Sites.Read.All", "Directory.Read.All", "Application.ReadWrite.All",
  "RoleManagement.ReadWrite.Directory" }

---@class emulator.crowd_options
---@field seed integer
---@field tenant string id
---@field domain string
---@field applications integer
---@field now number the moment from which the credentials' dates are counted
---@field owners fun(): string[] object ids of people who may own applications

local function id_of(options, kind)
  return function(n) return random.guid(options.seed, kind, n) end
end

local function number_of(options, kind)
  return function(id) return random.number(options.seed, kind, id) end
end

local function share(options, kind, n) return random.fraction(options.seed, kind, n) end

-- How many secrets an application has: none, one, two or three.
local function secret_count(options, n)
  local part = share(options, "secrets", n)
  return part < 0.25 and 0 or part < 0.8 and 1 or part < 0.95 and 2 or 3
end

-- The dates of a credential: it lives two years, and some have expired.
local function dates(options, kind, n)
  local ends = options.now + (share(options, kind, n) * 790 - 60) * DAY // 1
  return moments.ticks(ends - 730 * DAY), moments.ticks(ends)
end

local function secrets_of(options, n)
  local list = {}
  for i = 1, secret_count(options, n) do
    local starts, ends = dates(options, "secret ends", n * 4 + i)
    list[i] = { keyId = random.guid(options.seed, "crowd secret", n * 4 + i), displayName = ("secret %d"):format(i),
      startDateTime = starts, endDateTime = ends, hint = "abc", customKeyIdentifier = json.null,
      secretText = json.null }
  end
  return list
end

local function key(options, kind, n, more)
  local starts, ends = dates(options, kind .. " ends", n)
  local row = { keyId = random.guid(options.seed, kind, n), displayName = "CN=crowd", startDateTime = starts,
    endDateTime = ends, type = "AsymmetricX509Cert", usage = "Verify",
    customKeyIdentifier = random.guid(options.seed, kind .. " print", n):gsub("%-", "") }
  for name, value in pairs(more or {}) do row[name] = value end
  return row
end

local function application_members(options)
  return {
    id = function(_, n) return random.guid(options.seed, "application", n) end,
    appId = function(_, n) return random.guid(options.seed, "client", n) end,
    displayName = function(_, n) return ("Application %05d"):format(n) end,
    signInAudience = function() return "AzureADMyOrg" end,
    publisherDomain = function() return options.domain end,
    createdDateTime = function(_, n) return time.iso(EPOCH + share(options, "registered", n) * YEARS // 1) end,
    _secrets = function(_, n) return secrets_of(options, n) end,
    keyCredentials = function(_, n)
      return share(options, "certificate", n) < 0.1 and json.array { key(options, "crowd certificate", n) } or nil
    end,
    _owners = function(_, n)
      local part, people, owners = share(options, "owned", n), options.owners(), {}
      for i = 1, part < 0.4 and 0 or part < 0.85 and 1 or 2 do owners[people[(n * 7 + i) % #people + 1]] = true end
      return owners
    end,
  }
end

local function by_numbers(size, numbers)
  return function(property, value)
    local number = numbers[property]
    if not number then return nil end
    local n = number(value)
    return n and n >= 1 and n <= size and { n } or {}
  end
end

local function applications(options)
  local number = number_of(options, "application")
  return {
    size = options.applications, id = id_of(options, "application"), number = number,
    row = lazily(application_members(options)),
    find = by_numbers(options.applications, { id = number, appId = number_of(options, "client") }),
  }
end

-- A SAML application has a certificate that signs and verifies, and a secret that belongs to it.
local function saml_keys(options, n)
  if share(options, "saml", n) >= 0.04 then return nil end
  local signs = key(options, "crowd saml", n, { usage = "Sign", type = "X509CertAndPassword" })
  local verifies = key(options, "crowd saml", n, { keyId = random.guid(options.seed, "crowd saml twin", n) })
  return json.array { signs, verifies }
end

local function principal_members(options)
  local function is_ours(n) return n <= options.applications end
  return {
    id = function(_, n) return random.guid(options.seed, "principal", n) end,
    appId = function(_, n) return random.guid(options.seed, is_ours(n) and "client" or "foreign client", n) end,
    displayName = function(_, n) return ("%s %05d"):format(is_ours(n) and "Application" or "Gallery", n) end,
    appDisplayName = function(row) return row.displayName end,
    appOwnerOrganizationId = function(_, n) return is_ours(n) and options.tenant or OTHER_TENANT end,
    accountEnabled = function() return true end,
    servicePrincipalType = function() return "Application" end,
    servicePrincipalNames = function(row) return json.array { row.appId } end,
    tags = function() return json.array {} end,
    keyCredentials = function(_, n) return saml_keys(options, n) end,
    _secrets = function(row)
      local signs = row.keyCredentials and row.keyCredentials[1]
      if not signs then return {} end
      return { { keyId = signs.keyId, displayName = "CN=crowd", startDateTime = signs.startDateTime,
        endDateTime = signs.endDateTime, customKeyIdentifier = signs.customKeyIdentifier, secretText = json.null } }
    end,
  }
end

-- One of each registration, and a quarter as many of other tenants.
local function principals(options)
  local number, size = number_of(options, "principal"), options.applications + options.applications // 4
  local ours, foreign = number_of(options, "client"), number_of(options, "foreign client")
  local function number_of_client(app_id) return ours(app_id) or foreign(app_id) end
  return {
    size = size, id = id_of(options, "principal"), number = number, row = lazily(principal_members(options)),
    find = by_numbers(size, { id = number, appId = number_of_client }),
  }
end

-- Permissions of Graph: one for each tenth application.
local function assignments(options, tenant)
  local crowd = { size = options.applications // 10 }
  function crowd.id(n) return random.long_id(options.seed, "crowd grant", n) end
  function crowd.number(id) return random.long_number(options.seed, "crowd grant", id) end
  function crowd.row(n)
    return {
      id = crowd.id(n), principalId = random.guid(options.seed, "principal", n * 10), resourceId = tenant.graph.id,
      appRoleId = tenant:graph_role_id(random.pick(PERMISSIONS, options.seed, "crowd permission", n)),
      principalType = "ServicePrincipal", principalDisplayName = ("Application %05d"):format(n * 10),
      resourceDisplayName = "Microsoft Graph", createdDateTime = time.iso(EPOCH),
    }
  end
  function crowd.find(property, value)
    if property ~= "principalId" then return nil end
    local n = random.number(options.seed, "principal", value)
    n = n and n % 10 == 0 and n // 10
    return n and n >= 1 and n <= crowd.size and { n } or {}
  end
  return crowd
end

-- Federated credentials: one of each fortieth application.
local function federations(options)
  local crowd = { size = options.applications // 40 }
  function crowd.id(n) return random.guid(options.seed, "crowd federation", n) end
  function crowd.number(id) return random.number(options.seed, "crowd federation", id) end
  function crowd.row(n)
    return {
      id = crowd.id(n), _client = random.guid(options.seed, "client", n * 40), name = "deploy",
      issuer = "https://token.actions.githubusercontent.com",
      subject = ("repo:contoso/app%d:ref:refs/heads/main"):format(n),
      audiences = json.array { "api://AzureADTokenExchange" },
    }
  end
  function crowd.find(property, value)
    if property ~= "_client" then return nil end
    local n = random.number(options.seed, "client", value)
    n = n and n % 40 == 0 and n // 40
    return n and n >= 1 and n <= crowd.size and { n } or {}
  end
  return crowd
end

local OWNERS = { "adele", "priya", "arno", "rita", "uma" }

--- The crowds of so many applications, by the name of the tenant's collection.
---@param tenant emulator.tenant
---@param size integer
---@return table<string, emulator.lag.crowd>
function M.crowds(tenant, size)
  local options = { seed = tenant.seed, tenant = tenant.id, domain = tenant.domain, applications = size,
    now = tenant.now() }
  function options.owners()
    local ids = {}
    for i, name in ipairs(OWNERS) do ids[i] = tenant.ids[name] end
    return ids
  end
  return {
    applications = applications(options), service_principals = principals(options),
    app_role_assignments = assignments(options, tenant), federations = federations(options),
  }
end

return M
