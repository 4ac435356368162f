--- What becomes of a request on its way: when it is carried out, how often, what is
--- answered and when. Each fate is an event on the world's line of time.

local near_cloud = require "near_cloud"

local M = {}

local LATE = 120 -- seconds after its time-out until which a request may still be carried out

---@class simulate.network
---@field world simulate.world
---@field dice simulate.dice
local Network = {}
Network.__index = Network

---------------------------------------------------------------------------
-- Times

local function way(self) return 0.01 + self.dice:fraction() * self.world.latency end

---@class simulate.trip one request under way
---@field door simulate.door
---@field transfer simulate.transfer
---@field sending simulate.sending? of a password

local function finish(trip, result)
  if trip.timer then trip.timer.off = true end
  trip.door:finish(trip.transfer, result)
end

local function cut(trip) finish(trip, { kind = "cut", maybe_sent = true }) end

local function time_out(trip)
  finish(trip, { kind = "timeout", message = "no answer came in time", maybe_sent = true })
end

-- Let the services do it now. What they say of it, as an answer.
local function carry_out(self, trip)
  local seen = trip.transfer.seen
  seen.stale = self.world:staleness(seen)
  return self.world.truth:carry_out(trip, function()
    return self.world.cloud:serve(trip.door, seen, near_cloud.twin(trip.transfer.carried))
  end)
end

local function answer(self, trip, status, headers, body)
  self.world.truth:note_answer(trip, status, body)
  finish(trip, { reply = self.world.cloud:answer(status, headers, body) })
end

-- Carried out after `there`, and answered `back` after that: by what the services say, or by `instead`.
local function deliver(self, trip, there, back, instead)
  local timeline = self.world.timeline
  timeline:after(there, function()
    local status, headers, body = carry_out(self, trip)
    if not back then return end
    timeline:after(back, function()
      if instead then status, headers, body = near_cloud.refuse(instead) end
      answer(self, trip, status, headers, body)
    end)
  end)
  trip.timer = timeline:after(trip.transfer.timeout, function() time_out(trip) end)
end

local function reject(self, trip, status, wait)
  self.world.timeline:after(way(self) * 2, function()
    local code, headers, body = near_cloud.refuse(status, wait)
    answer(self, trip, code, headers, body)
  end)
end

---------------------------------------------------------------------------
-- Fates

local FATES = {}

--- It never arrives, and the connection breaks.
FATES["lost"] = function(self, trip)
  self.world.timeline:after(self.dice:pick { 0.1, 1, 5, 20 }, function() cut(trip) end)
end

--- It never arrives, and nobody says so.
FATES["silent"] = function(self, trip)
  self.world.timeline:after(trip.transfer.timeout, function() time_out(trip) end)
end

--- It is carried out, and its answer is lost.
FATES["unanswered"] = function(self, trip)
  local there = way(self)
  deliver(self, trip, there)
  self.world.timeline:after(there + self.dice:pick { 0.01, 2, 10 }, function() cut(trip) end)
end

FATES["503"] = function(self, trip) reject(self, trip, 503) end
FATES["401"] = function(self, trip) reject(self, trip, 401) end
FATES["403"] = function(self, trip) reject(self, trip, 403) end
FATES["429"] = function(self, trip) reject(self, trip, 429, self.dice:pick { 1, 2, 7, 30 }) end

--- It is carried out, and a server in between says that it broke.
FATES["503 and done"] = function(self, trip) deliver(self, trip, way(self), way(self), 503) end

--- It is carried out, and refused (counterexample 7 of the rules).
FATES["refused and done"] = function(self, trip)
  deliver(self, trip, way(self), way(self), self.dice:pick { 404, 409, 404, 409, 400, 412 })
end

--- It is accepted, and never carried out.
FATES["accepted, not done"] = function(self, trip)
  self.world.timeline:after(way(self) * 2, function() answer(self, trip, 204, {}, nil) end)
end

--- Entra does not like the password.
FATES["weak"] = function(self, trip)
  self.world.timeline:after(way(self) * 2, function()
    answer(self, trip, 400, {}, { error = { code = "Request_BadRequest",
      message = "The specified password does not comply with password complexity requirements. "
        .. "Please provide a different password." } })
  end)
end

--- It is carried out soon and answered late, or carried out late and answered then.
FATES["slow"] = function(self, trip)
  local all = self.dice:pick { 2, 4, 8, 20, 28 }
  local there = self.dice:fraction() * all
  deliver(self, trip, there, all - there)
end

--- The client has given up when it is carried out.
FATES["late"] = function(self, trip)
  local timeout = trip.transfer.timeout
  if self.dice:yes(0.5) then
    return deliver(self, trip, timeout + self.dice:fraction() * (LATE - 1))
  end
  deliver(self, trip, self.dice:fraction() * (timeout + LATE - 1))
  self.world.timeline:after(self.dice:pick { 0.1, 1, 5 }, function() cut(trip) end)
end

--- It is delivered twice: an answer comes, or it does not, and later it is carried out again.
FATES["twice"] = function(self, trip)
  local first, rest = way(self), trip.transfer.timeout + LATE - 2
  if self.dice:yes(0.6) then deliver(self, trip, first, way(self)) else FATES["unanswered"](self, trip) end
  self.world.timeline:after(first + 0.5 + self.dice:fraction() * (rest - first), function() carry_out(self, trip) end)
end

--- All is well.
FATES["well"] = function(self, trip) deliver(self, trip, way(self), way(self)) end

-- The fate of this request, drawn in an order that is always the same.
local function draw(self, kind)
  if self.world.calm then return "well" end
  local rates = self.world.rates[kind]
  for _, one in ipairs(rates) do
    if self.dice:yes(one.rate) then return one.fate end
  end
  return "well"
end

local function is_password(transfer)
  local body = transfer.carried.body
  return transfer.seen.method == "PATCH" and transfer.seen.path:find("/users/", 1, true) and type(body) == "table"
    and type(body.passwordProfile) == "table"
end

--- A request leaves.
---@param door simulate.door
---@param transfer simulate.transfer
function Network:send(door, transfer)
  local kind = not transfer.changes and "read" or is_password(transfer) and "password"
    or transfer.seen.peer == "devolutions" and "entry" or "other"
  local trip = { door = door, transfer = transfer }
  if kind == "password" then trip.sending = self.world.truth:note_sent(trip, door.run) end
  if kind == "password" or transfer.seen.path:find("/addPassword$") then
    self.world.model:note_dated_change(door.run)
  end
  local fate = draw(self, kind)
  if trip.sending then
    trip.sending.fate = fate
    self.world:note("%s sends value %d of %s: %s", door.run.installation.name, trip.sending.value.number,
      trip.sending.user.name, fate)
    self.world:on_sent(trip.sending)
  end
  FATES[fate](self, trip)
end

--- A network of a world.
---@param world simulate.world
---@return simulate.network
function M.new(world) return setmetatable({ world = world, dice = world.dice }, Network) end

return M
