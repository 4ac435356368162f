--- The last uses of credentials and applications, by UTC day: what Graph's reports on them are computed from (recorded
--- 2026: graph2otel@dfd9ef7, signinactivity_test.go: the newest moment was 23:59:55 of the day before).

local events = require "emulator.tenant.events"
local random = require "emulator.random"

local M = {}

local DAY = events.DAY
local KEPT = 10 -- days with a use that are kept of each thing: a report may be late by as many

---@class emulator.use the last sign-in of a day
---@field day integer since 1970
---@field at number
---@field n integer number of the sign-in
---@field resource "graph"|"resource manager"

-- What is kept: uses by kind, and by key id or client id.
local KINDS = { "keys", "tried_keys", "clients", "people", "resources" }

--- Uses of nothing yet.
---@return table<string, table<string, emulator.use[]>>
function M.none()
  local uses = {}
  for _, kind in ipairs(KINDS) do uses[kind] = {} end
  return uses
end

local function note(list, record)
  list = list or {}
  local day, last = record.at // DAY | 0, list[#list]
  local use = { day = day, at = record.at, n = record.n, resource = record.resource }
  list[last and last.day == day and #list or #list + 1] = use
  if #list > KEPT then table.remove(list, 1) end
  return list
end

--- Note the use that a sign-in was. The reports count people only as sign-ins by a client, not as uses of its
--- credential: the sign-in of a person does not say which credential there was.
---@param record emulator.sign_in
function M:note_use(record)
  local uses = self.uses
  if record.key then uses.tried_keys[record.key] = note(uses.tried_keys[record.key], record) end
  if record.code then return end
  if record.key then uses.keys[record.key] = note(uses.keys[record.key], record) end
  local kind = record.user and "people" or "clients"
  uses[kind][record.app] = note(uses[kind][record.app], record)
  local resource = self.graph.appId
  if record.resource ~= "resource manager" then uses.resources[resource] = note(uses.resources[resource], record) end
end

--- Forget the uses of a credential that was removed.
---@param key string
function M:forget_use(key)
  self.uses.keys[key], self.uses.tried_keys[key] = nil, nil
end

--- The last day that is in the reports.
---@return integer
function M:reported_day()
  return (self.now() - self.flags.report_delay) // DAY - 1 | 0
end

-- A credential of the crowd is used as its number says: most of them each day, some long ago, some never.
local function use_by_crowd(tenant, key, day)
  local number = tonumber(key:sub(1, 8), 16)
  local share = random.fraction(tenant.seed, "crowd's use", number)
  if share > 0.8 then return nil end
  local used = share < 0.5 and day or day - (share * 900) // 1
  return { day = used, at = used * DAY + random.fraction(tenant.seed, "moment of use", number) * (DAY - 1),
    n = number & 0xFFFFFF, resource = "graph" }
end

--- The last use up to the last day that is reported.
---@param kind "keys"|"clients"|"people"|"resources"
---@param id string key id or client id
---@param by_crowd boolean? it belongs to the crowd
---@return emulator.use?
function M:last_use(kind, id, by_crowd)
  local day = self:reported_day()
  if by_crowd then return use_by_crowd(self, id, day) end
  if kind == "keys" and self.flags.report_counts_failures then kind = "tried_keys" end
  local list = self.uses[kind][id] or {}
  for i = #list, 1, -1 do
    if list[i].day <= day then return list[i] end
  end
end

return M
