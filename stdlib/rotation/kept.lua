--- Rows of the journal with a sealed value each: how they are put on record, opened and closed.

local crypto = require "host.crypto"
local fail = require "fail"
local record = require "record"
local time = require "time"

local M = {}

local BIN = 30 * 86400 -- seconds a deleted application can be restored, its credentials with it

---@class rotation.kept.kind
---@field kind string of the rows
---@field type string what a row is about: "client secret"
---@field use string what the value is sealed as: "secret"
---@field first string the state a new row is in
---@field usable table<string, true> the states in which there is a value, not on its way out

---@class rotation.kept
---@field own rotation.kept.kind
local Kept = {}
Kept.__index = Kept

--- Rows of one kind.
---@param own rotation.kept.kind
---@return rotation.kept
function M.of(own) return setmetatable({ own = own }, Kept) end

--- Is there a value, not on its way out?
---@param row host.journal.row
---@return boolean
function Kept:usable(row) return self.own.usable[row.state] == true end

--- Those on record, or those of one application; oldest first.
---@param journal host.journal.journal?
---@param app_id string?
---@return host.journal.row[]
function Kept:all(journal, app_id)
  local rows = {}
  for _, row in ipairs(journal and journal:list(self.own.kind) or {}) do
    if row.body.type == self.own.type and (not app_id or row.body.app_id == app_id) then rows[#rows + 1] = row end
  end
  return rows
end

--- A new row, not yet on record, with a marker for the credential's displayName.
---@param journal host.journal.journal?
---@param body table
---@return host.journal.row
function Kept:new(journal, body)
  local own, id, now = self.own, crypto.hex(crypto.random(8)), time.now()
  body.type = own.type
  body.marker = body.marker or ("ml:%s:%s"):format(journal and journal:installation() or "", id)
  return { id = id, kind = own.kind, state = own.first, body = body, created = now, updated = now }
end

--- Put the row on record in this state; durable when the call returns, or it raises.
---@param journal host.journal.journal
---@param row host.journal.row
---@param state string
---@param more table? members of the body to set
function Kept:put(journal, row, state, more)
  self:stage(journal, row, state, more)
  record.commit(journal)
end

--- As put, durable with the next commit (the door commits before it sends).
---@param journal host.journal.journal
---@param row host.journal.row
---@param state string
---@param more table?
function Kept:stage(journal, row, state, more)
  for name, value in pairs(more or {}) do row.body[name] = value end
  journal:put(self.own.kind, row.id, state, row.body, time.now())
  row.state, row.updated = state, time.now()
end

local function sealed_as(self, row) return self.own.use .. "/" .. row.id end

--- Seal the value under the row's id; durable with the next commit.
---@param journal host.journal.journal
---@param row host.journal.row
---@param value host.secret
function Kept:seal(journal, row, value) journal:seal(sealed_as(self, row), value) end

--- The value, unsealed. Nil: none is held. An error when the key does not open it.
---@param journal host.journal.journal?
---@param row host.journal.row
---@return host.secret?
function Kept:value(journal, row)
  if not journal or not self:usable(row) and row.state ~= "retiring" then return nil end
  local value, message = journal:unseal(sealed_as(self, row))
  if value or not message then return value end
  fail.raise {
    kind = "journal", what = ("open the sealed %s %s"):format(self.own.type, row.body.marker), why = message,
    fix = "The profile's key must be the one the journal was made with.",
  }
end

--- Those before this one are in use no longer: they get their date. Durable with the next commit.
---@param journal host.journal.journal
---@param rows host.journal.row[] of the application
---@param row host.journal.row the one in use
---@param retire_at number
function Kept:supersede(journal, rows, row, retire_at)
  for _, other in ipairs(rows) do
    if other.id ~= row.id and self:usable(other) then
      self:stage(journal, other, "retiring", { retire_at = retire_at, why = "replaced by " .. row.body.marker })
    end
  end
end

--- Its application was deleted, and it comes back should that be restored: the value stays sealed for as long.
---@param journal host.journal.journal
---@param row host.journal.row
---@param now number
function Kept:go_with_application(journal, row, now)
  self:put(journal, row, "retiring", { retire_at = now + BIN, why = "its application was deleted" })
end

--- Close the row and forget its value. Only what is superseded by something in use, or was never in force.
---@param journal host.journal.journal
---@param row host.journal.row
---@param why string
function Kept:close(journal, row, why)
  journal:forget(sealed_as(self, row))
  self:put(journal, row, "closed", { why = why, closed_at = time.now() })
end

return M
