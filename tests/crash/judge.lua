--- What is there in the end, seen from the clouds' side and by another client:
--- is it exactly what one undisturbed run would have left?

local json = require "host.json"
local scene = require "crash.scene"
local sight = require "crash.sight"

local M = {}

local PERMISSIONS = "Group.Read.All RoleManagement.ReadWrite.Directory User.Read.All"
local MARKER = sight.MARKER
local BY_HAND = { ["made by hand"] = true, [sight.NAME] = true } -- names of credentials we did not make

local function look_at_foreign(point, foreign)
  local now = sight.foreign(point, foreign.app)
  for i = 1, math.max(#now, #foreign.texts) do
    if now[i] ~= foreign.texts[i] then
      point:complain("what is not ours was touched:\n  %s\n  %s", tostring(foreign.texts[i]), tostring(now[i]))
    end
  end
end

-- The names of all client secrets that Entra lists, by key id.
local function client_secrets(point)
  local names = {}
  for _, application in ipairs(point.cloud:graph("/applications?$top=999").value) do
    for _, secret in ipairs(application.passwordCredentials) do names[secret.keyId] = secret.displayName end
  end
  return names
end

--- What counts later of how things were after the blow: what the entry held, and which client secrets there were.
---@param point crash.point
---@return { marker: string?, keys: table<string, string> }
function M.remember(point)
  point.cloud:open_server()
  local entry = sight.entry(point)
  return { marker = entry and entry:match(MARKER), keys = client_secrets(point) }
end

---------------------------------------------------------------------------
-- Judging

local function expect(point, what, wanted, got)
  if wanted ~= got then point:complain("%s: %s instead of %s", what, tostring(got), tostring(wanted)) end
end

local function names_of(found, grants)
  local names = {}
  for i, grant in ipairs(grants) do names[i] = found.permissions[grant.appRoleId or grant.id] or "?" end
  table.sort(names)
  return table.concat(names, " ")
end

local function asked_for(found)
  local required = found.applications[1] and found.applications[1].requiredResourceAccess or {}
  return #required, names_of(found, required[1] and required[1].resourceAccess or {})
end

local function judge_things(point, found)
  local resources, permissions = asked_for(found)
  expect(point, "applications", 1, #found.applications)
  expect(point, "service principals", 1, #found.principals)
  expect(point, "grants", PERMISSIONS, names_of(found, found.grants))
  expect(point, "role assignments", point.client and 2 or 1, #found.roles)
  expect(point, "entries", 1, #found.entries)
  expect(point, "probe entries", 0, #found.probes)
  expect(point, "resources asked for", 1, resources)
  expect(point, "permissions asked for", PERMISSIONS, permissions)
end

local PASSING = { retiring = true, sent = true, closed = true }
-- Until a person says that the new one is in use, the one before is kept, in whatever state it is.
local KEPT = { retiring = true, sent = true, closed = true, confirmed = true, known = true, stored = true }

-- The secret in the entry is the current one: it signs in, and the journal says so.
local function judge_current(point, found)
  local text, application = found.entries[1], found.applications[1]
  local value, marker = text:match('"clientSecret":"([^"]+)"'), text:match(MARKER)
  expect(point, "client id in the entry", application.appId, text:match('"clientId":"([^"]+)"'))
  local status, answer = point.cloud:sign_in(application.appId, value)
  if status ~= 200 then point:complain("the secret in the entry does not sign in: %s", answer) end
  local row = found.rows[marker]
  expect(point, "state of the secret in the entry", point.act.by_hand and "stored" or "confirmed", row and row.state)
  local fine = point.act.by_hand and point.act.renews and KEPT or PASSING
  for name, other in pairs(found.rows) do
    if name ~= marker and not fine[other.state] then
      point:complain("%s is left in the state '%s'", name, other.state)
    end
  end
  return marker, value
end

-- What a person has been told of, with how it goes: key id -> name.
local function told(report)
  local found = {}
  for _, thing in ipairs(report and report.left or {}) do
    local key = thing.why:match("journal retire ([%x-]+)")
    if key then found[key] = thing.name end
  end
  return found
end

-- What Entra still hid from the run, the next look shows: there is nothing left to do then.
local function look_once_more(point)
  local report = json.decode(point:must(point.act.by_hand and 3 or 0, scene.PLAN).out)
  local changes = report.changes
  expect(point, "things left to do", 0, changes.create + changes.update + changes.delete)
  return told(report)
end

local function is_listed(point, found, credential)
  local marker = tostring(credential.displayName):match(MARKER)
  local row = marker and found.rows[marker]
  if not row then return BY_HAND[credential.displayName] or false end
  return row.state == "retiring" or row.state == "sent" or (point.act.by_hand and point.act.renews) or false
end

-- What the entry held already is not replaced because something was stopped or lost.
local function judge_needless(point, marker)
  local before = point.before.marker
  if before and before ~= point.first then expect(point, "the secret in the entry", before, marker) end
end

-- Of what Entra hides nobody can be told at once; that there may be something is said.
local function judge_warning(point)
  if point.later == 0 or point.blow.state ~= "deleted" then return end
  local text = json.encode(point.report.steps)
  if not text:find("moonlatch[^`]* verify[^`]* lists it later") then
    point:complain("what is hidden is not warned of")
  end
end

-- Every other credential is on its way out, on record as lost, made by hand, or told of.
local function judge_others(point, found, marker, value, later)
  local current, listed = 0, told(point.report)
  for _, credential in ipairs(found.applications[1].passwordCredentials) do
    local name = tostring(credential.displayName)
    if name:sub(1, #marker) == marker then
      current = current + 1
      expect(point, "hint of the current credential", value:sub(1, 3), credential.hint)
    elseif not is_listed(point, found, credential) then
      if point.blow.state == "kept" then point:complain("the journal does not know %s", name) end
      if listed[credential.keyId] then point.listed = point.listed + 1
      elseif later[credential.keyId] then point.later = point.later + 1
      else point:complain("nobody is told of the credential '%s' (%s)", name, credential.keyId) end
    end
  end
  expect(point, "current credentials", 1, current)
end

local function has(application, marker)
  for _, credential in ipairs(application.passwordCredentials) do
    if tostring(credential.displayName):find(marker, 1, true) then return true end
  end
  return false
end

-- The one before is let go by its date, and by a journal that knows it, unless that was what
-- the blow met.
local function judge_first(point, found)
  if not point.first then return end
  if point.blow.applied and point.request:find("removePassword", 1, true) then return end
  local kept = point.blow.state == "kept"
  local stays = not kept or point.act.first ~= "closed"
  expect(point, "the one before is there", stays, has(found.applications[1], point.first))
  if kept then expect(point, "state of the one before", point.act.first, found.rows[point.first].state) end
end

-- What was in force stays; only a journal that was there all along may take something away.
local function judge_removals(point, found)
  local application, marker = found.applications[1], point.before.marker
  if marker and not has(application, marker) then point:complain("%s was in force and is gone", marker) end
  judge_first(point, found)
  expect(point, "credentials made by hand", point.act.renews and 1 or 0, has(application, "made by hand") and 1 or 0)
  if point.blow.state == "kept" or point.blow.applied and point.request:find("removePassword", 1, true) then return end
  local now = client_secrets(point)
  for key, name in pairs(point.before.keys) do -- a run may remove what it made itself, to give way to another
    if not now[key] then point:complain("%s was removed although the journal was %s", name, point.blow.state) end
  end
end

-- What a person was told to do for the rest does it, and harms nothing.
local function follow_advice(point, advice, marker, value)
  for key in pairs(advice) do
    local outcome = point:run { "journal", "retire", key, "--yes" }
    local is_used = outcome.status == 1 and outcome.err:find("it was used from", 1, true)
    if outcome.status ~= 0 then point:must(0, { "journal", "retire", key, "--yes", is_used and "--in-use" or nil }) end
  end
  point.cloud:pass("1h")
  local application = point:application()
  for _, credential in ipairs(application.passwordCredentials) do
    if advice[credential.keyId] then point:complain("%s cannot be retired", credential.displayName) end
  end
  if not has(application, marker) then point:complain("the current one was retired with the others") end
  expect(point, "signing in after it", 200, (point.cloud:sign_in(application.appId, value)))
end

-- Whose a probe entry is a lost journal cannot say: it stays until nobody can be trying with it.
local function clear_probe(point)
  if point.blow.state ~= "deleted" or #sight.read(point).probes == 0 then return end
  point:must(point.act.by_hand and 1 or 0, point.act.words)
end

local function look_after_apply(point)
  clear_probe(point)
  local found = sight.read(point)
  judge_things(point, found)
  if #found.applications ~= 1 or #found.entries ~= 1 then return end
  judge_removals(point, found)
  local marker, value = judge_current(point, found)
  judge_needless(point, marker)
  local later = look_once_more(point)
  judge_others(point, found, marker, value, later)
  judge_warning(point)
  if next(later) then follow_advice(point, later, marker, value) end
end

local function expect_none(point, found, names)
  for _, name in ipairs(names) do expect(point, name, 0, #found[name]) end
end

-- What was adopted is as it was before; what no journal can prove ours is left.
local function judge_given_back(point, found)
  local application = found.applications[1]
  expect_none(point, found, { "entries", "probes", "deleted" })
  expect(point, "service principals", 1, #found.principals)
  if not has(application, sight.NAME) then point:complain "the secret that was there before is gone" end
  if not names_of(found, found.grants):find("User.Read.All", 1, true) then
    point:complain "the permission that was there before is gone"
  end
  if point.blow.state ~= "kept" then return end
  local resources = asked_for(found)
  expect(point, "grants", "User.Read.All", names_of(found, found.grants))
  expect(point, "role assignments", 1, #found.roles)
  expect(point, "credentials", 1, #application.passwordCredentials)
  expect(point, "resources asked for", 0, resources)
end

local function look_after_destroy(point)
  local found = sight.read(point)
  if point.client then
    judge_given_back(point, found)
  else
    expect_none(point, found, { "applications", "principals", "grants", "roles", "entries", "probes" })
    expect(point, "deleted applications", 1, #found.deleted)
  end
  local waits = point.report and #point.report.waiting > 0 -- for a person, who has not done it meanwhile
  local again = point:must(waits and 1 or 0, point.act.words)
  expect(point, "things to remove once more", 0, json.decode(again.out).changes.delete)
end

--- Is everything as it should be? Complaints go to the point.
---@param point crash.point
---@param foreign table
function M.look(point, foreign)
  point.cloud:pass("1h") -- nothing is hidden by lag then
  if point.act.words == scene.DESTROY then look_after_destroy(point) else look_after_apply(point) end
  point:must(0, { "journal", "verify" })
  point.cloud:open_server()
  look_at_foreign(point, foreign)
end

return M
