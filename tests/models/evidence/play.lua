--- Plays a world, and asks the real rules each day on which the log was read: is the newer secret in use, and may the
--- older one go? Then it tells whether that was true.

local logs = require "models.evidence.log"
local rules = require "evidence.rules"
local worlds = require "models.evidence.world"

local M = {}

local DAY = 86400

local function has_reported_people(world, now)
  return world.people_reported ~= nil and now >= world.people_reported * DAY
end

-- The case as the program would put it together.
local function case_of(log, now, without)
  local world = log.world
  return {
    uses = log.uses, coverage = log.coverage, new = "new", old = "old", olds = { "old" }, now = now,
    rhythm = world.rhythm or without["rhythm"] and DAY or nil, grace_over = true,
    unseen = {
      for_people = world.for_people or not without["people report"] and has_reported_people(world, now),
      other_tenants = world.other_tenants == true,
    },
    proven = worlds.is_working(world, now),
  }
end

-- A copy of the case for the question "in use", with one part of the rule made void.
local function without_part(case, without)
  local copy, uses = setmetatable({}, { __index = case }), {}
  for i, use in ipairs(case.uses) do
    uses[i] = setmetatable({}, { __index = use })
    if without["two days"] and use.key_id == "new" and use.last_success then
      uses[i].success_days, uses[i].first_success = 2, math.min(use.first_success, use.last_success - DAY)
    end
    if without["settled"] and use.key_id == "old" then uses[i].last = 0 end
  end
  if without["address"] then copy.olds = {} end
  if without["tells ours"] then copy.coverage = { own = {} } end
  copy.uses = uses
  return copy
end

-- A copy of the case for the question of removal, with our own sign-ins with the old secret left out.
local function without_own_old(case)
  local copy, uses, own = setmetatable({}, { __index = case }), {}, {}
  for _, use in ipairs(case.uses) do
    if not (use.ours and use.key_id == "old") then uses[#uses + 1] = use end
  end
  for _, one in ipairs(case.coverage.own) do
    if one.key_id ~= "old" then own[#own + 1] = one end
  end
  copy.uses, copy.coverage = uses, { spans = case.coverage.spans, holes = case.coverage.holes, own = own }
  return copy
end

local function may_remove(case, without)
  local _, conditions = rules.may_remove(without["own old"] and without_own_old(case) or case)
  for _, condition in ipairs(conditions) do
    if not condition.holds and not without[condition.name] then return false end
  end
  return true
end

-- Has nobody at that address moved to the newer secret yet?
local function is_untrue(world, address, day)
  for _, holder in ipairs(world.holders) do
    if holder.address == address and holder.moves and holder.moves <= day then return false end
  end
  return true
end

-- Would somebody have signed in with the old secret once more? A stranger who removes the newer one later makes nobody
-- go back to one that is removed already.
local function is_needed(world, now)
  if world.dies and now < world.dies * DAY then return false end
  for i = #world.events, 1, -1 do
    local event = world.events[i]
    if event.at <= now then return false end
    if event.key == "old" and not event.own then return true end
  end
  return false
end

---@class models.outcome
---@field removed number? the day of removal
---@field harm boolean? would somebody have used it again?
---@field in_use number? the day on which the newer one was first said to be in use
---@field lie boolean? had nobody at that address moved by then?

local function look(log, day, without, outcome)
  local case = case_of(log, day * DAY, without)
  if not outcome.in_use then
    local found = rules.confirmed(without_part(case, without))
    if found.verdict == "in use" then
      outcome.in_use, outcome.lie = day, is_untrue(log.world, found.address, day)
    end
  end
  if may_remove(case, without) then outcome.removed, outcome.harm = day, is_needed(log.world, day * DAY) end
end

--- Play a world until the old secret is removed, or to its end.
---@param seed integer
---@param kind string
---@param loss number how many rows the log loses
---@param without table<string, boolean>? what is left out
---@return models.outcome
function M.play(seed, kind, loss, without)
  local world, outcome = worlds.draw(seed, kind, loss), {}
  local log = logs.new(world, without or {})
  for day = worlds.RENEWED, world.ends - 1 do
    if logs.is_read(world, day) then
      logs.read(log, day * DAY)
      look(log, day, without or {}, outcome)
      if outcome.removed then break end
    end
  end
  return outcome
end

---@class models.sums
---@field played integer
---@field removed integer
---@field harm integer
---@field in_use integer
---@field lies integer
---@field harmful integer[] the seeds with harm

--- Play many worlds of these kinds, in turn.
---@param first integer seed
---@param count integer
---@param kinds string[]
---@param loss number
---@param without string[]? what is left out
---@return models.sums
function M.sum(first, count, kinds, loss, without)
  local left_out = {}
  for _, name in ipairs(without or {}) do left_out[name] = true end
  local sums = { played = 0, removed = 0, harm = 0, in_use = 0, lies = 0, harmful = {} }
  for seed = first, first + count - 1 do
    local outcome = M.play(seed, kinds[seed % #kinds + 1], loss, left_out)
    sums.played = sums.played + 1
    sums.removed = sums.removed + (outcome.removed and 1 or 0)
    sums.in_use = sums.in_use + (outcome.in_use and 1 or 0)
    sums.harm = sums.harm + (outcome.harm and 1 or 0)
    sums.lies = sums.lies + (outcome.lie and 1 or 0)
    if outcome.harm then table.insert(sums.harmful, seed) end
  end
  return sums
end

return M
