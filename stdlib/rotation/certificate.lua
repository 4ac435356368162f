--- Certificates, as a kind of credential. We make the key, and seal it before the certificate is sent to Entra. After a
--- lost answer the same certificate is added again. An application may have several certificates.

local clock_skew = require "rotation.clock_skew"
local credential_changes = require "rotation.credential_changes"
local crypto = require "host.crypto"
local fail = require "fail"
local graph_clock = require "graph.clock"
local key_credentials = require "entra.key_credentials"
local rows = require("journal.rotations").certificates

---@type rotation.kind
local M = { name = "certificate", rows = rows, gone = 700027, must_be_listed = true }

local SKEW = 300 -- seconds before its creation from which a certificate is valid, for clocks that are behind
local HIDDEN = 300 -- seconds for which Entra's list may lack a new certificate

local function key_credential_of_row(row)
  return { key_id = row.body.key_id, sha256 = row.body.sha256, name = row.body.marker }
end

---------------------------------------------------------------------------
-- Reading the certificates

--- The certificates that were read with the application; none for an application that this run made.
---@param application table
---@return table[]
function M.listed(application)
  if application.keyCredentials then return application.keyCredentials end
  return application.made_now and {} or M.read(application)
end

--- The certificates that Entra lists now; also kept in `application`. Waits.
---@param application table
---@return table[]
function M.read(application) return key_credentials.read(application) end

--- The listed certificate of a row; nil when it is not listed.
---@param row certificate.row
---@param list table[]
---@return table?
function M.find(row, list) return key_credentials.find(list, row.body) end

--- Is the certificate so new that a missing entry proves nothing? Entra was perhaps not even asked to add it.
---@param row certificate.row
---@return boolean
function M.is_new(row)
  local since = row.body.known_at
  return row.state == "intent" or row.state == "sent" or since ~= nil and graph_clock.now() - since <= HIDDEN
end

local function describe_certificate(pem)
  local key = crypto.certificate(pem)
  return key and key:describe()
end

--- Does the certificate belong to this key?
---@param credential table of Graph
---@param pem host.secret
---@return boolean
function M.fits(credential, pem)
  local about = describe_certificate(pem)
  return about ~= nil and key_credentials.is_certificate(credential, { sha256 = crypto.hex(about.sha256) })
end

--- The members of a row for a key that was found somewhere.
---@param pem host.secret
---@return table body
function M.body_of(pem)
  local about = assert(describe_certificate(pem))
  return { sha256 = crypto.hex(about.sha256), ends = about.not_after, made_at = about.not_before }
end

--- The key that signs in.
---@param pem host.secret
---@return host.crypto.key?
function M.prover(pem) return (crypto.certificate(pem)) end

--- How long a new certificate lives, in seconds.
---@param terms rotation.terms
---@return number seconds
function M.lifetime(terms) return terms.policy:key_lifetime(terms.wanted) end

---------------------------------------------------------------------------
-- Making a certificate

--- Begin: make key and certificate, seal them, and put them on record, before the certificate is sent to Entra.
---@param self rotation.Credential
function M.begin(self)
  clock_skew.check "have a certificate made"
  local now, application, terms = math.floor(graph_clock.now()), self.application, self.terms
  local pem = crypto.self_signed(terms.name:sub(1, 64), now - SKEW, math.floor(now + terms.lifetime))
  local about = assert(describe_certificate(pem))
  self.row = rows:new(self.run.journal, {
    application = application.id, app_id = application.appId, name = terms.name, workflow = terms.workflow,
    key_id = crypto.uuid(), sha256 = crypto.hex(about.sha256), ends = about.not_after, made_at = now,
    lifetime = terms.lifetime, grace = terms.grace,
  })
  rows:seal(self.run.journal, self.row, pem)
  rows:put(self.run.journal, self.row, "intent")
end

local VALID = { proven = true, stored = true, handed_over = true, confirmed = true }

-- Find the key of a certificate of ours that is proven and listed. Such a key can sign the proof that addKey wants.
local function find_proof_key(self)
  for _, row in ipairs(rows:all(self.run.journal, self.application.appId)) do
    local is_valid = VALID[row.state] and row.body.ends > graph_clock.now()
    local pem = is_valid and M.find(row, M.listed(self.application)) and rows:value(self.run.journal, row)
    local key = pem and crypto.certificate(pem)
    if key then return key end
  end
end

-- Add the certificate to the application, unless Entra lists it already (after a lost answer).
local function add_certificate(self)
  local journal, row = self.run.journal, self.row
  if self.before_sending then self:before_sending() end
  local key = assert(crypto.certificate(rows:value(journal, row)))
  rows:stage(journal, row, "sent", { sent_at = graph_clock.now() })
  local own = key_credential_of_row(row)
  local key_id = key_credentials.add(self.application, own, key:describe().der, find_proof_key(self))
  rows:put(journal, row, "known", { key_id = key_id, known_at = graph_clock.now() })
end

M.steps = { intent = add_certificate, sent = add_certificate }

--- Raise "conflict" when the certificate that this run made and proved is not listed any more: another installation has
--- written the list of certificates meanwhile. Waits.
---@param self rotation.Credential
function M.check_listed(self)
  local ok, failure = pcall(key_credentials.check_listed, self.application, key_credential_of_row(self.row))
  if ok then return end
  credential_changes.note_gone(self, self.row)
  error(failure, 0)
end

--- Remove the certificate that this run made and stored nowhere yet. Raises "conflict".
---@param self rotation.Credential
---@param why string
function M.withdraw(self, why)
  M.remove(self.application, self.row)
  rows:close(self.run.journal, self.row, why)
  fail.raise {
    kind = "conflict", what = ("make a certificate for '%s'"):format(self.terms.name),
    why = why .. "; the certificate made here was removed again",
    fix = "Run the same command again: it goes on with the certificate that the sink holds, if that one signs in.",
  }
end

---------------------------------------------------------------------------
-- Removing a certificate

--- Remove a certificate from the application. No failure when it is gone already. Waits.
---@param application table
---@param row certificate.row?
---@param credential table? Entra's entry, where there is no row
---@param more rotation.removal?
function M.remove(application, row, credential, more)
  local own = row and key_credential_of_row(row)
  if not own then
    own = { key_id = credential.keyId, name = tostring(credential.displayName) }
    local der = type(credential.key) == "string" and crypto.unbase64(credential.key)
    own.sha256 = der and crypto.hex(crypto.digest("sha256", der)) or ""
  end
  local in_use = more and more.in_use
  key_credentials.remove(application, own, in_use and in_use.body)
end

return M
