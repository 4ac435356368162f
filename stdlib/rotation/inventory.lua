--- Compare the journal's rows with Entra's list of an application's credentials of one kind: which credential is in
--- use, which ones retire, and which ones the journal does not know. Sends no request.

local lifetime = require "journal.lifetime"
local markers = require "journal.marker"
local secret = require "host.secret"
local time = require "time"

local M = {}

---@class rotation.inventory
---@field newest rotation.row? the newest row with a value that the consumer uses, or may use later
---@field older rotation.row[] other rows with such a value: they are replaced once the newest is confirmed
---@field intents rotation.row[] rows that were recorded and never sent
---@field lost { row: rotation.row, credential: table? }[] rows that were sent, and whose answer with the value was lost
---@field retiring rotation.row[] replaced rows, whose credentials stay until their retirement date
---@field overdue rotation.row[] retiring rows whose retirement date has passed
---@field expired rotation.row[]
---@field foreign table[] credentials that this journal does not know
---@field due string? why a new one is needed

--- When a credential expires.
---@param credential table of Graph
---@return number math.huge when Entra does not say
function M.credential_expiry(credential)
  local text = credential.endDateTime
  return type(text) == "string" and time.parse(text) or math.huge
end

--- When a credential became valid. Nil when Entra does not say.
---@param credential table of Graph
---@return number?
function M.credential_start(credential)
  local text = credential.startDateTime
  return type(text) == "string" and time.parse(text) or nil
end

--- Find the client secret of a row in a list: by its key id, else by the marker in its name.
---@param row rotation.row
---@param credentials table[] passwordCredentials
---@return table?
function M.find(row, credentials)
  local by_marker
  for _, credential in ipairs(credentials) do
    if row.body.key_id and credential.keyId == row.body.key_id then return credential end
    if markers.of_credential(credential.displayName) == row.body.marker then by_marker = credential end
  end
  return by_marker
end

-- The credential of a lost answer: Entra's entry, or the key id and hint that an earlier run saw.
local function lost_credential(row, credential)
  return credential or (row.body.key_id and { keyId = row.body.key_id, hint = row.body.hint }) or nil
end

local function is_credential_row_expired(row, now)
  local ends = row.body.ends
  return ends ~= nil and ends <= now
end

-- The list of the inventory to which a row without a usable value belongs; nil when the row is closed.
local function inventory_list_for_row(view, row, now)
  local state = row.state
  if state == "intent" then return view.intents end
  if state ~= "retiring" and state ~= "sent" then return nil end
  if is_credential_row_expired(row, now) then return view.expired end
  if state == "sent" then return view.lost end
  return row.body.retire_at <= now and view.overdue or view.retiring
end

local function sort_row_into_inventory(view, kind, row, credential, now)
  if kind.rows:usable(row) then
    table.insert(is_credential_row_expired(row, now) and view.expired or view.older, row)
    return
  end
  local list = inventory_list_for_row(view, row, now)
  if list == view.lost then table.insert(list, { row = row, credential = lost_credential(row, credential) })
  elseif list then table.insert(list, row) end
end

--- Why a new credential is needed; nil when none is.
---@param view rotation.inventory
---@param terms rotation.dates
---@param now number server time
---@return string?
function M.why_due(view, terms, now)
  if view.newest then return lifetime.why_due(view.newest, terms, now) end
  if #view.expired > 0 then return "the one before has expired" end
  local lost = view.lost[#view.lost]
  return lost and ("the answer to %s was lost, and its value with it"):format(lost.row.body.marker) or nil
end

--- Sort the credentials of one application.
---@param kind rotation.kind
---@param rows rotation.row[] of one application, oldest first
---@param credentials table[] of that kind, as Entra lists them
---@param terms rotation.dates
---@param now number server time
---@return rotation.inventory
function M.take(kind, rows, credentials, terms, now)
  local view = { older = {}, intents = {}, lost = {}, retiring = {}, overdue = {}, expired = {}, foreign = {} }
  local known = {}
  for _, row in ipairs(rows) do
    local credential = kind.find(row, credentials)
    if credential then known[credential] = true end
    sort_row_into_inventory(view, kind, row, credential, now)
  end
  view.newest = table.remove(view.older)
  for _, credential in ipairs(credentials) do
    if not known[credential] and M.credential_expiry(credential) > now then table.insert(view.foreign, credential) end
  end
  view.due = M.why_due(view, terms, now)
  return view
end

--- The credential whose key id is the value, because somebody pasted the id in place of the value; nil when none has
--- it.
---@param value host.secret
---@param credentials table[]
---@return table?
function M.credential_with_id(value, credentials)
  for _, credential in ipairs(credentials) do
    local id <close> = secret.from(credential.keyId)
    local upper <close> = secret.from(credential.keyId:upper())
    if secret.equals(value, id) or secret.equals(value, upper) then return credential end
  end
end

return M
