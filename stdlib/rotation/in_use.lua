--- Which client secret the consumer has: Devolutions, or whoever signs in as the application.
--
-- It is known by a person's word, or by a readable entry that the consumer is linked to; both are on record as
-- `confirmed_at`. The consumer keeps what it was given until it is given another one: an expired secret, or one whose
-- row is closed, is still the one it has.

local rows = require("rotation.store").client_secrets

local M = {}

---@class rotation.in_use
---@field has rotation.row? the one the consumer has; nil when nobody ever said
---@field waiting rotation.row? the newest one that is meant for the consumer and not confirmed
---@field retiring rotation.row[] earlier ones that still sign in, until their date

local function confirmed_at(row) return row.body.confirmed_at or -math.huge end

-- Confirmed last; of equal moments, made last.
local function last_confirmed(list)
  local last
  for _, row in ipairs(list) do
    if row.body.confirmed_at and (not last or confirmed_at(row) >= confirmed_at(last)) then last = row end
  end
  return last
end

--- Sort the rows of one application by what the consumer does with them.
---@param list rotation.row[] oldest first, closed ones too
---@return rotation.in_use
function M.of(list)
  local found = { has = last_confirmed(list), retiring = {} }
  local after = found.has == nil
  for _, row in ipairs(list) do
    if row == found.has then after = true
    elseif after and rows:usable(row) then found.waiting = row
    elseif row.state == "retiring" then table.insert(found.retiring, row) end
  end
  return found
end

--- Name a secret as the portal's column Secret ID shows it: "…c7e1", the end of its key id.
---@param row rotation.row
---@return string
function M.short(row)
  local id = row.body.key_id
  return id and "…" .. id:sub(-4) or row.body.marker
end

--- Did it expire?
---@param row rotation.row
---@param now number server time
---@return boolean? expired nil when its end is not known
function M.expired(row, now)
  return row.body.ends and row.body.ends <= now
end

return M
