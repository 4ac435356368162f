--- Which credential the consumer has. The consumer is Devolutions, or whatever else signs in as the application.
---
--- It is known from a person, or from an entry that can be read back and that the consumer is linked to. The journal
--- has both as `confirmed_at`. The consumer keeps the credential that it was given until it is given another one: also
--- when that one has expired, or its row is closed.

local rotations = require "journal.rotations"
local time = require "time"

local M = {}

---@class journal.in_use
---@field has rotation.row? the one that the consumer has; nil when nobody ever said
---@field waiting rotation.row? the newest one that is meant for the consumer and not confirmed
---@field retiring rotation.row[] earlier ones that still sign in, until their date

local STORES = {
  [rotations.client_secrets.kind] = rotations.client_secrets, [rotations.certificates.kind] = rotations.certificates,
}

local function is_usable(row) return STORES[row.kind]:usable(row) end

local function is_replaced(row) return tostring(row.body.why):find("^replaced by ") ~= nil or row.body.from ~= nil end

-- Dates do not decide this: a clock may have been set back since. At most one row is in the state confirmed, and a row
-- that was replaced names its successor.
local function last_confirmed(list)
  local last
  for _, row in ipairs(list) do
    if row.state == "confirmed" then return row end
    if row.body.confirmed_at and not is_replaced(row) then last = row end
  end
  return last
end

--- Sort the rows of one kind of credential of an application by how the consumer uses them.
---@param list rotation.row[] oldest first, closed ones too
---@return journal.in_use
function M.of(list)
  local found = { has = last_confirmed(list), retiring = {} }
  local after = found.has == nil
  for _, row in ipairs(list) do
    if row == found.has then after = true
    elseif after and is_usable(row) then found.waiting = row
    elseif row.state == "retiring" then table.insert(found.retiring, row) end
  end
  return found
end

--- Name a credential as the column "Secret ID" of the portal does: "…c7e1", the last characters of its key id.
---@param row rotation.row
---@return string
function M.short(row)
  local id = row.body.key_id
  return id and "…" .. id:sub(-4) or row.body.marker
end

--- Has the credential expired? No when its expiry date is unknown.
---@param row rotation.row
---@param now number server time
---@return boolean
function M.expired(row, now)
  local ends = row.body.ends
  return ends ~= nil and ends <= now
end

---------------------------------------------------------------------------
-- In words

--- The name of the consumer, for people.
---@param devolutions table? of the profile
---@return string
function M.consumer(devolutions)
  if not devolutions then return "whoever signs in with it" end
  return devolutions.server and "Devolutions Server" or "Devolutions Cloud"
end

-- "which ends in 12 days (2027-05-04)"
local function end_of(row, now)
  local ends = row.body.ends
  if not ends then return "whose end is not known" end
  if ends <= now then return ("which expired %s ago (%s)"):format(time.span(now - ends), time.day(ends)) end
  return ("which expires in %s (%s)"):format(time.span(ends - now), time.day(ends))
end

-- Since when the credential waits: since it was handed over, stored, or made.
local function waits_since(row)
  local body = row.body
  return body.stored_at or body.proven_at or body.known_at or row.updated
end

--- "Devolutions Cloud was given …c7e1, which expired 5 days ago (2027-05-04); a new one, …90ab, has waited to be pasted
--- since 2027-04-04". Nil when nobody ever said which one the consumer has.
---@param found journal.in_use
---@param who string as M.consumer says
---@param now number server time
---@return string?
function M.sentence(found, who, now)
  if not found.has then return nil end
  local text = ("%s was given %s, %s"):format(who, M.short(found.has), end_of(found.has, now))
  local waiting = found.waiting
  if not waiting then return text end
  return ("%s; a new one, %s, has waited to be pasted since %s"):format(text, M.short(waiting),
    time.day(waits_since(waiting)))
end

--- How it is known, in words: " (so said a person on 2027-05-04; it cannot be looked at from here)". "" for a
--- credential that was read back.
---@param row rotation.row the one that the consumer has
---@return string
function M.by_word(row)
  if row.body.confirmed_by ~= "a person" then return "" end
  return (" (so said %s on %s; it cannot be looked at from here)"):format(row.body.confirmed_who or "a person",
    time.day(row.body.confirmed_at))
end

return M
