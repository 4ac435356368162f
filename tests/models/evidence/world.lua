--- Random worlds in which an application's client secret is renewed: who signs in with which secret, and when.
--- Nothing here is taken from the rules that are tested. Days are counted from the start of the world.

local dice = require "simulate.dice"

local M = {}

local DAY = 86400

--- When the newer secret is made.
M.RENEWED = 30

---@class models.event a sign-in that really happens
---@field at number seconds
---@field key "old"|"new"
---@field address string
---@field failed boolean?
---@field unnamed boolean? the log does not say the key id
---@field unlogged boolean? a sign-in on behalf of a person: not in the log of applications
---@field own boolean? Moonlatch's
---@field shown_at number? when the log shows it; nil: never
---@field hidden_at number? when the log does not show it any more
---@field logged_at number the moment that the log tells
---@field logged_key "old"|"new" the credential that the log names

---@class models.holder somebody who signs in with the application's secret
---@field address string
---@field gap number days between two sign-ins, about
---@field moves number? the day from which the holder has the newer secret; nil: never
---@field pause { from: number, to: number }? days without a sign-in
---@field blocked { from: number, to: number }? days on which each sign-in is refused
---@field for_people boolean?
---@field elsewhere boolean? does the holder sign in to another tenant?
---@field vanishes boolean? does the log lose its sign-ins after it showed them?

---@class models.world
---@field kind string
---@field holders models.holder[]
---@field events models.event[] by moment
---@field own { at: number, key: "old"|"new", event: models.event }[]
---@field rhythm number? as declared, in seconds
---@field for_people boolean does the registration show that people sign in through it?
---@field people_reported number? the day from which the report on service principals shows that they do; nil: never
---@field ends number the last day
---@field dies number? the day on which a stranger removes the newer secret
---@field off { from: number, to: number }[] days on which Moonlatch does not run
---@field outages { from: number, to: number }[] days of which the log shows nothing
---@field polls integer days between two readings of the log
---@field other_tenants boolean? is the application registered for other tenants, too?
---@field gone { from: number, to: number }? days for which the application is deleted
---@field skew number seconds by which the clock of the log is ahead of ours
---@field attributed number the share of the sign-ins for which the log names the other credential
---@field is_undeclared boolean? is no rhythm declared?

--- The kinds of worlds in which the rhythm is declared as it is, or not at all. In worlds of the kinds
--- "slower than declared" and "people not registered" no rule can exclude harm.
M.HONEST = {
  "daily", "quarterly", "forgotten", "tested", "people", "shared", "blocked", "monitored", "rolled back", "undeclared",
  "away", "silent log", "not read", "tried elsewhere", "vanishing", "deleted", "clock apart", "other tenants",
  "attributed",
}

local function pick_move(d) return d:pick { M.RENEWED + 3, M.RENEWED + 3, M.RENEWED + 40, false } or nil end

local function consumer(d, gaps)
  return { address = "203.0.113.1", gap = d:pick(gaps or { 0.5, 1, 1, 2 }), moves = pick_move(d) }
end

local function forgotten(d, number)
  return {
    address = d:yes(0.7) and "198.51.100." .. number or "203.0.113.1", gap = d:pick { 1, 7, 31, 31, 92 },
    moves = d:yes(0.3) and M.RENEWED + d:between(1, 60) or nil,
  }
end

---@type table<string, fun(d: simulate.dice, world: models.world)>
local DRAW = {}

function DRAW.quarterly(d, world) world.holders = { consumer(d, { 92 }) } end

function DRAW.forgotten(d, world)
  for number = 1, d:between(1, 2) do world.holders[number + 1] = forgotten(d, number) end
end

-- "Test connection" in Devolutions signs in with the newer secret.
local function add_test(world, holder, day)
  world.events[#world.events + 1] = { at = day * DAY, key = "new", address = holder.address }
end

-- Such a test, on one to four days; nothing is saved, or much later.
function DRAW.tested(d, world)
  local holder = world.holders[1]
  holder.gap, holder.moves = d:pick { 0.5, 1, 1 }, d:yes(0.5) and M.RENEWED + 60 or nil
  for _ = 1, d:between(1, 4) do add_test(world, holder, M.RENEWED + d:between(0, 8) + d:fraction()) end
end

-- A person tries the newer secret at another computer, on some days; the consumer never gets it.
DRAW["tried elsewhere"] = function(d, world)
  world.holders[1].moves = nil
  for day = 2, d:between(3, 6) do add_test(world, { address = "192.0.2.50" }, M.RENEWED + day) end
end

function DRAW.people(d, world)
  world.for_people = true
  world.holders[1].moves = M.RENEWED + 3
  world.holders[2] = { address = "192.0.2.7", gap = d:pick { 1, 7 }, for_people = true,
    moves = d:yes(0.3) and M.RENEWED + 50 or nil }
end

-- Nothing in the registration shows that people sign in through it. The report does, a day or two late; or it lacks the
-- row.
DRAW["people not registered"] = function(d, world)
  DRAW.people(d, world)
  world.for_people = false
  world.people_reported = d:yes(0.8) and d:between(1, 8) or nil
end

function DRAW.shared(d, world)
  world.own_address = "203.0.113.1"
  if d:yes(0.5) then world.holders[2] = forgotten(d, 2) end
end

-- A policy of the tenant refuses a forgotten script for months, then lets it in again.
function DRAW.blocked(d, world)
  local from = M.RENEWED + d:between(0, 20)
  world.holders[1].moves = M.RENEWED + 3
  world.holders[2] = { address = "203.0.113.1", gap = d:pick { 1, 2 }, blocked = { from = from, to = from + 90 } }
  world.unnamed_failures = d:yes(0.5)
end

-- Something runs `moonlatch doctor` every few minutes, which signs in with the secret that the consumer was given.
function DRAW.monitored(d, world)
  world.holders[1].moves = M.RENEWED + 3
  world.holders[2] = { address = "203.0.113.1", gap = d:pick { 1, 2 } }
  world.monitored_until = M.RENEWED + d:between(10, 60)
end

-- A stranger removes the newer secret; some days later the consumer is given the old one again.
DRAW["rolled back"] = function(d, world)
  world.holders[1].moves, world.dies = M.RENEWED + 3, M.RENEWED + d:between(14, 40)
  world.back = world.dies + d:between(3, 30)
end

-- The consumer moved; a script at its address did not.
local function add_forgotten_daily(d, world, more)
  world.holders[1].moves = M.RENEWED + 3
  local holder = { address = "203.0.113.1", gap = d:pick { 0.5, 1 } }
  for name, value in pairs(more or {}) do holder[name] = value end
  world.holders[2] = holder
end

-- The log loses the script's sign-ins a day or two after it showed them.
function DRAW.vanishing(d, world) add_forgotten_daily(d, world, { vanishes = true }) end

-- The application is deleted and, weeks later, restored with the same credentials. Meanwhile nobody signs in, and
-- nothing is in the log.
function DRAW.deleted(d, world)
  add_forgotten_daily(d, world)
  local from = M.RENEWED + d:between(8, 40)
  world.gone = { from = from, to = from + d:between(15, 29) }
end

-- The clock of the log is apart from the one by which our own sign-ins are on record, and we share the consumer's
-- address.
DRAW["clock apart"] = function(d, world)
  world.own_address, world.is_undeclared = "203.0.113.1", d:yes(0.5)
  world.holders[1].gap = d:pick { 1, 31 }
  world.skew = d:pick { -300, 300, -1200, 1200, 3 * 3600 }
end

-- The script signs in to another tenant.
DRAW["other tenants"] = function(d, world)
  add_forgotten_daily(d, world, { elsewhere = true })
  world.other_tenants = true
end

-- The log names the other credential, now and then.
function DRAW.attributed(d, world)
  add_forgotten_daily(d, world)
  world.attributed = d:pick { 0.02, 0.1, 0.3 }
end

function DRAW.undeclared(d, world)
  world.is_undeclared = true
  world.holders[1].moves = M.RENEWED + 3
  world.holders[2] = { address = "203.0.113.1", gap = d:pick { 31, 92 } }
end

function DRAW.away(d, world)
  DRAW.forgotten(d, world)
  for i = 1, 2 do
    local from = M.RENEWED + i * 60 + d:between(0, 40)
    world.off[i] = { from = from, to = from + d:between(20, 50) }
  end
end

-- The log shows nothing for weeks, and no reading of it fails.
DRAW["silent log"] = function(d, world)
  world.holders[1].moves = M.RENEWED + 3
  world.holders[2] = { address = "203.0.113.1", gap = d:pick { 1, 2 } }
  local from = M.RENEWED + d:between(10, 60)
  world.outages[1] = { from = from, to = from + d:between(15, 40) }
end

-- Nobody reads the log for so long that the sign-ins of a monthly script are gone from it.
DRAW["not read"] = function(d, world)
  world.holders[1].moves = M.RENEWED + 3
  world.holders[2] = { address = "203.0.113.1", gap = 31 }
  local from = M.RENEWED + d:between(15, 40)
  world.off[1] = { from = from, to = from + d:between(95, 110) }
end

-- A consumer or a script is silent for longer than declared.
DRAW["slower than declared"] = function(d, world)
  if d:yes(0.5) then
    world.holders[2] = { address = "198.51.100.9", gap = d:pick { 31, 92 } }
    world.holders[1].moves = M.RENEWED + 3
  else
    local holder = world.holders[1]
    holder.moves, holder.pause = nil, { from = M.RENEWED + 4, to = M.RENEWED + d:between(30, 60) }
    for _, day in ipairs { 12, 13, 14 } do
      if d:yes(0.4) then add_test(world, holder, M.RENEWED + day) end
    end
  end
  world.rhythm = DAY
end

---------------------------------------------------------------------------

local function between(span, day) return span ~= nil and day >= span.from and day < span.to end

local function key_of(world, holder, day)
  if world.back and day >= world.back then return "old" end
  return holder.moves and day >= holder.moves and "new" or "old"
end

local function add_uses(d, world, holder)
  local day = d:fraction() * holder.gap
  while day < world.ends do
    local key = key_of(world, holder, day)
    local dead, gone = key == "new" and world.dies and day >= world.dies, between(world.gone, day)
    local failed = between(holder.blocked, day) or dead or gone or nil
    if not between(holder.pause, day) then
      world.events[#world.events + 1] = {
        at = day * DAY, key = key, address = holder.address, failed = failed,
        unnamed = failed and world.unnamed_failures or nil,
        unlogged = holder.for_people or holder.elsewhere or gone or nil, vanishes = holder.vanishes,
      }
    end
    day = day + holder.gap * (0.9 + 0.2 * d:fraction())
  end
end

local function is_off(world, day)
  for _, span in ipairs(world.off) do
    if between(span, day) then return true end
  end
  return false
end
M.is_off = is_off

--- Can the newer secret sign in at this moment?
---@param world models.world
---@param now number
---@return boolean
function M.is_working(world, now)
  return not (world.dies and now >= world.dies * DAY or between(world.gone, now / DAY))
end

local function add_own(world, at, key)
  local dead, gone = key == "new" and world.dies and at >= world.dies * DAY, between(world.gone, at / DAY)
  local event = { at = at, key = key, address = world.own_address, own = true, failed = dead or gone or nil,
    unlogged = gone or nil }
  world.events[#world.events + 1] = event
  world.own[#world.own + 1] = { at = at, key = key, event = event }
end

-- Moonlatch signs in with the newer secret every day.
local function add_own_sign_ins(d, world)
  local before = #world.events
  for day = M.RENEWED, world.ends - 1 do
    if not is_off(world, day) then add_own(world, (day + 0.1 * d:fraction()) * DAY, "new") end
  end
  for i = 1, world.monitored_until and before or 0 do
    local event = world.events[i]
    if event.key == "old" and event.at < world.monitored_until * DAY and d:yes(0.95) then
      add_own(world, event.at - 120, "old")
    end
  end
end

-- When the log shows each event: late, or never.
local function log_events(d, world, loss)
  local outages = world.outages
  for _ = 1, 4 do
    local from = d:fraction() * world.ends
    outages[#outages + 1] = { from = from, to = from + d:between(1, 5) }
  end
  for _, event in ipairs(world.events) do
    local day, lost = event.at / DAY, d:yes(loss) or event.unlogged
    for _, outage in ipairs(outages) do lost = lost or between(outage, day) end
    event.shown_at = not lost and event.at + (event.vanishes and 0.05 or d:pick { 0.01, 0.05, 1, 2.5 }) * DAY or nil
    event.hidden_at = event.vanishes and event.at + d:pick { 1.5, 2 } * DAY or nil
    event.logged_at, event.logged_key = event.at + world.skew, event.key
    if world.attributed > 0 and day >= M.RENEWED and d:yes(world.attributed) then
      event.logged_key = event.key == "old" and "new" or "old"
    end
  end
end

local function longest_gap(world)
  local gap = 1
  for _, holder in ipairs(world.holders) do gap = math.max(gap, holder.gap) end
  return gap
end

--- The world of a seed.
---@param seed integer
---@param kind string
---@param loss number how many rows the log loses
---@return models.world
function M.draw(seed, kind, loss)
  local d = dice.new(seed)
  local world = {
    kind = kind, events = {}, own = {}, off = {}, outages = {}, for_people = false, own_address = "192.0.2.200",
    polls = d:between(1, 4), skew = 0, attributed = 0,
  }
  world.holders = { consumer(d) }
  if DRAW[kind] then DRAW[kind](d, world) end
  local gap = longest_gap(world)
  world.ends = M.RENEWED + math.ceil(math.max(200, 5 * gap))
  if not world.is_undeclared then world.rhythm = world.rhythm or gap * DAY end
  for _, holder in ipairs(world.holders) do add_uses(d, world, holder) end
  add_own_sign_ins(d, world)
  log_events(d, world, loss)
  table.sort(world.events, function(a, b) return a.at < b.at end)
  return world
end

return M
