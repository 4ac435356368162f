--- A tenant, a vault and one or two installations of ours, where everything goes wrong
--- by chance: answers are lost, services refuse, clocks jump, programs die, state
--- folders get lost or come back old, and somebody else changes passwords too.

local near_cloud = require "near_cloud"
local crypto = require "host.crypto"
local dice = require "simulate.dice"
local fail = require "fail"
local host_journal = require "host.journal"
local model = require "simulate.model"
local oauth = require "oauth"
local policy = require "policy"
local profile = require "profile"
local rotate = require "rotation.rotate"
local script = require "script"
local secret = require "host.secret"
local sys = require "host.sys"

local M = {}

local KEY = secret.from "0123456789abcdef0123456789abcdef"
local MINUTE, HOUR, DAY = 60, 3600, 86400
local SAFE = 4 * MINUTE -- after our last send another's change can be told from ours (DESIGN, 4)

local DEAD = setmetatable({}, { __tostring = function() return "the program is dead" end })

---@class simulate.world
---@field cloud near_cloud
---@field dice simulate.dice
---@field model simulate.model
---@field seed integer
---@field rates table<string, number>
---@field lines string[] what happened, to be compared between two plays of a seed
local World = {}
World.__index = World

function World:note(text, ...)
  self.lines[#self.lines + 1] = ("%9.0f %s"):format(self.cloud.clock:offset(), text:format(...))
end

---------------------------------------------------------------------------
-- Chance instead of randomness

local random, generate = crypto.random, secret.generate

local ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!#%*+-"

local function seed_randomness(source)
  crypto.random = function(count) return source:bytes(count) end
  secret.generate = function(length)
    local letters = { "a", "B", "7", "!" }
    for i = 5, length do
      local place = source:between(1, #ALPHABET)
      letters[i] = ALPHABET:sub(place, place)
    end
    return secret.from(table.concat(letters))
  end
  math.randomseed(source:between(1, 1 << 30))
end

local function restore_randomness() crypto.random, secret.generate = random, generate end

---------------------------------------------------------------------------
-- What goes wrong on the wire

local FATES = { { "before", "before" }, { "after", "after" }, { "503", "503" }, { "429", "429" } }

local function meet(self, moment)
  if moment ~= "before" or self.calm then return nil end
  for _, fate in ipairs(FATES) do
    if self.dice:yes(self.rates[fate[1]]) then return fate[2] end
  end
end

-- Dead from now on: nothing is sent, nothing is put on record.
local function die(self)
  self.dead = true
  error(DEAD, 0)
end

-- The program may die before or after anything durable happens.
local function mortal(self)
  if self.dead then error(DEAD, 0) end
  if not self.deadly then return end
  self.deadly = self.deadly - 1
  if self.deadly <= 0 then die(self) end
end

local function mortal_journal(self, real)
  local watched = { commit = true, close = false }
  return setmetatable({}, { __index = function(_, name)
    return function(_, ...)
      if watched[name] then mortal(self) end
      if self.dead then error(DEAD, 0) end
      local results = table.pack(real[name](real, ...))
      if watched[name] then mortal(self) end
      return table.unpack(results, 1, results.n)
    end
  end })
end

---------------------------------------------------------------------------
-- Policies

local function declare(name, fields)
  return script.check({ name = name, path = name .. ".lua" }, policy(fields)).policy
end

local function make_policies(self)
  local domain, sink = self.cloud.tenant.domain, policy.devolutions.server { vault = "Privileged", path = "Simulated" }
  local names = {}
  for _, who in ipairs(self.people) do names[#names + 1] = who .. "@" .. domain end
  self.policies = { declare("policies/people", {
    summary = "people", select = policy.users { upn = names }, every = "30d", jitter = "5d",
    limits = { max_changes = self.dice:between(2, 20), canary = self.dice:between(0, 2),
      stop_on_failure = self.dice:yes(0.5) },
    sink = sink, after = { revoke_sessions = self.dice:yes(0.3) },
  }) }
  if #self.apps == 0 then return end
  local ids = {}
  for i, app in ipairs(self.apps) do ids[i] = app.appId end
  self.policies[2] = declare("policies/applications", {
    summary = "applications", select = policy.applications { client_id = ids }, every = "40d", lifetime = "120d",
    grace = "3d", sink = sink, limits = { stop_on_failure = self.dice:yes(0.5) },
  })
end

---------------------------------------------------------------------------
-- Installations

local function open(installation)
  return assert(host_journal.open(installation.folder, KEY, "login.example/contoso"))
end

local function copy(from, to) assert(os.execute(("rm -rf '%s' && cp -a '%s' '%s'"):format(to, from, to))) end

-- Whatever a run raises that is no failure of the far side's, nor its death, is a bug.
local function judge_error(self, err)
  if err == DEAD or self.dead or fail.is(err) then return end
  self.model:complain("the run broke: %s", tostring(err))
end

-- One run of all policies; what it said, or nil when it died or failed as a whole.
local function run_once(self, installation)
  local journal <close> = open(installation)
  local mine = mortal_journal(self, journal)
  self.dead = false
  profile.use(self.cloud.profile)
  local ok, all = pcall(function()
    local result
    self.cloud:run(mine, function()
      result = rotate.once(self.policies, { journal = mine, profile = self.cloud.profile })
    end)
    return result
  end)
  oauth.sign_out()
  if not ok then judge_error(self, all) end
  return ok and not self.dead and all or nil
end

--- Let an installation run once.
---@param installation table
---@param options { deadly: integer?, skew: number? }
function World:run(installation, options)
  self.deadly = options.deadly
  self.cloud.skew = options.skew or 0
  self.model:begin_run(options)
  local all = run_once(self, installation)
  self.cloud.skew, self.deadly, self.dead = 0, nil, false
  self.model:end_run(all)
  self:note("run of %s: %s", installation.name, all and self.model:sum(all) or "died or failed")
  return all
end

---------------------------------------------------------------------------
-- What happens between runs

local EVENTS = {}

function EVENTS.pass(self) self.cloud:wait(self.dice:between(HOUR, 9 * DAY)) end

function EVENTS.soon(self) self.cloud:wait(self.dice:between(1, 10 * MINUTE)) end

function EVENTS.somebody_else(self)
  self.cloud:wait(SAFE)
  local who = self.dice:pick(self.people)
  self:note("somebody else changes %s", who)
  self.cloud.tenant:change_password(who)
end

function EVENTS.foreign_secret(self)
  if #self.apps == 0 then return end
  local app, now = self.dice:pick(self.apps), self.cloud.tenant.now()
  self.cloud.tenant:seed_secret(app.id, "by hand", now, now + 900 * DAY)
end

function EVENTS.backup(self)
  local one = self.dice:pick(self.installations)
  copy(one.folder, one.folder .. "-backup")
  one.has_backup = true
end

function EVENTS.restored(self)
  local one = self.dice:pick(self.installations)
  if not one.has_backup then return end
  self:note("the state of %s is restored from a backup", one.name)
  copy(one.folder .. "-backup", one.folder)
end

function EVENTS.lost(self)
  local one = self.dice:pick(self.installations)
  self:note("the state of %s is lost", one.name)
  sys.remove_tree(one.folder)
  assert(sys.mkdir(one.folder))
  one.has_backup = false
end

local CHANCES = { pass = 10, soon = 4, somebody_else = 2, foreign_secret = 1, backup = 2, restored = 1, lost = 0.5 }

local function event(self)
  local names, sum = {}, 0
  for name in pairs(CHANCES) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do sum = sum + CHANCES[name] end
  local point = self.dice:fraction() * sum
  for _, name in ipairs(names) do
    point = point - CHANCES[name]
    if point <= 0 then return EVENTS[name](self) end
  end
end

local function step(self)
  event(self)
  local deadly = self.dice:yes(0.35) and self.dice:between(1, 120) or nil
  local skew = self.dice:yes(0.05) and self.dice:pick { -1200, 700 } or nil
  self:run(self.dice:pick(self.installations), { deadly = deadly, skew = skew })
  self.model:look()
end

---------------------------------------------------------------------------
-- In the end, when all is calm

-- Did a run find nothing to do?
local function is_quiet(all)
  for _, found in ipairs(all or {}) do
    if found.failure then return false end
    for _, entry in ipairs(found.entries) do
      if entry.what ~= "wait" then return false end
    end
  end
  return all ~= nil
end

local function stopped_people(all)
  local stopped = {}
  for _, found in ipairs(all or {}) do
    for _, entry in ipairs(found.entries) do
      if found.terms.target == "users" and (entry.what == "stop" or entry.failure) then
        stopped[#stopped + 1] = entry.name
      end
    end
  end
  return stopped
end

-- A person looks at what is stopped, and says: go on.
local function resume_all(self, installation, stopped)
  if #stopped == 0 then return end
  local journal <close> = open(installation)
  profile.use(self.cloud.profile)
  self.cloud:run(journal, function()
    for _, name in ipairs(stopped) do require("rotation.by_hand").resume(journal, name) end
  end)
  oauth.sign_out()
end

-- One installation is kept; what the others left behind a person clears up by hand.
local function come_to_rest(self)
  self.calm = true
  local one = self.installations[1]
  for _ = 1, 2 do
    self.cloud:wait(36 * DAY)
    for _ = 1, 6 do
      local all = self:run(one, {})
      if not all then self.model:complain "a run in the calm did not end" end
      self.model:look()
      if is_quiet(all) then break end
      self.cloud:wait(HOUR)
      resume_all(self, one, stopped_people(all))
    end
  end
  self.cloud:wait(5 * DAY) -- the grace of what is replaced
  self:run(one, {})
  self.cloud:wait(MINUTE)
  local all = self:run(one, {})
  if not is_quiet(all) then self.model:complain("STUCK: in the end a run says: %s", self.model:sum(all or {})) end
  self.model:look()
  self.model:look_at_rest(open(one))
end

---------------------------------------------------------------------------
-- A seed

local PEOPLE = { "t0-anna", "t0-boris", "t0-chen", "t0-dana", "t0-emil", "uma", "henry", "rita" }

local function furnish(self)
  self.people, self.apps, self.installations = {}, {}, {}
  for i = 1, self.dice:between(2, #PEOPLE) do self.people[i] = PEOPLE[i] end
  for i = 1, self.dice:between(0, 2) do
    self.apps[i] = self.cloud.tenant:add_app { name = "App " .. i, days = 3650 }
    local id = self.apps[i].id
    local application = self.cloud.tenant.applications:newest(id)
    self.cloud.tenant.applications:change(id, { _owners = { [self.cloud.app.principal] = true } }, 0)
    self.apps[i].name = application.displayName
  end
  for i = 1, self.dice:yes(0.3) and 2 or 1 do
    local folder = ("%s/installation-%d"):format(self.cloud.folder, i)
    assert(sys.mkdir(folder))
    self.installations[i] = { name = "installation " .. i, folder = folder }
  end
end

local function rates_of(source)
  local rates = {}
  for _, fate in ipairs(FATES) do rates[fate[1]] = source:yes(0.4) and 0 or source:fraction() * 0.06 end
  return rates
end

-- Our clock may be off in a run.
local function skew_clock(cloud)
  local plain = cloud.clock.time
  cloud.skew = 0
  cloud.clock.time = function(clock) return plain(clock) + cloud.skew end
end

local function open_world(seed)
  local source = dice.new(seed)
  seed_randomness(source)
  local cloud = near_cloud.new { seed = seed, lag = source:yes(0.8) and { 1, 5 } or false }
  local self = setmetatable({ cloud = cloud, dice = source, seed = seed, lines = {} }, World)
  skew_clock(cloud)
  self.rates = rates_of(source)
  furnish(self)
  make_policies(self)
  self.model = model.new(self)
  cloud.meet = function(request, moment) return meet(self, moment, request) end
  cloud.mortal = function() mortal(self) end
  return self
end

--- Play a seed; what is wrong, and what happened.
---@param seed integer
---@return string[] complaints, string[] lines
function M.play(seed)
  local self = open_world(seed)
  local ok, err = xpcall(function()
    for _ = 1, self.dice:between(8, 20) do step(self) end
    come_to_rest(self)
  end, debug.traceback)
  restore_randomness()
  getmetatable(self.cloud).__close(self.cloud)
  if not ok then self.model:complain("%s", err) end
  return self.model.complaints, self.lines
end

return M
