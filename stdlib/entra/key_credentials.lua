--- The certificates an application may sign in with: its keyCredentials.
--
-- addKey adds one certificate, where a key of the application that is valid now signs a proof. Without such a key,
-- Entra accepts only the whole list: a change reads the list, changes our own entries, writes everything back, and
-- checks that the entries of others are still there (Microsoft Learn: application-update, application-addkey).

local check_answer = require "entra.check_answer"
local crypto = require "host.crypto"
local fail = require "fail"
local graph = require "graph"
local json = require "host.json"
local log = require "log"
local task = require "task"
local time = require "time"

local M = {}

local PATIENCE, PAUSE = 120, 3 -- seconds until a change must show
local PROOF = 600 -- seconds for which a proof is valid, at most
-- The audience of a proof: Azure AD Graph (Microsoft Learn: application-rollkey-prooftoken).
local DIRECTORY = "00000002-0000-0000-c000-000000000000"

-- The members of an entry that are written back. Graph returns `key` because it is selected; where Graph returns null,
-- null is written back beside the keyId (terraform's azuread provider does the same).
local MEMBERS = {
  "customKeyIdentifier", "displayName", "endDateTime", "key", "keyId", "startDateTime", "type", "usage",
}

---@class entra.key_credential.own a certificate of this installation
---@field key_id string?
---@field sha256 string of the certificate, hexadecimal
---@field name string its displayName at the application

--- Read the list as Entra shows it now, and keep it in `application`. A change may take seconds to show. Waits.
---@param application { id: string, displayName: string }
---@return table[]
function M.read(application)
  local what = ("read the certificates of '%s'"):format(application.displayName)
  local actual = graph.get(graph.path("/applications/{id}", application.id), {
    select = { "id", "keyCredentials" }, fresh_write = true, what = what,
  })
  application.keyCredentials = check_answer.require_members(actual, what, "keyCredentials").keyCredentials
  return application.keyCredentials
end

--- Is the entry this certificate? Compares the bytes of the certificate, or the key ids where Graph returns no bytes.
---@param entry table of Graph
---@param own { key_id: string?, sha256: string }
---@return boolean
function M.is_certificate(entry, own)
  local der = type(entry.key) == "string" and crypto.unbase64(entry.key)
  if der then return crypto.hex(crypto.digest("sha256", der)) == own.sha256 end
  return own.key_id ~= nil and entry.keyId == own.key_id
end

--- Find the entry of a certificate; nil when it is not listed.
---@param list table[]
---@param own { key_id: string?, sha256: string }
---@return table?
function M.find(list, own)
  for _, entry in ipairs(list) do
    if M.is_certificate(entry, own) then return entry end
  end
end

---------------------------------------------------------------------------
-- The whole list

local function copy_key_credential(entry)
  local twin = {}
  for _, name in ipairs(MEMBERS) do twin[name] = entry[name] end
  return twin
end

-- The entries of a list, without `left_out`, in the form in which they are written back.
local function other_key_credentials(list, left_out)
  local others = json.array {}
  for _, entry in ipairs(list) do
    if entry ~= left_out then others[#others + 1] = copy_key_credential(entry) end
  end
  return others
end

-- Write the list. The request is not repeated automatically, because somebody else may write the list between two
-- tries.
local function write_key_credentials(application, list, what)
  graph.patch(graph.path("/applications/{id}", application.id), { keyCredentials = list }, {
    repeatable = false, fresh_write = true, what = what,
  })
end

-- Read the list until the change shows. Returns nil when the change does not show in PATIENCE seconds.
local function await_key_credentials(application, shows)
  for waited = 0, PATIENCE, PAUSE do
    local list = M.read(application)
    if shows(list) then return list end
    if waited < PATIENCE then task.sleep(PAUSE) end
  end
end

local function missing_key_credentials(list, others)
  local missing = {}
  for _, other in ipairs(others) do
    local there = false
    for _, entry in ipairs(list) do there = there or entry.keyId == other.keyId end
    if not there then missing[#missing + 1] = other end
  end
  return missing
end

local function key_credential_names(entries)
  local names = {}
  for i, entry in ipairs(entries) do names[i] = ("'%s' (%s)"):format(tostring(entry.displayName), entry.keyId) end
  return table.concat(names, ", ")
end

local function raise_certificates_lost(application, missing)
  fail.raise {
    kind = "conflict", what = ("change the certificates of '%s'"):format(application.displayName),
    why = ("certificates of others are not listed any more after the change, although they were written back: %s")
      :format(key_credential_names(missing)),
    fix = "Add the missing certificates again, because nobody can sign in with them now: Entra admin center > App "
      .. "registrations > the application > Certificates & secrets. The audit log says who changed them.",
  }
end

-- Write the list, then check that the entries of others are still there. A missing entry is written back once; raises
-- when it is missing after that, too.
local function change_key_credentials(application, others, more, what, shows)
  local whole = json.array { table.unpack(others) }
  whole[#whole + 1] = more
  write_key_credentials(application, whole, what)
  local list = await_key_credentials(application, shows)
  if not list then return end -- the caller reports it: the list shows neither our change nor a loss
  local missing = missing_key_credentials(list, others)
  if #missing == 0 then return end
  log.warn(("%s: put back, since they were not listed any more: %s"):format(what, key_credential_names(missing)))
  local again = other_key_credentials(list)
  for _, entry in ipairs(missing) do again[#again + 1] = entry end
  write_key_credentials(application, again, what)
  list = await_key_credentials(application, function(now) return #missing_key_credentials(now, missing) == 0 end)
  if not list then raise_certificates_lost(application, missing) end
end

---------------------------------------------------------------------------
-- Adding

-- The proof for addKey, signed with the key of a certificate that is valid now (Microsoft Learn:
-- application-rollkey-prooftoken).
local function sign_add_key_proof(application, key)
  local about, now = key:describe(), math.floor(time.now())
  return key:assertion("RS256", json.encode {
    typ = "JWT", kid = crypto.hex(about.sha1):upper(), x5t = crypto.base64url(about.sha1),
  }, json.encode { aud = DIRECTORY, iss = application.id, nbf = now, exp = now + PROOF })
end

local function add_certificate_by_proof(application, own, der, signing_key)
  local proof <close> = sign_add_key_proof(application, signing_key)
  graph.post(graph.path("/applications/{id}/addKey", application.id), {
    keyCredential = {
      type = "AsymmetricX509Cert", usage = "Verify", key = crypto.base64(der), displayName = own.name,
    },
    passwordCredential = json.null, proof = proof,
  }, {
    repeatable = false, fresh_write = true, what = ("add a certificate to '%s'"):format(application.displayName),
  })
end

local REFUSED = { denied = true, refused = true }

-- Add the certificate by addKey. Returns false without a signing key, or when Entra refuses the proof.
local function try_add_certificate_by_proof(application, own, der, signing_key)
  if not signing_key then return false end
  local ok, failure = pcall(add_certificate_by_proof, application, own, der, signing_key)
  if ok then return true end
  if not fail.is(failure) or not REFUSED[failure.kind] then error(failure, 0) end
  log.detail(("addKey was refused (%s), so the list is written as a whole"):format(failure.why))
  return false
end

--- Add a certificate, unless the application has it already; so a caller may call this again after a lost answer. One
--- process at a time may call this. Waits.
---@param application { id: string, displayName: string }
---@param own entra.key_credential.own
---@param der string
---@param vouching host.crypto.key? the key of a certificate of the application that is valid now
---@return string key_id
function M.add(application, own, der, signing_key)
  local there = M.read(application)
  local found = M.find(there, own)
  if found then return found.keyId end
  local function shows(list) return M.find(list, own) ~= nil end
  if try_add_certificate_by_proof(application, own, der, signing_key) then
    await_key_credentials(application, shows) -- Entra chooses the keyId
  else
    change_key_credentials(application, other_key_credentials(there), {
      type = "AsymmetricX509Cert", usage = "Verify", key = crypto.base64(der), keyId = own.key_id,
      displayName = own.name,
    }, ("add a certificate to '%s'"):format(application.displayName), shows)
  end
  found = M.find(application.keyCredentials, own)
  return found and found.keyId or own.key_id
end

---------------------------------------------------------------------------
-- Removing a certificate

local function raise_certificate_in_use_unseen(application, own)
  fail.raise {
    kind = "transient", resumes = true,
    what = ("remove the certificate %s of '%s'"):format(own.name, application.displayName),
    why = "Entra does not list the certificate that is in use just now; writing the list would remove that one too",
    fix = "Nothing was removed. Run the same command again in a few minutes, when Entra has replicated the "
      .. "certificate.",
  }
end

--- Remove a certificate. No failure when it is gone already. One process at a time may call this. Waits.
---@param application { id: string, displayName: string }
---@param own entra.key_credential.own
---@param in_use { key_id: string?, sha256: string }? must be in the list, else nothing is written
function M.remove(application, own, in_use)
  local there = M.read(application)
  local gone = M.find(there, own)
  if not gone then return end
  if in_use and not M.find(there, in_use) then raise_certificate_in_use_unseen(application, own) end
  change_key_credentials(application, other_key_credentials(there, gone), nil,
    ("remove the certificate %s of '%s'"):format(own.name, application.displayName),
    function(list) return M.find(list, own) == nil end)
end

return M
