--- The certificates of an application: its keyCredentials, which a client writes as a
--- whole list (Microsoft Learn: application-update, keyCredential resource).

local answer = require "emulator.graph.answer"
local crypto = require "crypto"
local directory = require "emulator.tenant.directory"
local json = require "json"
local restrictions = require "emulator.graph.restrictions"
local schema = require "emulator.schema"
local time = require "time"

local M = {}

local function refuse(property)
  answer.bad("Invalid value specified for property '%s' of resource 'KeyCredential'.", property)
end

--- The row of a certificate as the service keeps it: what is not said follows from the certificate.
---@param tenant emulator.tenant
---@param entry { key: string, keyId: string?, displayName: string?, usage: string? }
---@return table row, table about
function M.row(tenant, entry)
  local der = type(entry.key) == "string" and crypto.unbase64(entry.key)
  local key = der and crypto.x509(der)
  if not key then refuse "key" end
  local about = key:describe()
  return {
    customKeyIdentifier = crypto.hex(about.sha1):upper(), key = entry.key,
    displayName = schema.is_given(entry.displayName) and entry.displayName or about.subject,
    keyId = schema.is_given(entry.keyId) and entry.keyId:lower() or directory.new_id(tenant),
    type = "AsymmetricX509Cert", usage = schema.is_given(entry.usage) and entry.usage or "Verify",
    startDateTime = time.iso(about.not_before), endDateTime = time.iso(about.not_after),
  }, about
end

-- A certificate here signs itself: no authority is trusted.
local function check_policy(ctx, application, about)
  for _, rule in restrictions.each(ctx, application, "keyCredentials") do
    if rule.restrictionType == "asymmetricKeyLifetime" then
      local seconds = about.not_after - math.max(ctx:now(), about.not_before)
      restrictions.check_lifetime(rule, seconds, "AsymmetricKeyLifetime")
    elseif rule.restrictionType == "trustedCertificateAuthority" then
      answer.refuse(400, "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed as per assigned policy 'TrustedCertificateAuthority'.")
    end
  end
end

local function check_kind(entry)
  if entry.type ~= "AsymmetricX509Cert" then refuse "type" end
  if schema.is_given(entry.usage) and entry.usage ~= "Verify" and entry.usage ~= "Sign" then refuse "usage" end
end

local function by_id(application)
  local rows = {}
  for _, row in ipairs(application.keyCredentials or {}) do rows[row.keyId] = row end
  return rows
end

-- One that is there is known by its id and need not be sent again: see the flag null_key_keeps.
local function kept(ctx, there, entry)
  local row = schema.is_given(entry.keyId) and there[entry.keyId:lower()]
  if not row then return nil end
  if not schema.is_given(entry.key) and not ctx.tenant.flags.null_key_keeps then refuse "key" end
  return (not schema.is_given(entry.key) or entry.key == row.key) and row or nil
end

local function added(ctx, application, entry)
  check_kind(entry)
  local row, about = M.row(ctx.tenant, entry)
  check_policy(ctx, application, about)
  return row
end

--- What a client wrote, as it is kept; refused where policy or sense forbids it.
---@param ctx emulator.context
---@param application table as it was
---@param list table[]
---@return table[]
function M.settle(ctx, application, list)
  local there, settled, seen = by_id(application), json.array {}, {}
  for i, entry in ipairs(list) do
    local row = kept(ctx, there, entry) or added(ctx, application, entry)
    if seen[row.keyId] then refuse "keyId" end
    seen[row.keyId], settled[i] = true, row
  end
  return settled
end

return M
