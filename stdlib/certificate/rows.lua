--- The journal's records of certificates: one row a certificate, with its key.
--
-- States: made (sealed), uploaded, proven, in_use (its file is written), retiring
-- (with a date), closed.

local crypto = require "host.crypto"
local fail = require "fail"
local record = require "record"
local time = require "time"

local M = {}

M.KIND = "certificate"

---@class certificate.row: host.journal.row
---@field body certificate.body

---@class certificate.body
---@field type "certificate"
---@field application string object id
---@field app_id string client id
---@field name string of the application
---@field workflow string
---@field marker string its displayName at the application
---@field key_id string chosen by us
---@field sha256 string hexadecimal, of the certificate
---@field ends number
---@field adopted boolean? it was found in its file
---@field made_at number
---@field proven_at number?
---@field retire_at number?
---@field where string? its file
---@field why string?

local USABLE = { made = true, uploaded = true, proven = true, in_use = true }

--- Can it be used, and is not on its way out?
---@param row certificate.row
---@return boolean
function M.usable(row) return USABLE[row.state] == true end

--- The certificates on record for an application, oldest first.
---@param journal host.journal.journal?
---@param app_id string
---@return certificate.row[]
function M.all(journal, app_id)
  local rows = {}
  for _, row in ipairs(journal and journal:list(M.KIND) or {}) do
    if row.body.app_id == app_id then rows[#rows + 1] = row end
  end
  return rows
end

--- A new row, not yet on record.
---@param journal host.journal.journal?
---@param body table
---@return certificate.row
function M.new(journal, body)
  local id = crypto.hex(crypto.random(8))
  body.type, body.key_id = "certificate", body.key_id or crypto.uuid()
  body.marker = body.marker or ("ml:%s:%s"):format(journal and journal:installation() or "", id)
  return { id = id, kind = M.KIND, state = "made", body = body, created = time.now(), updated = time.now() }
end

--- Put the row on record in this state; durable when the call returns, or it raises.
---@param journal host.journal.journal
---@param row certificate.row
---@param state string
---@param more table? members of the body to set
function M.put(journal, row, state, more)
  M.stage(journal, row, state, more)
  record.commit(journal)
end

--- As put, durable with the next commit (the door commits before it sends).
---@param journal host.journal.journal
---@param row certificate.row
---@param state string
---@param more table?
function M.stage(journal, row, state, more)
  for name, value in pairs(more or {}) do row.body[name] = value end
  journal:put(M.KIND, row.id, state, row.body, time.now())
  row.state, row.updated = state, time.now()
end

--- Seal key and certificate under the row's id; durable with the next commit.
---@param journal host.journal.journal
---@param row certificate.row
---@param pem host.secret
function M.seal(journal, row, pem) journal:seal("certificate/" .. row.id, pem) end

--- Key and certificate, unsealed; nil when none is held.
---@param journal host.journal.journal?
---@param row certificate.row
---@return host.secret?
function M.pem(journal, row)
  if not journal then return nil end
  local pem, message = journal:unseal("certificate/" .. row.id)
  if pem or not message then return pem end
  fail.raise {
    kind = "journal", what = ("open the sealed key of %s"):format(row.body.marker), why = message,
    fix = "The profile's key must be the one the journal was made with.",
  }
end

--- Close the row and forget its key.
---@param journal host.journal.journal
---@param row certificate.row
---@param why string
function M.close(journal, row, why)
  journal:forget("certificate/" .. row.id)
  M.put(journal, row, "closed", { why = why })
end

return M
