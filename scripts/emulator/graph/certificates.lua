--- The certificates of an application: its keyCredentials. A client writes the whole list (Microsoft Learn:
--- application-update, keyCredential resource).

local answer = require "emulator.graph.answer"
local crypto = require "base.crypto"
local directory = require "emulator.tenant.directory"
local json = require "json"
local object_size = require "emulator.graph.object_size"
local restrictions = require "emulator.graph.restrictions"
local schema = require "emulator.schema"
local time = require "time"

local M = {}

local function refuse(property)
  answer.bad("Invalid value specified for property '%s' of resource 'KeyCredential'.", property)
end

--- The row of a certificate as the service keeps it: what the client leaves out is taken from the certificate.
---@param tenant emulator.tenant
---@param entry { key: string, keyId: string?, displayName: string?, usage: string? }
---@return table row, table about
function M.row(tenant, entry)
  -- azure-cli sends the base64 with the line breaks of its PEM file
  local der = type(entry.key) == "string" and crypto.unbase64((entry.key:gsub("%s", "")))
  local key = der and crypto.x509(der)
  if not key then refuse "key" end
  local about = key:describe()
  return {
    customKeyIdentifier = crypto.hex(about.sha1):upper(), key = crypto.base64(der),
    displayName = schema.is_given(entry.displayName) and entry.displayName or about.subject,
    keyId = schema.is_given(entry.keyId) and entry.keyId:lower() or directory.new_id(tenant),
    type = "AsymmetricX509Cert", usage = schema.is_given(entry.usage) and entry.usage or "Verify",
    startDateTime = time.iso(about.not_before), endDateTime = time.iso(about.not_after),
  }, about
end

-- Certificates here are self-signed: the tenant trusts no authority.
local function check_policy(ctx, application, about)
  for _, rule, policy in restrictions.each(ctx, application, "keyCredentials") do
    if rule.restrictionType == "asymmetricKeyLifetime" then
      local seconds = about.not_after - math.max(ctx:now(), about.not_before)
      restrictions.check_lifetime(rule, seconds, policy)
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

-- An entry that exists is known by its id, and need not contain the key again: see the flag null_key_keeps.
local function kept(ctx, there, entry)
  local row = schema.is_given(entry.keyId) and there[entry.keyId:lower()]
  if not row then return nil end
  if not schema.is_given(entry.key) and not ctx.tenant.flags.null_key_keeps then refuse "key" end
  return (not schema.is_given(entry.key) or entry.key:gsub("%s", "") == row.key) and row or nil
end

local function added(ctx, application, entry)
  check_kind(entry)
  local row, about = M.row(ctx.tenant, entry)
  check_policy(ctx, application, about)
  return row
end

--- The list that a client wrote, as it is kept. Refuses what the policy forbids or what cannot be right.
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

---------------------------------------------------------------------------
-- addKey: one more, with a proof by a valid key (application-addkey, application-rollkey-prooftoken)

local DIRECTORY, LONGEST = "00000002-0000-0000-c000-000000000000", 600

-- How the service refuses a proof is not documented.
local function refuse_proof() refuse "proof" end

local function is_signed_by_one(ctx, application, proof)
  for _, row in ipairs(application.keyCredentials or {}) do
    local is_valid = time.parse(row.startDateTime) <= ctx:now() and ctx:now() < time.parse(row.endDateTime)
    local key = is_valid and crypto.x509(crypto.unbase64(row.key))
    if key and key:verify("RS256", proof) then return true end
  end
  return false
end

local function check_proof(ctx, application, proof)
  local header, claims = crypto.jws(proof)
  if not header or type(claims) ~= "table" then refuse_proof() end
  local from, to = tonumber(claims.nbf), tonumber(claims.exp)
  local in_time = from and to and to - from <= LONGEST and from - LONGEST <= ctx:now() and ctx:now() < to
  if claims.aud ~= DIRECTORY or claims.iss ~= application.id or not in_time then refuse_proof() end
  if not is_signed_by_one(ctx, application, proof) then refuse_proof() end
end

--- Add one certificate. The service chooses its keyId.
---@param ctx emulator.context
---@param application table as written last
---@return integer status, table body
function M.add(ctx, application)
  local body = ctx.body
  if not schema.is_given(body.proof) then refuse_proof() end
  check_proof(ctx, application, body.proof)
  local entry = schema.is_given(body.keyCredential) and body.keyCredential or {}
  local row = added(ctx, application, { type = entry.type, usage = entry.usage, key = entry.key,
    displayName = entry.displayName })
  local list = json.array { table.unpack(application.keyCredentials or {}) }
  list[#list + 1] = row
  object_size.check(ctx, application.id, { keyCredentials = list })
  ctx.tenant.applications:change(application.id, { keyCredentials = list })
  local shown = { ["@odata.context"] = ctx:context("microsoft.graph.keyCredential") }
  for name, value in pairs(row) do shown[name] = value end
  shown.key = json.null
  return 200, shown
end

return M
