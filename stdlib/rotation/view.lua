--- What the journal and Entra together say of an application's client secrets.
--- No effects: everything it needs is handed in.

local marker = require "rotation.marker"
local rows = require("rotation.store").client_secrets
local time = require "time"

local M = {}

---@class rotation.view
---@field newest rotation.row? the newest with a value that can still be used
---@field older rotation.row[] other usable ones: superseded once the newest is confirmed
---@field intents rotation.row[] recorded, never sent
---@field lost { row: rotation.row, credential: table? }[] sent, the answer never came
---@field retiring rotation.row[] replaced, kept until their date
---@field overdue rotation.row[] retiring ones whose date has come
---@field expired rotation.row[]
---@field foreign table[] credentials this journal does not know
---@field due string? why a new one is needed

local function index(credentials)
  local by_id, by_marker = {}, {}
  for _, credential in ipairs(credentials) do
    by_id[credential.keyId] = credential
    local found = marker.of_credential(credential.displayName)
    if found then by_marker[found] = credential end
  end
  return by_id, by_marker
end

--- When a credential ends.
---@param credential table
---@return number
function M.ends(credential)
  local text = credential.endDateTime
  return type(text) == "string" and time.parse(text) or math.huge
end

--- The credential of a row among those of the application.
---@param row rotation.row
---@param credentials table[]
---@return table?
function M.find(row, credentials)
  local by_id, by_marker = index(credentials)
  return row.body.key_id and by_id[row.body.key_id] or by_marker[row.body.marker]
end

-- What is known of the credential of a lost answer: listed now, or seen before.
local function seen(row, credential)
  return credential or (row.body.key_id and { keyId = row.body.key_id, hint = row.body.hint }) or nil
end

local function is_over(row, now)
  local ends = row.body.ends
  return ends ~= nil and ends <= now
end

local function sort_usable(view, usable)
  view.newest = table.remove(usable)
  view.older = usable
end

-- Where each row belongs.
local function place(view, row, credential, now, usable)
  local state = row.state
  if state == "intent" then view.intents[#view.intents + 1] = row
  elseif state == "sent" then
    if is_over(row, now) then view.expired[#view.expired + 1] = row
    else view.lost[#view.lost + 1] = { row = row, credential = seen(row, credential) } end
  elseif state == "retiring" then
    local list = is_over(row, now) and view.expired or row.body.retire_at <= now and view.overdue or view.retiring
    list[#list + 1] = row
  elseif rows:usable(row) then
    if is_over(row, now) then view.expired[#view.expired + 1] = row else usable[#usable + 1] = row end
  end
end

--- Why a new one is needed, if one is.
---@param view rotation.view
---@param terms { now: number, renew_before: number }
---@return string?
function M.why_due(view, terms)
  local newest = view.newest
  if not newest then
    if #view.expired > 0 then return "the one before has expired" end
    local lost = view.lost[#view.lost]
    return lost and ("the answer to %s was lost, and its value with it"):format(lost.row.body.marker) or nil
  end
  if not newest.body.ends then return nil end
  local left = newest.body.ends - terms.now
  if left <= terms.renew_before then return ("the one in use ends in %s"):format(time.span(left)) end
end

--- Put everything in its place.
---@param list rotation.row[] of one application, oldest first
---@param credentials table[] its passwordCredentials
---@param terms { now: number, renew_before: number }
---@return rotation.view
function M.of(list, credentials, terms)
  local view = { older = {}, intents = {}, lost = {}, retiring = {}, overdue = {}, expired = {}, foreign = {} }
  local known, usable = {}, {}
  for _, row in ipairs(list) do
    local credential = M.find(row, credentials)
    if credential then known[credential] = true end
    place(view, row, credential, terms.now, usable)
  end
  sort_usable(view, usable)
  for _, credential in ipairs(credentials) do
    if not known[credential] and M.ends(credential) > terms.now then table.insert(view.foreign, credential) end
  end
  view.due = M.why_due(view, terms)
  return view
end

--- Does Entra's hint of the credential fit the value? Of a short value less is
--- shown; what cannot be told apart fits.
---@param credential table
---@param value host.secret
---@return boolean
function M.same_hint(credential, value)
  local shown = value:hint(3)
  return type(credential.hint) == "string" and credential.hint:sub(1, #shown) == shown
end

--- May the credential of a lost answer be removed by itself? Its marker is an open
--- intent of this journal; a readable sink must hold something else, and another
--- unexpired credential of ours must be proven.
---@param credential table
---@param newest rotation.row?
---@param held host.secret? what the readable sink holds
---@return boolean
function M.removable(credential, newest, held)
  if not held or not newest or not newest.body.proven_at or newest.body.key_id == credential.keyId then return false end
  return type(credential.hint) == "string" and not M.same_hint(credential, held)
end

return M
