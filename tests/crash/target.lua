--- What a rotation is crashed on: an account of a person, or an application with a
--- secret; how it falls due again, and what must be there, seen by another client.

local certificates = require "certificates"
local cloud = require "crash.cloud"
local json = require "host.json"
local people = require "crash.people"
local program = require "crash.program"
local sys = require "host.sys"

local M = {}

local USERS = 30

---@class crash.target
---@field name string
---@field people integer? accounts of people that are rotated at once
---@field changes string fault rule for losing the answer that matters
---@field policy fun(lane: crash.lane): string text of the policy file
---@field fresh fun(lane: crash.lane) somebody nobody has rotated yet
---@field pass string until it is due again
---@field settle fun(lane: crash.lane) what has to happen before all is exactly as it is to be
---@field look fun(lane: crash.lane): string? what is wrong with what is stored, if anything
---@field whole fun(lane: crash.lane, names: string[]?): string? the same, when all must be over; of these people
---@field attend nil|fun(lane: crash.lane, outcome: crash.program.outcome): boolean do what a run wants of a person

-- What one of these functions finds wrong, of all applications.
local function of_each_application(find)
  return function(lane)
    for _, application in ipairs(lane.applications) do
      local wrong = find(lane, application)
      if wrong then return application.name .. ": " .. wrong end
    end
  end
end

-- All are in flight at once: none is changed first and alone.
local USER_POLICY = [[
local policy = require "policy"
return policy {
  summary = "some accounts", select = policy.users { upn = { "%s" } }, every = "1h",
  limits = { canary = 0, stop_on_failure = false },
  sink = policy.devolutions.server { vault = "Privileged", path = "Crash" },
}
]]

---------------------------------------------------------------------------
-- Applications

local function make_application(lane, name)
  local made = lane.cloud:control("/tenant", { ["do"] = "add_app", with = { { name = name, days = 3650 } } }).result
  local application = { app_id = made.appId, id = made.id, name = name }
  table.insert(lane.applications, application)
  return application
end

local function make_applications(make, count)
  return function(lane)
    lane.applications = {}
    for place = 1, count do make(lane, place == 1 and "Billing" or "Billing " .. place) end
  end
end

-- The policy for all of them.
local function policy_of_applications(text)
  return function(lane)
    local ids = {}
    for i, application in ipairs(lane.applications) do ids[i] = application.app_id end
    return text:format(table.concat(ids, '", "'))
  end
end

local function credentials(lane, application)
  return lane.cloud:graph("/applications/" .. application.id .. "?$select=id,passwordCredentials").passwordCredentials
end

local function stored_secret(lane, application)
  local list = people.entries(lane)[application.name] or {}
  if #list > 1 then return nil, ("%d entries of one name"):format(#list) end
  return list[1] and list[1]:match('"clientSecret":"([^"]*)"'), nil, list[1]
end

local function has_foreign(lane, application)
  for _, credential in ipairs(credentials(lane, application)) do
    if credential.displayName == application.name then return true end
  end
  return false
end

-- What is stored works at every moment, and what is not ours is never touched.
local function look_at_application(lane, application)
  if not has_foreign(lane, application) then return "the foreign credential is gone" end
  local value, wrong = stored_secret(lane, application)
  if wrong then return wrong end
  if value and lane.cloud:sign_in(application.app_id, value) ~= 200 then
    return "LOST: what is stored does not sign in"
  end
  if not value and lane.rotated then return "LOST: nothing is stored" end
end

local function whole_application(lane, application)
  local value, wrong, text = stored_secret(lane, application)
  if not value then return wrong or "nothing is stored" end
  if lane.cloud:sign_in(application.app_id, value) ~= 200 then return "LOST: what is stored does not sign in" end
  local ours = {}
  for _, credential in ipairs(credentials(lane, application)) do
    local marker = credential.displayName:match("^ml:%x+:%x+")
    if marker then ours[#ours + 1] = marker end
  end
  if #ours ~= 1 then return ("%d credentials of ours instead of one: %s"):format(#ours, table.concat(ours, " ")) end
  if not text:find(ours[1], 1, true) then return "the one credential of ours is not the one that is stored" end
end

-- What is replaced goes when its grace is over, and when nobody has signed in with it for seven days, as the looks do.
-- Readers see that a minute later.
local function settle_applications(lane)
  lane.cloud:pass "8d"
  lane:must(0, lane:rotate())
  lane.cloud:pass "60s"
end

local APPLICATION_POLICY = [[
local policy = require "policy"
return policy {
  summary = "applications", select = policy.applications { client_id = { "%s" } },
  every = "20d", lifetime = "90d", grace = "1h", limits = { canary = 0, stop_on_failure = false },
  sink = policy.devolutions.server { vault = "Privileged", path = "Crash" },
}
]]

---------------------------------------------------------------------------
-- The certificates of applications

-- Somebody else's certificate, added in the portal; and a profile that signs in with what lies sealed here.
local function make_signing_application(lane, name)
  local application = make_application(lane, name)
  lane.cloud:control("/tenant", { ["do"] = "change", with = {
    application.id, { keyCredentials = { certificates.made_by_hand() } },
  } })
  local config = lane.cloud.ready.config
  application.profile = "billing" .. #lane.applications
  local text = assert(sys.read(config, 65536)):gsub("    browser = by", ('    %s = by { method = "certificate", '
    .. 'client_id = "%s", certificate = { from = "sealed" } },\n    browser = by'):format(application.profile,
      application.app_id), 1)
  assert(sys.write(config, text, "replace"))
end

local function certificate_names(lane, application)
  local names, path = { ours = 0, foreign = 0 }, "/applications/" .. application.id .. "?$select=id,keyCredentials"
  for _, one in ipairs(lane.cloud:graph(path).keyCredentials) do
    local whose = one.displayName:find "^ml:" and "ours" or "foreign"
    names[whose] = names[whose] + 1
  end
  return names
end

local function look_at_certificate(lane, application)
  if certificate_names(lane, application).foreign ~= 1 then return "the foreign certificate is gone" end
  if not lane.rotated then return nil end
  local outcome = lane:run { "whoami", "--profile", application.profile }
  if outcome.status ~= 0 then return "LOST: what lies sealed does not sign in: " .. outcome.err end
end

local function whole_certificate(lane, application)
  local names = certificate_names(lane, application)
  if names.ours ~= 1 then return ("%d certificates of ours instead of one"):format(names.ours) end
  return look_at_certificate(lane, application)
end

local CERTIFICATE_POLICY = [[
local policy = require "policy"
return policy {
  summary = "certificates", select = policy.applications { client_id = { "%s" } }, credential = "certificate",
  every = "20d", lifetime = "90d", grace = "1h", limits = { canary = 0, stop_on_failure = false },
  sink = policy.handover {},
}
]]

-- A person says that they are in use.
local function confirm(lane, outcome)
  local told, count = {}, 0
  for id in (outcome.out .. outcome.err):gmatch "journal confirm (%x+)" do
    if not told[id] and lane:run({ "journal", "confirm", id }).status ~= 0 then return false end
    told[id], count = true, count + 1
  end
  return count > 0
end

---------------------------------------------------------------------------
-- An application whose secret goes to two sinks: an entry, and a script's place

local function make_application_with_sinks(lane, name)
  people.start_stores(lane)
  return make_application(lane, name)
end

local function secret_in_vault(lane, application)
  return lane.stores:held("vault", "secret/apps/" .. application.app_id)
end

-- What each sink holds works at every moment, whichever of the two has the new one already.
local function look_at_both_sinks(lane, application)
  local wrong = look_at_application(lane, application)
  if wrong then return "the entry: " .. wrong end
  local value = secret_in_vault(lane, application)
  if value and lane.cloud:sign_in(application.app_id, value) ~= 200 then
    return "LOST: what is in Vault does not sign in"
  end
  if not value and lane.rotated then return "LOST: nothing is in Vault" end
end

local function whole_both_sinks(lane, application)
  local wrong = whole_application(lane, application)
  if wrong then return "the entry: " .. wrong end
  if secret_in_vault(lane, application) ~= stored_secret(lane, application) then
    return "Vault holds another secret than the entry"
  end
  local pending = lane.stores:state().vault["secret/apps/" .. application.app_id .. "-pending"]
  if pending then return "a pending value is left in Vault" end
end

local SINKS_POLICY = [[
local policy = require "policy"
return policy {
  summary = "applications", select = policy.applications { client_id = { "%s" } },
  every = "20d", lifetime = "90d", grace = "1h",
  sink = { policy.devolutions.server { vault = "Privileged", path = "Crash" },
    policy.sink("sinks/vault", { path = "apps/{client_id}", linked = true }) },
}
]]

---------------------------------------------------------------------------

local USER_SINKS_POLICY = [[
local policy = require "policy"
return policy {
  summary = "an account", select = policy.users { upn = { "%s" } }, every = "1h",
  limits = { canary = 0, stop_on_failure = false },
  sink = { policy.devolutions.server { vault = "Privileged", path = "Crash" },
    policy.sink("sinks/vault", { path = "people/{id}", field = "password" }) },
}
]]

local function of_user_sinks()
  return {
    name = "user_sinks", people = 1, changes = "graph PATCH /users/* drop-after", pass = "2h",
    fresh = people.find_user_with_sinks, policy = function(lane) return USER_SINKS_POLICY:format(lane.people[1]) end,
    settle = function() end, look = people.of_each(people.look_at_user_in_both),
    whole = people.of_each(people.whole_user_in_both),
  }
end

local function of_users(name, count)
  return {
    name = name, people = count, changes = "graph PATCH /users/* drop-after", pass = "2h",
    fresh = function(lane) people.find_users(lane, count) end,
    policy = function(lane) return USER_POLICY:format(table.concat(lane.people, '", "')) end,
    settle = function() end, look = people.of_each(people.look_at_user), whole = people.of_each(people.whole_user),
  }
end

local function of_secrets(name, count)
  return {
    name = name, changes = "graph POST /applications/*/addPassword drop-after", pass = "21d",
    fresh = make_applications(make_application, count), policy = policy_of_applications(APPLICATION_POLICY),
    settle = settle_applications, look = of_each_application(look_at_application),
    whole = of_each_application(whole_application),
  }
end

local function of_sinks()
  return {
    name = "sinks", changes = "graph POST /applications/*/addPassword drop-after", pass = "21d",
    fresh = make_applications(make_application_with_sinks, 1), policy = policy_of_applications(SINKS_POLICY),
    settle = settle_applications, look = of_each_application(look_at_both_sinks),
    whole = of_each_application(whole_both_sinks),
  }
end

local function of_certificates(name, count)
  return {
    name = name, changes = "graph POST /applications/*/addKey drop-after", pass = "21d",
    fresh = make_applications(make_signing_application, count), policy = policy_of_applications(CERTIFICATE_POLICY),
    settle = settle_applications, look = of_each_application(look_at_certificate),
    whole = of_each_application(whole_certificate), attend = confirm,
  }
end

---@type table<string, crash.target>
M.TARGETS = {
  user = of_users("user", 1), user_sinks = of_user_sinks(),
  users = of_users("users", 2), secret = of_secrets("secret", 1),
  secrets = of_secrets("secrets", 2), sinks = of_sinks(), certificate = of_certificates("certificate", 1),
  certificates = of_certificates("certificates", 2),
}

---------------------------------------------------------------------------
-- Somebody on an emulator

---@class crash.lane
---@field cloud crash.cloud? once renewed
---@field seed integer
---@field target crash.target
---@field applications table[] whose credentials are rotated
---@field people string[] user names
---@field stores stores? of the targets that have two sinks
---@field object_id string? of the person whose password goes to two sinks
---@field rotated boolean was it brought to its end at least once?
---@field mark integer requests before the blow
local Lane = { __name = "lane" }
Lane.__index = Lane

--- The words of a run of the policy.
---@return string[]
-- Without evidence: what is replaced goes two hours later here, and the look at it signs in with it, which would hold
-- that back for a week.
function Lane:rotate() return { "rotate", self.cloud.home .. "/policy.lua", "--no-evidence", "--yes", "--json" } end

--- The words of a plan of it.
---@return string[]
function Lane:plan() return { "plan", self.cloud.home .. "/policy.lua", "--json" } end

--- Run the program to its end.
---@param words string[]
---@param before string[]? what it is run under
---@return crash.program.outcome
function Lane:run(words, before)
  local all = table.move(before or {}, 1, #(before or {}), 1, {})
  for _, word in ipairs { os.getenv "MOONLATCH", "--config", self.cloud.ready.config } do all[#all + 1] = word end
  return program.start(self.cloud.home .. "/run", table.move(words, 1, #words, #all + 1, all)):finish(180)
end

--- Run the policy, and once more when a person had to do something.
---@return crash.program.outcome
function Lane:rotate_fully()
  local outcome = self:run(self:rotate())
  if self.target.attend and self.target.attend(self, outcome) then return self:run(self:rotate()) end
  return outcome
end

--- Run it, and insist on its exit status.
---@param status integer
---@param words string[]
---@return crash.program.outcome
function Lane:must(status, words)
  local outcome = self:run(words)
  if outcome.status == status then return outcome end
  error(("%s: exit status %s instead of %d\n%s%s"):format(table.concat(words, " "), tostring(outcome.status), status,
    outcome.out, outcome.err), 0)
end

--- What Graph was asked since the mark.
---@return table[]
function Lane:asked() return self.cloud:control(("/requests?after=%d"):format(self.mark)).requests end

--- Begin to count requests here.
function Lane:note()
  local all = self.cloud:control("/requests?after=" .. (self.mark or 0)).requests
  self.mark = #all > 0 and all[#all].n or self.mark or 0
end

--- Was a password or secret set since the mark?
---@return boolean
function Lane:was_set()
  for _, request in ipairs(self:asked()) do
    if request.method == "PATCH" or request.path:find("/addPassword$") then return true end
  end
  return false
end

--- Another emulator, with nothing done on it yet but a first rotation.
function Lane:renew()
  self:__close()
  self.cloud, self.mark, self.rotated = cloud.start(self.seed, USERS), 0, false
  self.target.fresh(self)
  assert(sys.write(self.cloud.home .. "/policy.lua", self.target.policy(self), "replace"))
  local outcome = self:rotate_fully()
  if outcome.status ~= 0 then error("the first rotation failed\n" .. outcome.out .. outcome.err, 0) end
  self.rotated = true
  self:note()
end

function Lane:__close()
  local open, doubles = self.cloud, self.stores
  self.cloud, self.stores = nil, nil
  if doubles then doubles:close() end
  if open then debug.getmetatable(open).__close(open) end
end

--- The people of whom a run said that their passwords are changed.
---@param outcome crash.program.outcome
---@return string[] user names
function M.said_changed(outcome)
  local document, names = json.decode(outcome.out), {}
  local policy = type(document) == "table" and document.policies and document.policies[1]
  for _, account in ipairs(policy and policy.accounts or {}) do
    if account.what == "changed" then names[#names + 1] = account.name end
  end
  return names
end

--- A lane, on emulators of this seed. Renew it first; close it.
---@param seed integer
---@param target crash.target
---@return crash.lane
function M.lane(seed, target)
  return setmetatable({ seed = seed, target = target }, Lane)
end

return M
