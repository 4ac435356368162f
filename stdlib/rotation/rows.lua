--- The journal's records of client secrets: one row a rotation.
--
-- States: intent, sent, known (sealed), proven, stored or handed_over,
-- confirmed, retiring (with a date), closed; orphaned when a person must look.

local crypto = require "host.crypto"
local fail = require "fail"
local record = require "record"
local time = require "time"

local M = {}

M.KIND = "intent"

---@class rotation.row: host.journal.row
---@field body rotation.body

---@class rotation.body
---@field type "client secret"
---@field application string object id
---@field app_id string client id
---@field name string of the application
---@field workflow string
---@field marker string the start of the credential's displayName
---@field lifetime number seconds
---@field grace number seconds
---@field ends number? server time
---@field key_id string?
---@field hint string?
---@field adopted boolean? its value was found in a sink
---@field sent_at number?
---@field known_at number?
---@field proven_at number?
---@field stored_at number?
---@field confirmed_at number?
---@field retire_at number?
---@field looked_at number? last look for a lost one
---@field why string?

-- A value can be had for these: it is sealed in the journal.
local USABLE = { known = true, proven = true, stored = true, handed_over = true, confirmed = true }

--- Is there a value, not on its way out?
---@param row rotation.row
---@return boolean
function M.usable(row) return USABLE[row.state] == true end

--- All client secrets on record, or those of one application; oldest first.
---@param journal host.journal.journal?
---@param app_id string?
---@return rotation.row[]
function M.all(journal, app_id)
  local rows = {}
  for _, row in ipairs(journal and journal:list(M.KIND) or {}) do
    if row.body.type == "client secret" and (not app_id or row.body.app_id == app_id) then rows[#rows + 1] = row end
  end
  return rows
end

--- Applications the journal knows besides, which were adopted.
---@param journal host.journal.journal
---@return { body: { application: string } }[]
function M.applications(journal)
  local list = {}
  for _, row in ipairs(journal:list "adopted") do list[#list + 1] = { body = { application = row.body.id } } end
  return list
end

--- A new row, not yet on record.
---@param journal host.journal.journal
---@param body table
---@return rotation.row
function M.new(journal, body)
  local id = crypto.hex(crypto.random(8))
  body.type = "client secret"
  body.marker = body.marker or ("ml:%s:%s"):format(journal:installation(), id)
  return { id = id, kind = M.KIND, state = "intent", body = body, created = time.now(), updated = time.now() }
end

--- Put the row on record in this state; durable when the call returns, or it raises.
---@param journal host.journal.journal
---@param row rotation.row
---@param state string
---@param more table? members of the body to set
function M.put(journal, row, state, more)
  M.stage(journal, row, state, more)
  M.commit(journal)
end

--- As put, durable with the next commit (the door commits before it sends).
---@param journal host.journal.journal
---@param row rotation.row
---@param state string
---@param more table?
function M.stage(journal, row, state, more)
  for name, value in pairs(more or {}) do row.body[name] = value end
  journal:put(M.KIND, row.id, state, row.body, time.now())
  row.state, row.updated = state, time.now()
end

--- Make what is staged durable, or raise.
M.commit = record.commit

--- The value, unsealed. Nil: none is held. An error when the key does not open it.
---@param journal host.journal.journal?
---@param row rotation.row
---@return host.secret?
function M.value(journal, row)
  if not journal or not M.usable(row) and row.state ~= "retiring" then return nil end
  local value, message = journal:unseal("secret/" .. row.id)
  if value or not message then return value end
  fail.raise {
    kind = "journal", what = ("open the sealed secret %s"):format(row.body.marker), why = message,
    fix = "The profile's key must be the one the journal was made with.",
  }
end

--- Seal the value under the row's id.
---@param journal host.journal.journal
---@param row rotation.row
---@param value host.secret
function M.seal(journal, row, value) journal:seal("secret/" .. row.id, value) end

--- Close the row and forget its value. Only what is superseded by something confirmed, or was never in force.
---@param journal host.journal.journal
---@param row rotation.row
---@param why string
function M.close(journal, row, why)
  journal:forget("secret/" .. row.id)
  M.put(journal, row, "closed", { why = why, closed_at = time.now() })
end

return M
