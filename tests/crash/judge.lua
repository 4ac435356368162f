--- What is there in the end, seen from the clouds' side and by another client:
--- is it exactly what one undisturbed run would have left?

local json = require "host.json"
local scene = require "crash.scene"

local M = {}

local NAME = "Devolutions PAM"
local TAG = "moonlatch-setup-entra-pam-provider"
local PERMISSIONS = { "Group.Read.All", "RoleManagement.ReadWrite.Directory", "User.Read.All" }
local MARKER = "ml:%x+:%x+"

---------------------------------------------------------------------------
-- What is nobody's business here

local FOREIGN = [[{"name":"Payroll","path":"","type":"Credential","subType":"Default","description":"",
  "tags":["payroll"],"data":{"domain":"","username":"payroll","password":"correct horse"}}]]

-- All of it as texts, to be compared.
local function read_foreign(point, app)
  local texts = {}
  for i, value in ipairs(point.cloud:graph_all {
    "/applications(appId='" .. app.appId .. "')", "/servicePrincipals(appId='" .. app.appId .. "')",
    "/servicePrincipals/" .. app.principal .. "/appRoleAssignments",
    "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'" .. app.principal .. "'",
  }) do texts[i] = json.encode(value) end
  for _, text in ipairs(point.cloud:entries()) do
    if not text:find('"moonlatch', 1, true) then texts[#texts + 1] = text end
  end
  return texts
end

--- Put things of others beside ours.
---@param point crash.point
---@return table foreign to be handed to `look`
function M.furnish(point)
  local cloud = point.cloud
  local app = cloud:control("/tenant", { ["do"] = "add_app", with = { {
    name = "Payroll", permissions = { "User.Read.All" }, roles = { "Directory Readers" }, days = 3650,
  } } }).result
  cloud:open_server()
  cloud:add_entry(FOREIGN)
  return { app = app, texts = read_foreign(point, app) }
end

local function look_at_foreign(point, foreign)
  local now = read_foreign(point, foreign.app)
  for i = 1, math.max(#now, #foreign.texts) do
    if now[i] ~= foreign.texts[i] then
      point:complain("what is not ours was touched:\n  %s\n  %s", tostring(foreign.texts[i]), tostring(now[i]))
    end
  end
end

---------------------------------------------------------------------------
-- Reading what is ours

local function each(list, holds)
  local found = {}
  for _, item in ipairs(list) do
    if holds(item) then found[#found + 1] = item end
  end
  return found
end

local function with(texts, tag)
  return each(texts, function(text) return text:find('"' .. tag .. '"', 1, true) ~= nil end)
end

local function read_rows(point)
  local rows = {}
  for _, row in ipairs(json.decode(point:must(0, { "journal", "list", "--json" }).out)) do
    if row.kind == "client secret" then rows[row.name] = row end
  end
  return rows
end

local function is_ours(thing) return thing.displayName == NAME end

local function read_granted(point, found)
  local principal = found.principals[1]
  if not principal then return end
  local grants, roles = table.unpack(point.cloud:graph_all {
    "/servicePrincipals/" .. principal.id .. "/appRoleAssignments",
    "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'" .. principal.id .. "'",
  })
  found.grants, found.roles = grants.value, roles.value
end

local function read(point)
  local cloud = point.cloud
  cloud:open_server()
  local found, entries = { grants = {}, roles = {}, rows = read_rows(point) }, cloud:entries()
  local applications, principals, deleted, graph = table.unpack(cloud:graph_all {
    "/applications?$top=999", "/servicePrincipals?$top=999", "/directory/deletedItems/microsoft.graph.application",
    "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=appRoles",
  })
  found.applications, found.principals = each(applications.value, is_ours), each(principals.value, is_ours)
  found.deleted, found.permissions = deleted.value, {}
  for _, role in ipairs(graph.appRoles) do found.permissions[role.id] = role.value end
  found.entries, found.probes = with(entries, TAG), with(entries, "moonlatch-probe")
  read_granted(point, found)
  return found
end

--- What counts later of how things were after the blow: what the entry held, and what had been asked.
---@param point crash.point
---@return table
function M.remember(point)
  point.cloud:open_server()
  local entry = with(point.cloud:entries(), TAG)[1]
  return { marker = entry and entry:match(MARKER), requests = #point.cloud:requests() }
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

local function judge_things(point, found)
  local wanted = table.concat(PERMISSIONS, " ")
  expect(point, "applications", 1, #found.applications)
  expect(point, "service principals", 1, #found.principals)
  expect(point, "grants", wanted, names_of(found, found.grants))
  expect(point, "role assignments", 1, #found.roles)
  expect(point, "entries", 1, #found.entries)
  expect(point, "probe entries", 0, #found.probes)
  local required = found.applications[1] and found.applications[1].requiredResourceAccess or {}
  expect(point, "resources asked for", 1, #required)
  expect(point, "permissions asked for", wanted, names_of(found, required[1] and required[1].resourceAccess or {}))
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
    local key = thing.why:match("moonlatch journal retire ([%x-]+)")
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
  if not row then return credential.displayName == "made by hand" end
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
  if not text:find("may be hidden still", 1, true) then point:complain("what is hidden is not warned of") end
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

-- The one before is let go by its date, and by a journal that knows it.
local function judge_first(point, found)
  if not point.first then return end
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
  if point.blow.state == "kept" then return end
  for _, request in ipairs(point.cloud:requests()) do
    if request.n > point.before.requests and request.path:find("removePassword", 1, true) then
      point:complain("something was removed although the journal was %s", point.blow.state)
    end
  end
end

-- What a person was told to do for the rest does it, and harms nothing.
local function follow_advice(point, advice, marker, value)
  for key in pairs(advice) do point:must(0, { "journal", "retire", key, "--yes" }) end
  point.cloud:pass("1h")
  local application = point:application()
  for _, credential in ipairs(application.passwordCredentials) do
    if advice[credential.keyId] then point:complain("%s cannot be retired", credential.displayName) end
  end
  if not has(application, marker) then point:complain("the current one was retired with the others") end
  expect(point, "signing in after it", 200, (point.cloud:sign_in(application.appId, value)))
end

local function look_after_apply(point)
  local found = read(point)
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

local function look_after_destroy(point)
  local found = read(point)
  for _, what in ipairs { "applications", "principals", "grants", "roles", "entries", "probes" } do
    expect(point, what, 0, #found[what])
  end
  expect(point, "deleted applications", 1, #found.deleted)
  local again = point:must(0, point.act.words)
  expect(point, "things to remove once more", 0, json.decode(again.out).changes.delete)
end

--- Is everything as it should be? Complaints go to the point.
---@param point crash.point
---@param foreign table
function M.look(point, foreign)
  point.cloud:pass("1h") -- nothing is hidden by lag then
  if point.act.name == "destroy" then look_after_destroy(point) else look_after_apply(point) end
  point:must(0, { "journal", "verify" })
  point.cloud:open_server()
  look_at_foreign(point, foreign)
end

return M
