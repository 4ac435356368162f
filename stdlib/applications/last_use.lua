--- When and from where each credential was last used, as far as Entra tells: the daily report of the whole tenant, and
--- what the journal keeps of the sign-in log for the applications that Moonlatch follows.

local daily_report = require "evidence.daily_report"
local principal_report = require "evidence.principal_report"
local store = require "evidence.store"

local M = {}

local DAY = 86400

-- The places of the credentials with a key id, by client id and key id. An application and its service principal may
-- each have a credential of one key id.
local function index(list, places)
  local by_name = {}
  for place, one in list:each(places) do
    if one.key ~= "" then
      local name = one.of.client_id .. one.key
      local known = by_name[name]
      if type(known) == "table" then known[#known + 1] = place
      else by_name[name] = known and { known, place } or place end
    end
  end
  return by_name
end

local ORIGINS = { application = "application", servicePrincipal = "service principal" }

-- Note what a row of the report says of the credential at a place. One key id may have several rows.
local function add_row(uses, list, place, row)
  if list:at(place).of.origin ~= ORIGINS[row.origin] then return end
  local use = uses[place]
  if not use or row.at and (not use.at or row.at > use.at) then uses[place] = { source = "report", at = row.at } end
end

--- Add what the daily report knows of the credentials at these places. Without a row it stays unknown whether a
--- credential was used. Waits. Raises a failure when the report cannot be had, or only a part of it: a later row could
--- have told of a later use.
---@param list applications.credential_list
---@param places integer[]
function M.add_report(list, places)
  local by_name, uses = index(list, places), {}
  for row in daily_report.read() do
    local found = by_name[row.app_id .. row.key_id]
    if type(found) ~= "table" then found = { found } end
    for _, place in ipairs(found) do add_row(uses, list, place, row) end
  end
  list.uses = uses
end

--- Add what the daily report on service principals knows of the applications of these credentials. Waits. Raises a
--- failure when the report cannot be had, or only a part of it.
---@param list applications.credential_list
---@param places integer[]
function M.add_principals(list, places)
  local is_listed, last_of, people_of = {}, {}, {}
  for _, one in list:each(places) do is_listed[one.of.client_id] = true end
  for row in principal_report.read() do
    local id = row.app_id
    if is_listed[id] and row.last then
      last_of[id] = math.max(row.last, last_of[id] or row.last)
      people_of[id] = row.people and math.max(row.people, people_of[id] or row.people) or people_of[id]
    end
  end
  list.last_of, list.people_of = last_of, people_of
end

-- The newest use by somebody else, and whether we used the credential ourselves at or after `since`.
local function newest(uses, key, since)
  local last, ours
  for _, use in ipairs(uses) do
    if use.key_id == key and use.ours then
      ours = ours or since ~= nil and use.last >= since
    elseif use.key_id == key and (not last or use.last > last.last) then
      last = use
    end
  end
  return last, ours
end

local function add_log(list, place, key, uses)
  local known = list.uses[place]
  local at = known and known.at
  -- the report is about a day late: a use of that day may be the proof that Moonlatch made
  local last, ours = newest(uses, key, at and at - DAY)
  if last and (not at or last.last >= at) then
    list.uses[place] = { source = "log", at = last.last, address = last.address ~= "" and last.address or nil,
      failed = last.last ~= last.last_success or nil }
  elseif at then
    known.ours = ours or nil
  end
end

--- Add what the journal keeps of the sign-in log, which also knows from where. Something is kept only of the
--- applications that Moonlatch follows.
---@param list applications.credential_list
---@param places integer[]
---@param journal host.journal.journal
function M.add_log(list, places, journal)
  local kept = {}
  for _, client in ipairs(store.applications(journal)) do kept[client] = store.uses(journal, client) end
  if not next(kept) then return end
  for place, one in list:each(places) do
    local uses = kept[one.of.client_id]
    if uses and one.key ~= "" then add_log(list, place, one.key, uses) end
  end
end

-- Did people sign in through the application within so long? Which credential it used then is told by no report.
local function is_used_by_people(owner, seconds, now)
  local use = owner.use_by_kind
  return use ~= nil and use.people ~= nil and now - use.people < seconds
end

--- Was the credential unused for so long? "unknown" without a row in the report, where the only use that is known may
--- be a proof of ours, where people signed in through the application, and where other tenants may have it: their
--- reports are not read. A credential that is younger was not unused for so long.
---@param one applications.credential
---@param seconds number
---@param now number server time
---@return "yes"|"no"|"unknown"
function M.unused_for(one, seconds, now)
  local use = one.use
  if one.from and now - one.from < seconds then return "no" end
  if not use then return "unknown" end
  if use.at and now - use.at < seconds then return use.ours and "unknown" or "no" end
  return (one.of.other_tenants or is_used_by_people(one.of, seconds, now)) and "unknown" or "yes"
end

return M
