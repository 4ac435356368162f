--- Which credential the consumer has. The consumer is Devolutions, or another service that signs in as the application.
---
--- A person says which credential the consumer has, or an entry does that can be read back and that the consumer is
--- linked to. The journal records both as `confirmed_at`. The consumer has that credential until another one is
--- confirmed, even when the credential has expired or its row is closed.

local rotations = require "journal.rotations"
local time = require "time"

local M = {}

---@class journal.in_use
---@field has rotation.row? the credential that the consumer has; nil when none was ever confirmed
---@field waiting rotation.row? the newest credential that is meant for the consumer and not confirmed
---@field retiring rotation.row[] earlier credentials that still sign in, until their retirement date

local STORES = {
  [rotations.client_secrets.kind] = rotations.client_secrets, [rotations.certificates.kind] = rotations.certificates,
}

local function is_usable_credential(row) return STORES[row.kind]:usable(row) end

local function is_replaced_credential(row)
  return tostring(row.body.why):find("^replaced by ") ~= nil or row.body.from ~= nil
end

-- The row of the credential that was confirmed last. Its state and its successor decide, not its dates, because a clock
-- may have been set back since. At most one row is in the state confirmed, and a row that was replaced names its
-- successor.
local function last_confirmed_credential(list)
  local last
  for _, row in ipairs(list) do
    if row.state == "confirmed" then return row end
    if row.body.confirmed_at and not is_replaced_credential(row) then last = row end
  end
  return last
end

--- Sort the rows of one kind of credential of an application by how the consumer uses them.
---@param list rotation.row[] oldest first, closed ones too
---@return journal.in_use
function M.sort(list)
  local found = { has = last_confirmed_credential(list), retiring = {} }
  local after = found.has == nil
  for _, row in ipairs(list) do
    if row == found.has then after = true
    elseif after and is_usable_credential(row) then found.waiting = row
    elseif row.state == "retiring" then table.insert(found.retiring, row) end
  end
  return found
end

--- Name a credential as the column "Secret ID" of the portal does: "…c7e1", the last characters of its key id.
---@param row rotation.row
---@return string
function M.short_key_id(row)
  local id = row.body.key_id
  return id and "…" .. id:sub(-4) or row.body.marker
end

--- Has the credential expired? No when its expiry date is unknown.
---@param row rotation.row
---@param now number server time
---@return boolean
function M.is_expired(row, now)
  local ends = row.body.ends
  return ends ~= nil and ends <= now
end

---------------------------------------------------------------------------
-- In words

--- The name of the consumer, for people.
---@param devolutions table? of the profile
---@return string
function M.consumer_name(devolutions)
  if not devolutions then return "whoever signs in with it" end
  return devolutions.server and "Devolutions Server" or "Devolutions Cloud"
end

-- "which expires in 12 days (2027-05-04)"
local function credential_expiry_text(row, now)
  local ends = row.body.ends
  if not ends then return "whose expiry date is not known" end
  if ends <= now then return ("which expired %s ago (%s)"):format(time.span(now - ends), time.day(ends)) end
  return ("which expires in %s (%s)"):format(time.span(ends - now), time.day(ends))
end

-- The moment since which the credential waits to be confirmed: when it was stored, proven, or made.
local function credential_waiting_since(row)
  local body = row.body
  return body.stored_at or body.proven_at or body.known_at or row.updated
end

--- Which credential the consumer has, as a sentence: "Devolutions Cloud was given …c7e1, which expired 5 days ago
--- (2027-05-04); a new one, …90ab, has waited to be pasted since 2027-04-04". Nil when none was ever confirmed.
---@param found journal.in_use
---@param who string the consumer's name
---@param now number server time
---@return string?
function M.consumer_sentence(found, who, now)
  if not found.has then return nil end
  local text = ("%s was given %s, %s"):format(who, M.short_key_id(found.has), credential_expiry_text(found.has, now))
  local waiting = found.waiting
  if not waiting then return text end
  return ("%s; a new one, %s, has waited to be pasted since %s"):format(text, M.short_key_id(waiting),
    time.day(credential_waiting_since(waiting)))
end

--- How it is known that a credential is in use, where neither a person said so nor an entry was read back.
M.BY_LOG = "sign-ins in Entra's log"

--- Who confirmed the credential: " (so said a person on 2027-05-04; it cannot be looked at from here)", or " (Entra's
--- log of 2027-05-04 shows sign-ins with it)". "" for a credential that was read back.
---@param row rotation.row of the credential that the consumer has
---@return string
function M.confirmation_text(row)
  if row.body.confirmed_by == M.BY_LOG then
    return (" (Entra's log of %s shows sign-ins with it)"):format(time.day(row.body.confirmed_at))
  end
  if row.body.confirmed_by ~= "a person" then return "" end
  return (" (so said %s on %s; it cannot be looked at from here)"):format(row.body.confirmed_who or "a person",
    time.day(row.body.confirmed_at))
end

return M
