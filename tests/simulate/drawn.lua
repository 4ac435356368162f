--- What is drawn of a seed before anything happens: what may go wrong and how often, the
--- policy, the clocks, the people and the installations.

local installation = require "simulate.installation"
local truth = require "simulate.truth"

local M = {}

--- What there is to go wrong; the first of a world follows from its seed.
M.KINDS = { "plain", "strangers", "overlap", "late", "twice", "liar", "never", "slow", "stale", "behind", "again",
  "steps", "people", "entries", "rights", "disk", "three", "resume", "unique", "all" }

local PEOPLE = { "t0-anna", "t0-boris", "t0-chen", "t0-dana", "t0-emil", "uma", "henry", "rita" }

--- Do its installations run at the same time?
---@param self simulate.world
---@return boolean
function M.overlaps(self)
  local spice = self.spice
  return spice.overlap or spice.three or spice.resume or spice.unique or false
end

local function draw_spice(self)
  local kind = M.KINDS[(self.seed - 1) % #M.KINDS + 1]
  self.kind, self.spice = kind, { [kind] = true }
  for _, other in ipairs(M.KINDS) do
    local chance_of_it = kind == "all" and 0.5 or 0.06
    if other ~= "all" and self.dice:yes(kind == "plain" and 0 or chance_of_it) then self.spice[other] = true end
  end
end

local BASE = { { "lost", "lost" }, { "unanswered", "unanswered" }, { "503", "503" }, { "429", "429" },
  { "503 and done", "503 and done" } }

-- Fates and how often, for each kind of request.
local function draw_rates(self)
  local source, spice = self.dice, self.spice
  local rates = { read = {}, entry = {}, other = {}, password = {} }
  local function add(kind, fate, rate) table.insert(rates[kind], { fate = fate, rate = rate }) end
  for _, fate in ipairs(BASE) do
    local rate = source:yes(0.4) and 0 or source:fraction() * 0.05
    for _, kind in ipairs { "read", "entry", "other", "password" } do
      if kind ~= "read" or fate[2] ~= "503 and done" then add(kind, fate[2], rate) end
    end
  end
  add("password", "weak", source:yes(0.3) and 0.1 or 0)
  add("password", "401", 0.01)
  add("password", "403", source:yes(0.2) and 0.05 or 0)
  add("password", "silent", spice.late and 0.1 or 0.01)
  add("password", "late", spice.late and 0.3 or 0)
  add("password", "twice", spice.twice and 0.35 or 0)
  add("password", "refused and done", spice.liar and 0.35 or 0)
  add("password", "accepted, not done", spice.never and 0.3 or 0)
  for _, kind in ipairs { "read", "entry", "other", "password" } do add(kind, "slow", spice.slow and 0.15 or 0) end
  self.rates = rates
end

local function draw_terms(self)
  local source, again = self.dice, self.spice.again
  self.terms = {
    every = again and "1h" or "30d", jitter = again and "0s" or "5d",
    limits = {
      max_changes = again and 20 or source:between(2, 20), canary = source:between(0, 2),
      stop_on_failure = source:yes(0.5),
    },
    after = { revoke_sessions = source:yes(0.3) },
  }
end

local function add_apps(self)
  local plain = self.spice.plain or self.spice.steps or self.spice.disk
  for i = 1, plain and not M.overlaps(self) and self.dice:between(0, 2) or 0 do
    self.apps[i] = self.cloud.tenant:add_app { name = "App " .. i, days = 3650 }
    local id = self.apps[i].id
    local application = self.cloud.tenant.applications:newest(id)
    self.cloud.tenant.applications:change(id, { _owners = { [self.cloud.app.principal] = true } }, 0)
    self.apps[i].name = application.displayName
  end
end

local function add_installations(self)
  local count = self.spice.three and 3 or M.overlaps(self) and 2 or self.dice:yes(0.25) and 2 or 1
  for i = 1, count do
    self.installations[i] = installation.new("installation " .. i, ("%s/installation-%d"):format(self.cloud.folder, i),
      function() return ("%08x"):format(self.dice:between(0, 0xFFFFFFFF)) end)
  end
end

local function draw_clocks(self)
  self.offset = self.spice.behind and self.dice:pick { -1, -2, -3, -5, 2 } or 0
  self.jitter = self.spice.behind and self.dice:yes(0.3)
  self.widest = math.abs(self.offset) + (self.jitter and 1 or 0)
  self.latency = self.dice:pick { 0.02, 0.1, 0.5 }
  self.listing_lag_most = (M.overlaps(self) or self.spice.stale) and self.dice:yes(0.5) and 3 or 0
end

local function furnish(self)
  local people = {}
  for i = 1, self.dice:between(2, M.overlaps(self) and 6 or #PEOPLE) do people[i] = PEOPLE[i] end
  self.apps, self.installations = {}, {}
  add_apps(self)
  add_installations(self)
  self.group = self.cloud.tenant:add_group("Simulated", people)
  self.truth = truth.new(self, people)
end

--- Draw all of it.
---@param self simulate.world
function M.draw(self)
  draw_spice(self)
  draw_clocks(self)
  draw_rates(self)
  draw_terms(self)
  furnish(self)
end

return M
