--- Recorded answers of Graph beside those of the emulator: the same requests, in the same order, and every difference
--- of status, headers, members and forms is named. Recordings are files of JSON in a folder beside this repository;
--- where the folder is not there, this says so and is skipped.

local fake = require "fake_tenant" -- it says where the emulator is

local batch = require "emulator.graph.batch"
local graph = require "emulator.graph"
local refusal = require "emulator.login.refusal"
local json = require "host.json"
local lfs = require "lfs"
local secret = require "host.secret"
local sys = require "host.sys"

local FOLDER = SOURCE .. "/../shared/recordings"
local HOST, BASE = "https://graph.microsoft.com", "https://127.0.0.1:4711"
local GUID = "%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x"

-- Headers that are compared; the others name machines, times and requests.
local HEADERS = { "cache-control", "content-type", "location", "odata-version", "strict-transport-security",
  "transfer-encoding", "vary", "x-ms-resource-unit" }

---------------------------------------------------------------------------
-- The form of a value

-- In the order in which they are tried: several forms fit some texts.
local FORMS = {
  { "GUID", "^" .. GUID .. "$" },
  { "43 letters", "^" .. ("[%w_-]"):rep(43) .. "$" }, { "43 letters-1", "^" .. ("[%w_-]"):rep(43) .. "%-1$" },
  { "43 letters-1-e", "^" .. ("[%w_-]"):rep(43) .. "%-1%-e$" },
  { "moment in seconds", "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$" },
  { "moment in milliseconds", "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d?%d?Z$" },
  { "moment in ticks", "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d+Z$" },
  { "moment without zone", "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d$" },
  { "context", "^https://.*%$metadata#" },
}

local function form_of(value)
  if value == json.null then return "null" end
  if secret.is(value) then return "text" end
  if type(value) ~= "string" then return json.is_array(value) and "list" or type(value) end
  for _, form in ipairs(FORMS) do
    if value:match(form[2]) then return form[1] end
  end
  return "text"
end

local compare

local function compare_objects(path, recorded, made, note)
  local names = {}
  for name in pairs(recorded) do names[name] = true end
  for name in pairs(made) do names[name] = true end
  for name in pairs(names) do compare(path .. "." .. tostring(name), recorded[name], made[name], note) end
end

function compare(path, recorded, made, note)
  if recorded == nil then return note(path .. ": not recorded") end
  if made == nil then return note(path .. ": missing") end
  local wanted, got = form_of(recorded), form_of(made)
  if wanted ~= got then return note(("%s: %s, recorded %s"):format(path, got, wanted)) end
  if wanted == "table" then return compare_objects(path, recorded, made, note) end
  if wanted ~= "list" then return end
  if #recorded ~= #made then note(("%s: %d entries, recorded %d"):format(path, #made, #recorded)) end
  for i = 1, math.min(#recorded, #made) do compare(path .. "[]", recorded[i], made[i], note) end
end

---------------------------------------------------------------------------
-- Asking again

---@class replay
---@field world table
---@field ids table<string, string> recorded id -> the emulator's
local Replay = {}
Replay.__index = Replay

local function escaped(text) return (text:gsub("%p", "%%%0")) end

function Replay:map(text)
  for recorded, made in pairs(self.ids) do text = text:gsub(escaped(recorded), (made:gsub("%%", "%%%%"))) end
  return text
end

-- Recorded bodies have their secrets removed.
function Replay:body(value)
  if type(value) == "string" then return self:map(value) end
  if type(value) ~= "table" or value == json.null then return value end
  local made = json.is_array(value) and json.array {} or {}
  for name, member in pairs(value) do
    made[name] = name == "password" and secret.generate(20) or self:body(member)
  end
  return made
end

-- Learn which object of the emulator is which recorded one.
function Replay:learn(recorded, made)
  if type(recorded) ~= "table" or type(made) ~= "table" or recorded == json.null or made == json.null then return end
  for name, value in pairs(recorded) do
    if (name == "id" or name == "appId" or name == "keyId") and type(made[name]) == "string" then
      self.ids[value] = made[name]
    else
      self:learn(value, made[name])
    end
  end
end

function Replay:ask(request)
  local url = self:map(request.url):gsub("^" .. escaped(HOST), ""):gsub("^/beta", "/v1.0")
  local path, query = url:match("^([^?]*)%??(.*)$")
  return graph.handle(self.world.tenant, { method = request.method, path = path, query = batch.options(query),
    header = function() return nil end, body = request.body and self:body(request.body), base = BASE }, self.claims)
end

local function lower_names(headers)
  local lower = {}
  for name, value in pairs(headers) do lower[name:lower()] = value end
  return lower
end

function Replay:compare_headers(recorded, made, note)
  recorded, made = lower_names(recorded), lower_names(made)
  for _, name in ipairs(HEADERS) do
    local wanted = recorded[name] and self:map(recorded[name]):gsub("^" .. escaped(HOST), BASE):gsub("/$", "")
    local got = made[name]
    if wanted and self.tenant then wanted = wanted:gsub("/v2/" .. GUID, "/v2/" .. self.tenant) end
    if wanted ~= got then note(("%s: %s, recorded %s"):format(name, tostring(got), tostring(wanted))) end
  end
end

--- Ask for one exchange again; the differences.
function Replay:exchange(exchange)
  local found, answer = {}, exchange.answer
  local function note(text) found[#found + 1] = text end
  local status, headers, body = self:ask(exchange.request)
  self:learn(answer.body, body)
  if answer.status ~= json.null and status ~= answer.status then
    note(("status: %s, recorded %s"):format(status, answer.status))
  end
  if next(answer.headers or {}) then self:compare_headers(answer.headers, headers, note) end
  if answer.body and answer.body ~= json.null then compare("body", answer.body, body or {}, note) end
  table.sort(found)
  self.world:wait(1)
  return found
end

local function replay(options)
  local world = fake.new { lag = false, flags = options.flags }
  world.time = world.time + 0.2882444
  local names = {}
  for i, row in ipairs(world.tenant.graph.oauth2PermissionScopes) do names[i] = row.value end
  local self = setmetatable({ world = world, ids = {}, tenant = world.tenant.id,
    claims = world:claims("adele", { scp = table.concat(names, " ") }) }, Replay)
  if options.before then options.before(self) end
  return self
end

---------------------------------------------------------------------------
-- The recordings

local function id(letter, number) return ("%s-0000-4000-8000-%012d"):format(letter:rep(8), number) end

local function with_application(self)
  local tenant = self.world.tenant
  local app = tenant:add_app { name = "test-app-1" }
  for _, key in ipairs(tenant.keys_of[app.id]) do tenant:drop_secret(key, 0) end
  self.ids[id("b", 1)], self.ids[id("b", 2)], self.ids[id("c", 1)] = app.id, app.appId, app.principal
  return app
end

local function without_principal(self)
  self.world.tenant.service_principals:drop(with_application(self).principal, 0)
end

local function with_owner(self)
  local app = with_application(self)
  local user = self.world.tenant:add_person("testuser@contoso.onmicrosoft.com", "test user")
  self.world.tenant:change(user, { mail = json.null })
  self.world.tenant.applications:change(app.id, { _owners = { [user] = true } }, 0)
  self.ids[id("d", 1)] = user
end

local function with_group(self)
  local group = self.world.tenant:add_group("testgroup", {})
  self.world.tenant:change(group, { description = "testgroup" })
  self.ids[id("d", 2)] = group
end

local function with_one_eligible(self)
  local first = true
  for _, row in self.world.tenant.role_eligibilities:scan(math.huge) do
    if not first then self.world.tenant.role_eligibilities:drop(row.id, 0) end
    first = false
  end
end

local function as_nobody(self)
  self.claims = self.world:claims(self.world.tenant:add_app { name = "nobody" })
end

local function role_request(action, role, expiration)
  return function(self)
    return { action = action, justification = "x", directoryScopeId = "/", principalId = self.world.tenant.ids.uma,
      roleDefinitionId = self.world.tenant.role_ids[role], scheduleInfo = expiration
      and { startDateTime = "2026-12-01T08:00:00Z", expiration = expiration } or nil }
  end
end

local function grant(self)
  return { principalId = self.ids[id("c", 1)], resourceId = self.world.tenant.graph.id,
    appRoleId = self.world:permission("User.Read.All") }
end

-- Graph has added these members to an application since 2022: the recording of 2025 has them.
local LATER = { "nativeAuthenticationApisEnabled: not recorded", "requestSignatureVerification: not recorded",
  "samlMetadataUrl: not recorded", "servicePrincipalLockConfiguration: not recorded", "uniqueName: not recorded",
  "redirectUriSettings: not recorded" }

---@class recorded.file
---@field before nil|fun(self: replay) what is there at the start
---@field flags table? of the emulated tenant: how Graph was at that time
---@field bodies table<integer, fun(self: replay): table>? of requests whose body is not in the recording
---@field known string[]? endings of the differences that have a reason

---@type table<string, recorded.file>
local FILES = {
  ["create-for-rbac-2025"] = {},
  ["federated-credential-2022"] = { before = with_application },
  ["application-2022"] = { known = { LATER[1], LATER[2], LATER[3], LATER[4], LATER[5], LATER[6],
    "displayName: text, recorded null" }, -- another secret, whose making is not in the recording
    flags = { default_audience = "AzureADandPersonalMicrosoftAccount" } },
  ["service-principal-2022"] = { before = without_principal },
  ["add-password-own-key-id-2021"] = { before = with_application,
    known = { "vary: Accept-Encoding, recorded nil", ": not recorded" } }, -- the recording is an excerpt
  ["user-2023"] = { before = with_group, known = { "uniqueName: not recorded" } }, -- of groups, since 2024
  ["owners-2022"] = { before = with_owner },
  ["app-role-assignment-2020"] = { before = with_application, bodies = { grant } },
  ["pim-2024"] = { before = with_one_eligible, known = { "@odata.context: not recorded" }, -- an excerpt
    bodies = { role_request("adminAssign", "Reports Reader"),
      role_request("adminAssign", "Directory Readers", { type = "AfterDuration", duration = "PT4H" }), nil,
      role_request("adminAssign", "Reports Reader"), role_request("adminRemove", "Global Reader") } },
  ["denied-2025"] = { before = as_nobody },
}

local function load(name)
  local text = sys.read(("%s/%s.json"):format(FOLDER, name), 1 << 20)
  return text and json.decode(text)
end

-- The differences without a reason; the reasons that were not needed are differences too.
local function unknown(file, found)
  local left, used = {}, {}
  for _, text in ipairs(found) do
    local reason
    for _, ending in ipairs(file.known or {}) do
      if text:sub(-#ending) == ending then reason = ending end
    end
    if reason then used[reason] = true else left[#left + 1] = text end
  end
  for _, ending in ipairs(file.known or {}) do
    if not used[ending] then left[#left + 1] = "no difference ends in: " .. ending end
  end
  return left
end

describe("a recorded answer of Graph", function()
  if not sys.stat(FOLDER) then
    pending "the folder with recordings is not there: nothing is compared"
    return
  end

  for name, file in pairs(FILES) do
    it("has the shape of the emulator's: " .. name, function()
      local world, found = replay(file), {}
      for i, exchange in ipairs(assert(load(name), name).exchanges) do
        local body = file.bodies and file.bodies[i]
        if body then exchange.request.body = body(world) end
        for _, text in ipairs(world:exchange(exchange)) do
          found[#found + 1] = ("%d %s %s"):format(i, exchange.request.method, text)
        end
      end
      assert.same({}, unknown(file, found))
    end)
  end

  it("is compared by one of these cases", function()
    for entry in lfs.dir(FOLDER) do
      local name = entry:match("^(.*)%.json$")
      if name and load(name).exchanges then assert.is_table(FILES[name], name) end
    end
  end)
end)

---------------------------------------------------------------------------
-- Refusals of Graph

local function granted(self)
  return { clientId = self.ids[id("c", 1)], resourceId = self.world.tenant.graph.id, consentType = "AllPrincipals",
    principalId = json.null, scope = "User.Read" }
end

local function twice(path, body)
  return function(self)
    with_application(self)
    local asked = body(self)
    self.world:ask(self.claims, "POST", path, asked)
    return self.world:ask(self.claims, "POST", path, body(self))
  end
end

local function as_application(self, permission)
  return self.world.tenant:add_app { name = "caller", permissions = { permission } }
end

-- The refusal with a code, and what was asked: how the emulator comes to it. False: it never does.
local REFUSALS = {
  ["CredentialInvalidLifetimeAsPerAppPolicy POST /applications/{id}/addPassword"] = function(self)
    local app = with_application(self)
    self.world.tenant:set_policy { days = 1 }
    return self.world:ask(self.claims, "POST", ("/applications/%s/addPassword"):format(app.id), {})
  end,
  ["Request_MultipleObjectsWithSameKeyValue POST /servicePrincipals"] = function(self)
    return self.world:ask(self.claims, "POST", "/servicePrincipals", { appId = with_application(self).appId })
  end,
  ["Request_MultipleObjectsWithSameKeyValue POST /oauth2PermissionGrants"] = twice("/oauth2PermissionGrants", granted),
  ["Request_BadRequest POST /roleManagement/directory/roleAssignments (beta)"] =
    twice("/roleManagement/directory/roleAssignments", function(self)
      return { principalId = self.ids[id("c", 1)], directoryScopeId = "/",
        roleDefinitionId = self.world.tenant.role_ids["Helpdesk Administrator"] }
    end),
  ["Request_BadRequest POST /users"] = function(self)
    return self.world:ask(self.claims, "POST", "/users", { accountEnabled = true, displayName = "x",
      mailNickname = "uma", userPrincipalName = "uma@contoso.onmicrosoft.com",
      passwordProfile = { password = secret.generate(20) } })
  end,
  ["Authorization_RequestDenied POST /servicePrincipals"] = function(self)
    self.world.tenant:set_lag { 5, 5 }
    local app = as_application(self, "Application.ReadWrite.OwnedBy")
    local _, made = self.world:ask(app, "POST", "/applications", { displayName = "x" })
    return self.world:ask(app, "POST", "/servicePrincipals", { appId = made.appId })
  end,
  ["Directory_ResourceSizeExceeded PATCH an application or service principal"] = false,
  ["TooManyRequests GET /directoryRoles (beta)"] = function(self)
    self.world.tenant:set_flag("write_quota", { 0, 10 })
    self.world.tenant.writes[self.claims.appid] = { self.world.time }
    return self.world:ask(self.claims, "POST", "/applications", { displayName = "x" })
  end,
  ["Directory_ObjectNotFound GET"] = false,
  ["Authorization_RequestDenied GET"] = function(self)
    return self.world:ask(as_application(self, "Group.Read.All"), "GET", "/users")
  end,
  ["Authorization_RequestDenied PATCH /users/{id} passwordProfile, app-only"] = function(self)
    return self.world:ask(as_application(self, "User.ReadWrite.All"), "PATCH", "/users/adele@contoso.onmicrosoft.com",
      { passwordProfile = { password = secret.generate(20) } })
  end,
}

local function plain(message) return (message:gsub(GUID, "<id>")) end

describe("a recorded refusal of Graph", function()
  if not sys.stat(FOLDER) then
    pending "the folder with recordings is not there: nothing is compared"
    return
  end

  for i, recorded in ipairs(load("graph-errors").errors) do
    local _, wanted = next(recorded.answer.body)
    local name = ("%s %s"):format(wanted.code, recorded.request)
    it(("is one that the emulator gives, or is known not to: %d, %s"):format(i, name), function()
      local make = REFUSALS[name]
      assert.is_not_nil(make, name)
      if not make then return end
      local status, body = make(replay {})
      if recorded.answer.status ~= json.null then assert.equal(recorded.answer.status, status) end
      assert.same({ wanted.code, plain(wanted.message) }, { body.error.code, plain(body.error.message) })
      local found = {}
      local function note(text) found[#found + 1] = text end
      local is_old = recorded.answer.status == json.null -- of 2020, without client-request-id
      if wanted.innerError and not is_old then
        compare("innerError", wanted.innerError, body.error.innerError, note)
      end
      compare("details", wanted.details or "", body.error.details or "", note)
      assert.same({}, found)
    end)
  end
end)

---------------------------------------------------------------------------
-- Refusals of the login service

-- Without what differs from one answer to the next. Until 2023 the parts of the description were lines of their own.
local function sentence_of(description)
  local text = description:gsub("\r\n", " "):gsub(" Trace ID: .*$", "")
  return (text:gsub(GUID, "<id>"):gsub("contoso%.example", "<name>"))
end

-- Sentences and codes that were answered once and are not what is answered now: the start of the sentence.
local FORMER = {
  "AADSTS7000215: Invalid client secret is provided.", -- 2020
  "AADSTS70002: Error validating credentials. AADSTS70000:", -- 2014; two codes in one answer
}

local function is_former(description)
  for _, start in ipairs(FORMER) do
    if description:sub(1, #start) == start then return true end
  end
end

-- The emulator's answer with this code; its names are those of the recordings.
local function refusal_of(code)
  local names = { [90002] = "contoso.example" }
  if code == 53003 then return select(2, pcall(refusal.raise_blocked, id("9", 2))) end
  return select(2, pcall(refusal.raise, code, names[code] or id("b", 2), id("a", 1)))
end

describe("a recorded refusal of the login service", function()
  if not sys.stat(FOLDER) then
    pending "the folder with recordings is not there: nothing is compared"
    return
  end

  for i, recorded in ipairs(load("token-errors").errors) do
    local answer = recorded.answer
    local code = tonumber(answer.body.error_description:match("^AADSTS(%d+)"))
    local how = is_former(answer.body.error_description) and function() end or it
    how(("has the emulator's words: %d, AADSTS%d"):format(i, code), function()
      local made = refusal_of(code)
      local body = refusal.body(made)
      local wanted = sentence_of(answer.body.error_description):gsub(" <more>$", "")
      assert.equal(wanted, sentence_of(body.error_description))
      local is_person = answer.body.error == "interaction_required" -- of 53003; the emulator blocks applications only
      if not is_person and code ~= 90002 then -- invalid_tenant in 2019, invalid_request in 2022
        assert.equal(answer.body.error, body.error)
      end
      if answer.status ~= json.null then assert.equal(answer.status, made.status) end
      if answer.body.claims then assert.same(json.decode(answer.body.claims), json.decode(body.claims)) end
      assert.equal(answer.body.suberror, body.suberror)
      if answer.body.error_codes then assert.same(answer.body.error_codes, body.error_codes) end
    end)
  end
end)
