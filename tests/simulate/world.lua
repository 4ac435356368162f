--- A tenant, a vault and one to three installations of ours, where everything goes wrong by
--- chance: answers are lost, late and untrue, services refuse, clocks jump, programs die and
--- overlap, state folders get lost or come back old, and others change everything meanwhile.
-- A world owns one line of time; whatever happens is an event on it.

local near_cloud = require "near_cloud"
local chance = require "simulate.chance"
local dice = require "simulate.dice"
local drawn = require "simulate.drawn"
local fail = require "fail"
local model = require "simulate.model"
local network = require "simulate.network"
local others = require "simulate.others"
local rest = require "simulate.rest"
local shelf = require "simulate.shelf"
local timeline = require "simulate.timeline"

local M = { KINDS = drawn.KINDS }

local MINUTE, HOUR, DAY = 60, 3600, 86400
local LONGEST = 4 * HOUR -- of a run

---@class simulate.world
---@field cloud near_cloud
---@field timeline simulate.timeline
---@field network simulate.network
---@field truth simulate.truth
---@field model simulate.model
---@field dice simulate.dice
---@field seed integer
---@field spice table<string, boolean> what may go wrong here
---@field installations simulate.installation[]
---@field latency number seconds of one way, at most
---@field has_shelf boolean? does a sink script keep the users' passwords?
---@field widest number seconds the directory's clock is off its front's, at most
---@field lines string[] what happened, to be compared between two plays of a seed
local World = {}
World.__index = World

---------------------------------------------------------------------------
-- What the others ask of it

--- Note what happens.
function World:note(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  self.lines[#self.lines + 1] = ("%11.2f %s"):format(self:now(), text)
end

--- Seconds since the beginning.
---@return number
function World:now() return self.timeline:now() end

--- By the clocks of the services.
---@return number
function World:server_time() return self.cloud.tenant.now() end

--- A number.
---@return integer
function World:draw_number() return self.dice:between(1, 1 << 40) end

--- The profile that an installation uses.
---@param one simulate.installation
---@return table
function World:profile_of(one)
  local copy = {}
  for name, value in pairs(self.cloud.profile) do copy[name] = value end
  copy.state = one.folder
  return copy
end

--- Seconds the directory's clock is ahead of its front's.
---@return number
function World:behind() return self.offset + (self.jitter and -self.dice:fraction() or 0) end

--- Seconds until a write is shown, where it is not the emulator's own lag.
---@return number?
function World:delay()
  if self.spice.stale and not self.calm and self.dice:yes(0.3) then return 30 + self.dice:fraction() * 370 end
end

--- Seconds by which a read at Graph is late.
---@param seen table
---@return number?
function World:staleness(seen)
  if not self.spice.stale or self.calm or seen.method ~= "GET" or not self.dice:yes(0.15) then return nil end
  return self.dice:fraction() * 90
end

--- Seconds by which a listing of the vault is late.
---@return number
function World:listing_lag()
  return self.calm and 0 or self.listing_lag_most * self.dice:fraction()
end

--- A password leaves.
---@param sending simulate.sending
function World:on_sent(sending) others.on_sent(self, sending) end

--- The user of a user principal name that a run says.
---@param name string
---@return simulate.user?
function World:user_named(name)
  for _, user in ipairs(self.truth.list) do
    if user.names[tostring(name):lower()] then return user end
  end
end

--- What an account is called now.
---@param user simulate.user
---@return string
function World:name_of(user) return self.cloud.tenant.users:newest(user.id).userPrincipalName end

--- Is it in the policy, and can it be rotated?
---@param user simulate.user
---@return boolean
function World.is_managed(_, user) return not user.away and not user.tampered end

--- Whatever a run raises that is no failure of the far side's is a bug.
---@param err any
function World:judge_error(err)
  if type(err) == "table" and rawget(err, "kind") and rawget(err, "what") or fail.is(err) then return end
  self.model:complain("the run broke: %s", tostring(err))
end

---------------------------------------------------------------------------
-- Runs

local function declare(library, name, fields)
  local script = library.require "script.load"
  return script.check({ name = name, path = name .. ".lua" }, library.require "policy"(fields)).policy
end

-- The policies, made of one library's own. With a shelf, a sink script keeps the passwords.
local function policies_of(self, library, run)
  local policy, terms = library.require "policy", self.terms
  local sink = policy.devolutions.server { vault = "Privileged", path = "Simulated" }
  local people = declare(library, "policies/people", {
    summary = "people", select = policy.users { group = "Simulated" }, every = terms.every, jitter = terms.jitter,
    limits = terms.limits, sink = self.has_shelf and policy.sink "sinks/shelf" or sink, after = terms.after,
  })
  if self.has_shelf then people.sinks[1].loaded = shelf.loaded(self, run, library) end
  if self.spice.again then people.every = 30 end
  if #self.apps == 0 then return { people } end
  local ids = {}
  for i, app in ipairs(self.apps) do ids[i] = app.appId end
  return { people, declare(library, "policies/applications", {
    summary = "applications", select = policy.applications { client_id = ids }, every = "40d", lifetime = "120d",
    grace = "3d", sink = sink, limits = { stop_on_failure = terms.limits.stop_on_failure },
  }) }
end

local function end_run(self, one, run)
  local ok, result = run.process.ok, run.process.result
  if not ok then
    self:judge_error(result)
    return self:note("run of %s failed: %s", one.name, (tostring(result):match("^[^\n]*")))
  end
  self:note("run of %s: %s", one.name, self.model:sum(result))
  self.model:end_run(run, result)
end

--- Begin a run of all policies.
---@param one simulate.installation
---@param options { after: number?, deadly: integer? }
---@return simulate.run
function World:start(one, options)
  local run = one:start(self, function(library, run, profile)
    local all, status = library.require("rotate.policies").once(policies_of(self, library, run), {
      journal = run.journal, profile = profile,
    })
    run.status = status
    run.told = library.require("rotate.policies").text(all) .. "\n" .. table.concat(run.heard, "\n")
    return all
  end, { after = options.after, deadly = options.deadly, ended = function(run) end_run(self, one, run) end })
  run.skewed = math.abs(one.skew) > 300 + 5 and one.skew or nil
  return run
end

local function is_over(self)
  for _, one in ipairs(self.installations) do
    if one.run then return false end
  end
  return true
end

--- Until no run goes on.
function World:wait_for_runs()
  if self.timeline:go_on(function() return is_over(self) end, LONGEST) then return end
  for _, one in ipairs(self.installations) do
    if one.run then
      self.model:complain("STUCK: a run of %s does not end", one.name)
      one.run:kill()
    end
  end
end

---------------------------------------------------------------------------
-- What happens between runs

local EVENTS = {}

function EVENTS.pass(self) self.timeline:pass(self.dice:between(HOUR, 9 * DAY)) end

function EVENTS.month(self) self.timeline:pass(31 * DAY) end

function EVENTS.soon(self) self.timeline:pass(self.dice:between(1, 10 * MINUTE)) end

function EVENTS.at_once(self) self.timeline:pass(self.dice:between(0, 150)) end

function EVENTS.somebody_else(self)
  self.timeline:pass(4 * MINUTE)
  self.truth:stranger(self.dice:pick(self.truth.list))
end

function EVENTS.foreign_secret(self)
  if #self.apps == 0 then return end
  local app, now = self.dice:pick(self.apps), self.cloud.tenant.now()
  self.cloud.tenant:seed_secret(app.id, "by hand", now, now + 900 * DAY)
end

function EVENTS.backup(self) self.dice:pick(self.installations):back_up() end

function EVENTS.restored(self)
  local one = self.dice:pick(self.installations)
  if one:restore(self.truth) then self:note("the state of %s is restored from a backup", one.name) end
end

function EVENTS.lost(self)
  local one = self.dice:pick(self.installations)
  self:note("the state of %s is lost", one.name)
  one:lose(self.truth)
end

local CHANCES = { { "at_once", 2 }, { "backup", 2 }, { "foreign_secret", 1 }, { "lost", 0.5 }, { "month", 5 },
  { "pass", 6 }, { "restored", 1 }, { "somebody_else", 2 }, { "soon", 4 } }

local function event(self)
  local sum = 0
  for _, one in ipairs(CHANCES) do sum = sum + one[2] end
  local point = self.dice:fraction() * sum
  for _, one in ipairs(CHANCES) do
    point = point - one[2]
    if point <= 0 then return EVENTS[one[1]](self) end
  end
end

local function start_one(self, one, after)
  if one.run then return end -- a person is at it
  local deadly = self.dice:yes(0.3) and self.dice:between(1, 120) or nil
  local run = self:start(one, { after = after, deadly = deadly })
  if self.dice:yes(0.1) then
    self.timeline:after(after + self.dice:fraction() * 40, function() run:kill() end)
  end
end

-- One run, or one of each installation at about the same time.
local function step(self)
  event(self)
  others.plan(self)
  if drawn.overlaps(self) and self.dice:yes(self.spice.resume and 0.4 or 0.8) then
    local range = self.dice:pick { 0, 0.3, 3, 30, 160 }
    for _, one in ipairs(self.installations) do start_one(self, one, self.dice:fraction() * range) end
  else
    local one = self.dice:pick(self.installations)
    local skew = self.dice:yes(0.05) and self.dice:pick { -1200, 700 } or 0
    one.skew = one.skew + skew
    start_one(self, one, 0)
    self:wait_for_runs()
    one.skew = one.skew - skew
  end
  self:wait_for_runs()
  self.model:look()
end

---------------------------------------------------------------------------
-- A seed

local function open_world(seed)
  local source = dice.new(seed)
  chance.use(source)
  local cloud = near_cloud.new { seed = seed, lag = source:yes(0.8) and { 1, 5 } or false }
  local self = setmetatable({ cloud = cloud, dice = source, seed = seed, lines = {} }, World)
  self.timeline = timeline.new(cloud.clock)
  self.model, self.network = model.new(self), network.new(self)
  drawn.draw(self)
  return self
end

local function play(self)
  local spice = {}
  for name in pairs(self.spice) do spice[#spice + 1] = name end
  table.sort(spice)
  self:note("a world of %s: %d people, %d applications, %d installations", table.concat(spice, ", "),
    #self.truth.list, #self.apps, #self.installations)
  self.timeline:pass(MINUTE)
  for _ = 1, self.dice:between(5, 11) do step(self) end
  rest.calm_down(self)
  rest.look_for_stuck(self)
  rest.come_to_rest(self)
end

--- Play a seed; what is wrong, what happened, and how often what no rule excludes.
---@param seed integer
---@param has_shelf boolean? does a sink script keep the users' passwords?
---@return string[] complaints, string[] lines, table<string, integer> exceptions, string kind
function M.play(seed, has_shelf)
  local self = open_world(seed)
  self.has_shelf = has_shelf
  local ok, err = xpcall(play, debug.traceback, self)
  chance.restore()
  for _, one in ipairs(self.installations) do
    if one.run then one.run:let_go() end
  end
  debug.getmetatable(self.cloud).__close(self.cloud)
  if not ok then self.model:complain("%s", err) end
  return self.model.complaints, self.lines, self.model.exceptions, self.kind
end

return M
