--- The journal's rows of rotations: users' passwords, client secrets and certificates. A row holds the state of a
--- rotation; the values are sealed beside it, under names made from the rotation's id.
---
--- A row of a user's password belongs to the account: its id is the account's object id, and the next rotation uses it
--- again, so no account can have two open rotations. A row of a client secret or of a certificate belongs to one
--- rotation: an application has many.

local class = require "base.class"
local commit = require "journal.commit"
local crypto = require "host.crypto"
local fail = require "fail"
local hint = require "log.hint"
local markers = require "journal.marker"
local sets = require "base.sets"
local time = require "time"

local M = {}

local RESTORABLE = 30 * 86400 -- seconds for which a deleted application can be restored with its credentials

---@class rotation.rows.kind
---@field kind string of the journal's rows
---@field type string what a row is about, for people: "client secret"
---@field sealed_as string the start of the names under which its values are sealed
---@field first string the state a new row is in
---@field has_value table<string, true>? states in which the value of a row can be opened; nil: all
---@field usable table<string, true>? states in which the value may be the one in use
---@field former table<string, string>? a state's name in earlier versions -> its name now

---@class rotation.Rows
---@field kind string
---@field own rotation.rows.kind
local Store = class "rotation.Rows"

local function new_rotation_store(own) return Store { kind = own.kind, own = own } end

---------------------------------------------------------------------------
-- Rows of rotations

--- A new row with an id and a marker of its own. It is not on record yet.
---@param journal host.journal.journal?
---@param body table becomes the row's body; `marker` is kept when it is there
---@param id string? of the row, when it differs from the rotation's id
---@return host.journal.row
function Store:new(journal, body, id)
  local rotation, now = crypto.hex(crypto.random(8)), time.now()
  body.type = self.own.type
  body.marker = body.marker or markers.make(journal and journal:installation() or "", rotation)
  if id then body.rotation = rotation end
  return { id = id or rotation, kind = self.kind, state = self.own.first, body = body, created = now, updated = now }
end

-- The rows of this kind, with the present names of states.
local function list_rotation_rows(self, journal, except)
  local rows, former = {}, self.own.former or {}
  for _, row in ipairs(journal:list(self.kind, except)) do
    row.state = former[row.state] or row.state
    if row.body.type == self.own.type then rows[#rows + 1] = row end
  end
  return rows
end

--- The row of that id. Nil when there is none.
---@param journal host.journal.journal
---@param id string
---@return host.journal.row?
function Store:get(journal, id)
  local row = journal:get(self.kind, id)
  if row and self.own.former then row.state = self.own.former[row.state] or row.state end
  return row
end

--- The rows on record, or those of one application; oldest first.
---@param journal host.journal.journal?
---@param app_id string? client id
---@return host.journal.row[]
function Store:all(journal, app_id)
  local rows = {}
  for _, row in ipairs(journal and list_rotation_rows(self, journal) or {}) do
    if not app_id or row.body.app_id == app_id then rows[#rows + 1] = row end
  end
  return rows
end

--- The rows of rotations that are not closed, oldest first.
---@param journal host.journal.journal
---@return host.journal.row[]
function Store:unfinished(journal) return list_rotation_rows(self, journal, "closed") end

--- The row with this id, marker, rotation or key id; the oldest when several fit. Nil when there is none.
---@param journal host.journal.journal
---@param name string
---@return host.journal.row?
function Store:named(journal, name)
  for _, row in ipairs(list_rotation_rows(self, journal)) do
    local body = row.body
    if row.id == name or body.marker == name or body.rotation == name or body.key_id == name then return row end
  end
end

--- Put the row on record in this state. Durable with the next commit; the gate commits before it sends.
---@param journal host.journal.journal
---@param row host.journal.row
---@param state string
---@param more table? members of the body to set
function Store:stage(journal, row, state, more)
  for name, value in pairs(more or {}) do row.body[name] = value end
  local now = time.now()
  journal:put(self.kind, row.id, state, row.body, now)
  row.state, row.updated = state, now
end

--- Put the row on record in this state. Durable when the call returns; raises "journal" when it cannot be written.
---@param journal host.journal.journal
---@param row host.journal.row
---@param state string
---@param more table? members of the body to set
function Store:put(journal, row, state, more)
  self:stage(journal, row, state, more)
  commit.commit(journal)
end

--- Write the staged rows and sealed values to disk. Tasks that call this in the same turn share one commit.
---@param journal host.journal.journal
function Store.commit(_, journal) commit.commit(journal) end

---------------------------------------------------------------------------
-- Sealed values

--- The name under which a value of the row is sealed.
---@param row host.journal.row
---@param number integer? of the value, where a rotation has several
---@return string
function Store:sealed_name(row, number)
  local name = self.own.sealed_as .. "/" .. (row.body.rotation or row.id)
  return number and ("%s/%d"):format(name, number) or name
end

--- Seal a value of the row; durable with the next commit.
---@param journal host.journal.journal
---@param row host.journal.row
---@param value host.secret
---@param number integer?
function Store:seal(journal, row, value, number) journal:seal(self:sealed_name(row, number), value) end

--- The value that is sealed under a name. Nil when there is none. Raises "journal" when the key does not open it.
---@param journal host.journal.journal
---@param name string as sealed_name gives it
---@return host.secret?
function Store:unseal(journal, name)
  local value, message = journal:unseal(name)
  if value or not message then return value end
  fail.raise {
    kind = "journal", what = ("open the sealed %s %s"):format(self.own.type, name), why = message,
    fix = hint.text("Name the key in the profile that the journal was made with; or check the journal: {moonlatch} "
      .. "journal verify"),
  }
end

--- A value of the row. Nil when there is none, or when the row's state has no value. Raises "journal" when the key does
--- not open it.
---@param journal host.journal.journal?
---@param row host.journal.row
---@param number integer?
---@return host.secret?
function Store:value(journal, row, number)
  local has_value = self.own.has_value
  if not journal or has_value and not has_value[row.state] then return nil end
  return self:unseal(journal, self:sealed_name(row, number))
end

--- Forget a value of the row; durable with the next commit. Call this only for a value that was replaced by one in use,
--- or that was never in force.
---@param journal host.journal.journal
---@param row host.journal.row
---@param number integer?
function Store:forget(journal, row, number) journal:forget(self:sealed_name(row, number)) end

---------------------------------------------------------------------------
-- Rows of applications

--- Has the row a value that the consumer uses, or may use later?
---@param row host.journal.row
---@return boolean
function Store:usable(row) return self.own.usable[row.state] == true end

local function replaced_by_text(row) return "replaced by " .. row.body.marker end

--- Give the application's other usable rows a retirement date, because `row` replaced them. Durable with the next
--- commit.
---@param journal host.journal.journal
---@param rows host.journal.row[] of the application
---@param row host.journal.row of the credential in use
---@param retire_at number
function Store:supersede(journal, rows, row, retire_at)
  for _, other in ipairs(rows) do
    if other.id ~= row.id and self:usable(other) then
      self:stage(journal, other, "retiring", {
        retire_at = retire_at, from = other.state, why = replaced_by_text(row), successor = row.id,
      })
    end
  end
end

-- Did `row` replace `other`? Earlier versions of Moonlatch recorded the successor in `why` only.
local function is_successor_row(row, other)
  local successor = other.body.successor
  return successor == row.id or not successor and other.state == "retiring" and other.body.why == replaced_by_text(row)
end

--- Undo `supersede`: give the rows that this row replaced their former state. A row that was closed since stays closed,
--- but does not count as replaced any more, because the consumer may still have its credential. Durable with the next
--- commit.
---@param journal host.journal.journal
---@param rows host.journal.row[] of the application
---@param row host.journal.row
function Store:reinstate(journal, rows, row)
  for _, other in ipairs(rows) do
    local before, is_closed = other.body.from, other.state == "closed"
    if before and (is_closed or other.state == "retiring") and is_successor_row(row, other) then
      other.body.retire_at, other.body.from, other.body.successor = nil, nil, nil
      if not is_closed then other.body.why = nil end
      self:stage(journal, other, is_closed and "closed" or before)
    end
  end
end

--- Was the row's application deleted? Then the credential is valid again when the application is restored.
---@param row host.journal.row
---@return boolean
function Store.is_application_deleted(_, row) return row.state == "retiring" and row.body.before_bin ~= nil end

--- Record that the row's application was deleted. The value stays sealed while the application can be restored.
---@param journal host.journal.journal
---@param row host.journal.row
---@param now number
function Store:record_application_deleted(journal, row, now)
  if self:is_application_deleted(row) then return end
  local before = { state = row.state, retire_at = row.body.retire_at, why = row.body.why }
  self:put(journal, row, "retiring", { retire_at = now + RESTORABLE, why = "its application was deleted",
    before_bin = before })
end

--- Record that the row's application was restored: the row gets its former state back. Durable with the next commit.
---@param journal host.journal.journal? nil: change the row only
---@param row host.journal.row
function Store:record_application_restored(journal, row)
  local body, before = row.body, row.body.before_bin
  body.retire_at, body.why, body.before_bin = before.retire_at, before.why, nil
  row.state = before.state
  if journal then self:stage(journal, row, before.state) end
end

--- Close the row and erase the value that the journal keeps for it. Call this only for a value that was replaced by
--- one in use, or that was never in force.
---@param journal host.journal.journal
---@param row host.journal.row
---@param why string
function Store:close(journal, row, why)
  self:forget(journal, row)
  self:put(journal, row, "closed", { why = why, closed_at = time.now() })
end

---------------------------------------------------------------------------
-- The three kinds


---@class rotation.account_row: host.journal.row
---@field body rotation.account

---@class rotation.previous
---@field marker string
---@field changed_at number
---@field value string? the name under which the value is sealed

---@class rotation.account
---@field type "user password"
---@field user string object id
---@field name string user principal name when the rotation began; of a closed rotation, the entry's name
---@field policy string
---@field marker string of the rotation: "ml:<installation>:<rotation>"
---@field rotation string
---@field candidates rotation.candidate[] its values
---@field before number? the directory's date of the last change when the rotation was judged
---@field seen string|false|nil the marker of the current entry when the rotation was judged; false for none
---@field pending_at number? when its pending entry was written, server time
---@field pending { vault: string, ids: string[] }? its pending entries: id of the vault, and of each value's
--- entry ("" for none)
---@field shown number? the directory's date of the last change, as the last look before a send saw it
---@field probe { span: table, moment: number }? an accepted change whose date is outside the span of its request
---@field unshown boolean? Entra accepted the value once, and the directory did not show it after five minutes
---@field chosen integer? number of the value that is in force
---@field changed_at number? when the value in force came into force, by the directory
---@field value string? the name under which the value in force is sealed
---@field sent { number: integer, first: number, from: number, to: number }? when a request with the value in force
--- was sent that may still be carried out once more
---@field modified string? when we last modified the current entry, by the server's clock
---@field entry string? id of the current entry
---@field where string? the place of that entry, for people
---@field previous rotation.previous? the value that was in force before, until this rotation is closed
---@field closed_at number?
---@field adopted boolean? was the value in force found in the sink?
---@field left table<string, true|"own">? pending values that stop nothing: of other rotations that a person passed
--- over, and our own of rotations that ended with an unknown outcome
---@field quiet_until number? until when a request of the rotation before may still be carried out
---@field kept string[]? names under which the values of rotations with an unknown outcome are sealed
---@field kept_until number? until when these values stay sealed
---@field from string? the state before orphaned
---@field why string?
---@field forgiven number? a person has looked, and accepts changes up to this date of the directory

--- Users' passwords: one row for each account, so that no account can have two open rotations. States: intent (value
--- sealed), pending (in the sink, read back), sent, changed, current (read back), closed; left when the rotation ended
--- with an unknown outcome; orphaned when a person must look.
M.user_passwords = new_rotation_store {
  kind = "password", type = "user password", sealed_as = "password", first = "intent",
}

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
---@field made_at number? of a credential that was found: when it began, by Entra
---@field key_id string?
---@field hint string?
---@field adopted boolean? was its value found in a sink?
---@field by_person boolean? did a person make it and give it to the consumer? Its value is not kept here
---@field sent_at number?
---@field known_at number?
---@field proven_at number?
---@field stored_at number?
---@field confirmed_at number? when it became known that the consumer has it
---@field confirmed_by string? how that is known: "a person", "read back from …, which …"
---@field confirmed_who string? the person's user name
---@field retire_at number?
---@field from string? the state before retiring
---@field successor string? id of the row that replaced it
---@field looked_at number? when the credential of a lost answer was last looked for
---@field before_bin { state: string, retire_at: number?, why: string? }? its state when its application was deleted
---@field why string?

--- Client secrets. States: intent, sent, known (sealed), proven, stored or handed_over, confirmed, retiring
--- (with a date), closed.
M.client_secrets = new_rotation_store {
  kind = "intent", type = "client secret", sealed_as = "secret", first = "intent",
  usable = sets.of { "known", "proven", "stored", "handed_over", "confirmed" },
  has_value = sets.of { "known", "proven", "stored", "handed_over", "confirmed", "retiring" },
}

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
---@field lifetime number? seconds
---@field grace number? seconds
---@field adopted boolean? was it found in a file?
---@field made_at number
---@field sent_at number?
---@field known_at number?
---@field proven_at number?
---@field confirmed_at number?
---@field retire_at number?
---@field where string? the place of the key
---@field before_bin { state: string, retire_at: number?, why: string? }? its state when its application was deleted
---@field why string?

--- Certificates. States: intent (key made and sealed), sent, known (Entra has it), proven, stored or handed_over,
--- confirmed (in use), retiring (with a date), closed.
M.certificates = new_rotation_store {
  kind = "certificate", type = "certificate", sealed_as = "certificate", first = "intent",
  usable = sets.of { "intent", "sent", "known", "proven", "stored", "handed_over", "confirmed" },
  has_value = sets.of { "intent", "sent", "known", "proven", "stored", "handed_over", "confirmed", "retiring" },
  former = { made = "sent", uploaded = "known", in_use = "confirmed" },
}

return M
