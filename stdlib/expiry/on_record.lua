--- What the journal says of dates: the client secrets and certificates that are in use, that wait to be brought to
--- where they are used, or that are replaced and still sign in; and the hand-overs that nobody confirmed.

local hint = require "log.hint"
local in_use = require "journal.in_use"
local rotations = require "journal.rotations"
local sets = require "base.sets"
local states = require "handover.state"

local M = {}

---@alias expiry.use "in use"|"waiting"|"retiring"|"to confirm"|"assigned"|"eligible"|"kept"|"in the tenant"

---@class expiry.item something with an expiry date
---@field key string the same at every look: "client secret/<id of the row>"
---@field kind string "client secret", "certificate", "hand-over", "role", "sign-in"
---@field use expiry.use
---@field name string of the application or person
---@field short string? of a credential: "…c7e1"
---@field detail string? more about it, for people
---@field ends number? nil: the date is not known
---@field fix string? what to do before that date
---@field source "journal"|"machine"|"tenant/role"|"tenant/client secret"|"tenant/applications" where this was seen
---@field app_id string? client id
---@field key_id string? of a credential

local EXPIRED = "it has expired" -- why the row of an expired credential is closed

-- Does the consumer still have the credential of this row, although the row may be closed?
local function is_in_use_still(row) return row.state ~= "closed" or row.body.why == EXPIRED end

local function credential_item(row, use, fix)
  return {
    key = row.body.type .. "/" .. row.id, kind = row.body.type, use = use, name = row.body.name,
    short = in_use.short_key_id(row), ends = row.body.ends, fix = fix, source = "journal", app_id = row.body.app_id,
    key_id = row.body.key_id,
  }
end

local CONFIRM = "Bring it to where it is used, then say so: {moonlatch} handover"

-- The hand-over of a client secret that nobody confirmed: until then, the consumer works as long as the one before.
local function handover_item(found)
  local row, has = found.waiting, found.has
  local stage = states.delivery_stage(row)
  if row.kind ~= rotations.client_secrets.kind or stage ~= "to give" and stage ~= "given" then return nil end
  local ends = has and has.body.ends or row.body.ends
  return {
    key = "hand-over/" .. row.id, kind = "hand-over", use = "to confirm", name = row.body.name,
    short = in_use.short_key_id(row), ends = ends, source = "journal", app_id = row.body.app_id,
    key_id = row.body.key_id, fix = hint.text(CONFIRM),
    detail = has and ("until then %s is used"):format(in_use.short_key_id(has)) or nil,
  }
end

local function add_application_items(items, journal, list)
  local found = in_use.sort(list)
  local waiting = found.waiting
  if found.has and is_in_use_still(found.has) then
    local fix = waiting and hint.text(CONFIRM) or states.renewal_of_secret(journal, found.has)
    items[#items + 1] = credential_item(found.has, "in use", waiting and fix or "Replace it: " .. fix)
  end
  if waiting then
    items[#items + 1] = credential_item(waiting, "waiting", hint.text(CONFIRM))
    items[#items + 1] = handover_item(found)
  end
  for _, row in ipairs(found.retiring) do
    items[#items + 1] = credential_item(row, "retiring")
    items[#items].detail = row.body.why
  end
end

local function rows_by_application(list)
  local by_application = {}
  for _, row in ipairs(list) do
    local of_one = by_application[row.body.app_id] or {}
    by_application[row.body.app_id] = of_one
    of_one[#of_one + 1] = row
  end
  return by_application
end

--- The dates on record.
---@param journal host.journal.journal
---@return expiry.item[]
function M.read(journal)
  local items = {}
  for _, store in ipairs { rotations.client_secrets, rotations.certificates } do
    local by_application = rows_by_application(store:all(journal))
    for _, app_id in ipairs(sets.sorted(by_application)) do
      add_application_items(items, journal, by_application[app_id])
    end
  end
  return items
end

return M
