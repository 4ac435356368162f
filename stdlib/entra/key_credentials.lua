--- The certificates an application may sign in with: its keyCredentials.
--
-- addKey adds one certificate, where a key of the application that is valid now signs a proof. Without such a key,
-- Entra accepts only the whole list: a change reads the list, changes our own entries, writes everything back, and
-- checks that the entries of others are still there (Microsoft Learn: application-update, application-addkey).
-- Reads may be stale, and two programs may write at once. So the list is written only when two readings agree and show
-- every certificate that this run has seen, right after the second one.

local call = require "graph.call"
local check_answer = require "entra.check_answer"
local crypto = require "host.crypto"
local fail = require "fail"
local graph = require "graph"
local json = require "host.json"
local log = require "log"
local task = require "task"
local time = require "time"

local M = {}

local PATIENCE, PAUSE = 120, 3 -- seconds until a change must show, and between two readings
local FRESH = 5 -- seconds for which a reading counts when the list is written
local STALE = {} -- raised when the reading is too old at the moment when the list could leave
local WRITES = 10 -- readings that may be too old, one after another
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

-- Note the certificates of a list: what was seen once is not left out of a list that is written later.
local function note_seen(application, list)
  application.seen_certificates = application.seen_certificates or {}
  for _, entry in ipairs(list) do application.seen_certificates[entry.keyId] = entry end
end

--- Read the list as Entra shows it now, and keep it in `application`. A change may take seconds to show. Waits.
---@param application { id: string, displayName: string }
---@return table[]
function M.read(application)
  local what = ("read the certificates of '%s'"):format(application.displayName)
  local actual = graph.get(graph.path("/applications/{id}", application.id), {
    select = { "id", "keyCredentials" }, fresh_write = true, what = what,
  })
  note_seen(application, application.keyCredentials or {})
  application.keyCredentials = check_answer.require_members(actual, what, "keyCredentials").keyCredentials
  note_seen(application, application.keyCredentials)
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

-- Write the list, unless its reading is too old by now: then STALE is raised. The request is not repeated
-- automatically, because somebody else may write the list between two tries.
local function write_key_credentials(application, list, what, read_at)
  call.perform(call.new("PATCH", graph.path("/applications/{id}", application.id), { keyCredentials = list }, {
    repeatable = false, fresh_write = true, what = what,
    sending = function() if time.monotonic() - read_at > FRESH then error(STALE, 0) end end,
  }))
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
  for _, other in pairs(others) do
    local there = false
    for _, entry in ipairs(list) do there = there or entry.keyId == other.keyId end
    if not there then missing[#missing + 1] = other end
  end
  table.sort(missing, function(a, b) return a.keyId < b.keyId end)
  return missing
end

local function is_same_list(one, other)
  return #one == #other and #missing_key_credentials(one, other) == 0
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

local function raise_list_unsettled(what)
  fail.raise {
    kind = "transient", resumes = true, what = what,
    why = "the list of certificates keeps changing, or Entra takes more than five seconds to show it",
    fix = "Run the same command again in a few minutes. Nothing was changed.",
  }
end

local function raise_change_not_shown(what)
  fail.raise {
    kind = "transient", resumes = true, what = what,
    why = ("Entra accepted the list of certificates, and does not show the change after %d seconds: somebody else may "
      .. "have written the list at the same time"):format(PATIENCE),
    fix = "Run the same command again: it reads the list, and makes the change once more if need be.",
  }
end

-- Read the list until two readings agree and no certificate is missing that was seen before. A certificate that stays
-- missing was removed by somebody. Also returns when the last reading began.
local function read_settled_list(application, what)
  local before, ends = M.read(application), time.monotonic() + PATIENCE
  while true do
    task.sleep(PAUSE)
    local began, list = time.monotonic(), M.read(application)
    local missing = missing_key_credentials(list, application.seen_certificates)
    local is_same, is_over = is_same_list(before, list), began >= ends
    if is_same and (#missing == 0 or is_over) then
      for _, entry in ipairs(missing) do application.seen_certificates[entry.keyId] = nil end
      return list, began
    end
    if is_over then raise_list_unsettled(what) end
    before = list
  end
end

-- Read the list, and write what `change` makes of it, if it makes anything.
local function rewrite_key_credentials(application, what, change)
  for _ = 1, WRITES do
    local list, read_at = read_settled_list(application, what)
    local whole = change(list)
    if not whole then return false end
    local ok, err = pcall(write_key_credentials, application, whole, what, read_at)
    if ok then return true end
    if err ~= STALE then error(err, 0) end
  end
  raise_list_unsettled(what)
end

-- Put the missing certificates back. Raises when they are missing after that, too.
local function put_back(application, missing, what)
  for _, entry in ipairs(missing) do
    if type(entry.key) ~= "string" then raise_certificates_lost(application, missing) end
  end
  log.warn(("%s: put back, since they were not listed any more: %s"):format(what, key_credential_names(missing)))
  rewrite_key_credentials(application, what, function(list)
    local again = other_key_credentials(list)
    for _, entry in ipairs(missing_key_credentials(list, missing)) do again[#again + 1] = copy_key_credential(entry) end
    return #again > #list and again or nil
  end)
  local list = await_key_credentials(application, function(now) return #missing_key_credentials(now, missing) == 0 end)
  if not list then raise_certificates_lost(application, missing) end
end

-- Make a change of the whole list, wait until it shows, and put certificates of others back that are missing then:
-- those that were written back, and those that any reading of this run has shown. Waits.
local function change_key_credentials(application, what, change, shows, gone)
  if not rewrite_key_credentials(application, what, change) then return end
  if not await_key_credentials(application, shows) then raise_change_not_shown(what) end
  if gone then application.seen_certificates[gone] = nil end
  local missing = missing_key_credentials(application.keyCredentials, application.seen_certificates)
  if #missing > 0 then put_back(application, missing, what) end
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
--- process of this machine at a time may call this. Raises "transient" when Entra does not show it. Waits.
---@param application { id: string, displayName: string }
---@param own entra.key_credential.own
---@param der string
---@param signing_key host.crypto.key? the key of a certificate of the application that is valid now
---@return string key_id
function M.add(application, own, der, signing_key)
  local what = ("add a certificate to '%s'"):format(application.displayName)
  local function shows(list) return M.find(list, own) ~= nil end
  if shows(M.read(application)) then
    log.detail(("%s has the certificate %s already"):format(application.displayName, own.name))
  elseif try_add_certificate_by_proof(application, own, der, signing_key) then
    if not await_key_credentials(application, shows) then raise_change_not_shown(what) end
  else
    change_key_credentials(application, what, function(list)
      if shows(list) then return nil end
      local whole = other_key_credentials(list)
      whole[#whole + 1] = {
        type = "AsymmetricX509Cert", usage = "Verify", key = crypto.base64(der), keyId = own.key_id,
        displayName = own.name,
      }
      return whole
    end, shows)
  end
  return M.find(application.keyCredentials, own).keyId -- Entra chooses it after addKey
end

--- Raise "conflict" unless Entra still lists the certificate: somebody else may have written the list since. Waits.
---@param application { id: string, displayName: string }
---@param own entra.key_credential.own
function M.check_listed(application, own)
  if await_key_credentials(application, function(list) return M.find(list, own) ~= nil end) then return end
  fail.raise {
    kind = "conflict",
    what = ("find the new certificate of '%s' in Entra's list once more"):format(application.displayName),
    why = ("the certificate %s is not listed any more: somebody else wrote the list of certificates at the same time")
      :format(own.name),
    fix = "Run the same command again: it makes another certificate. One program should change the certificates of an "
      .. "application at a time.",
  }
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

--- Remove a certificate. No failure when it is gone already. One process of this machine at a time may call this.
--- Raises "transient" when Entra still shows it. Waits.
---@param application { id: string, displayName: string }
---@param own entra.key_credential.own
---@param in_use { key_id: string?, sha256: string }? must be in the list, else nothing is written
function M.remove(application, own, in_use)
  local gone = M.find(M.read(application), own)
  if not gone then return end
  change_key_credentials(application, ("remove the certificate %s of '%s'"):format(own.name, application.displayName),
    function(list)
      if not M.find(list, own) then return nil end
      if in_use and not M.find(list, in_use) then raise_certificate_in_use_unseen(application, own) end
      return other_key_credentials(list, M.find(list, own))
    end, function(list) return M.find(list, own) == nil end, gone.keyId)
end

return M
