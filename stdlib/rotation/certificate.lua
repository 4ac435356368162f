--- A certificate as a kind of credential. We choose the key, so it is made and sealed before Entra hears of it. A lost
--- answer costs nothing: the same certificate is added again. An application may have several.

local clock_skew = require "rotation.clock_skew"
local crypto = require "host.crypto"
local graph_clock = require "graph.clock"
local key_credentials = require "entra.key_credentials"
local rows = require("journal.rotations").certificates

---@type rotation.kind
local M = { name = "certificate", rows = rows, gone = 700027, must_be_listed = true }

local SKEW = 300 -- seconds before its creation from which it is valid, for clocks that are behind
local HIDDEN = 300 -- seconds for which Entra's list may lack a new certificate

local function own_of(row)
  return { key_id = row.body.key_id, sha256 = row.body.sha256, name = row.body.marker }
end

---------------------------------------------------------------------------
-- Looking

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

--- Is the certificate so new that a missing entry proves nothing?
---@param row certificate.row
---@return boolean
function M.is_new(row)
  local since = row.body.known_at
  return row.state == "sent" or since ~= nil and graph_clock.now() - since <= HIDDEN
end

local function about_of(pem)
  local key = crypto.certificate(pem)
  return key and key:describe()
end

--- Does the certificate belong to this key?
---@param credential table of Graph
---@param pem host.secret
---@return boolean
function M.fits(credential, pem)
  local about = about_of(pem)
  return about ~= nil and key_credentials.is_certificate(credential, { sha256 = crypto.hex(about.sha256) })
end

--- The members of a row for a key that was found somewhere.
---@param pem host.secret
---@return table body
function M.body_of(pem)
  local about = assert(about_of(pem))
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
-- Having one

--- Begin: make the key, seal it, and put it on record, before Entra hears of it.
---@param self rotation.Credential
function M.begin(self)
  clock_skew.check "have a certificate made"
  local now, application, terms = math.floor(graph_clock.now()), self.application, self.terms
  local pem = crypto.self_signed(terms.name:sub(1, 64), now - SKEW, math.floor(now + terms.lifetime))
  local about = assert(about_of(pem))
  self.row = rows:new(self.run.journal, {
    application = application.id, app_id = application.appId, name = terms.name, workflow = terms.workflow,
    key_id = crypto.uuid(), sha256 = crypto.hex(about.sha256), ends = about.not_after, made_at = now,
    lifetime = terms.lifetime, grace = terms.grace,
  })
  rows:seal(self.run.journal, self.row, pem)
  rows:put(self.run.journal, self.row, "intent")
end

local VALID = { proven = true, stored = true, handed_over = true, confirmed = true }

-- The key of a certificate of ours that signs in and is listed: it can sign a proof for a new one.
local function vouching(self)
  for _, row in ipairs(rows:all(self.run.journal, self.application.appId)) do
    local is_valid = VALID[row.state] and row.body.ends > graph_clock.now()
    local pem = is_valid and M.find(row, M.listed(self.application)) and rows:value(self.run.journal, row)
    local key = pem and crypto.certificate(pem)
    if key then return key end
  end
end

-- Add the certificate. Looks at the list first: it may be there already, after a lost answer.
local function add(self)
  local journal, row = self.run.journal, self.row
  local key = assert(crypto.certificate(rows:value(journal, row)))
  rows:stage(journal, row, "sent", { sent_at = graph_clock.now() })
  local key_id = key_credentials.add(self.application, own_of(row), key:describe().der, vouching(self))
  rows:put(journal, row, "known", { key_id = key_id, known_at = graph_clock.now() })
end

M.steps = { intent = add, sent = add }

---------------------------------------------------------------------------
-- Removing

--- Remove a certificate. One that is gone already is no failure. Waits.
---@param application table
---@param row certificate.row?
---@param credential table? Entra's entry, where there is no row
---@param _ any
---@param kept certificate.row? a certificate that must be listed, else nothing is written
function M.remove(application, row, credential, _, kept)
  local own = row and own_of(row)
  if not own then
    own = { key_id = credential.keyId, name = tostring(credential.displayName) }
    local der = type(credential.key) == "string" and crypto.unbase64(credential.key)
    own.sha256 = der and crypto.hex(crypto.digest("sha256", der)) or ""
  end
  key_credentials.remove(application, own, kept and kept.body)
end

return M
