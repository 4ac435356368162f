--- What is known of a world's log: summaries of uses, and which time they cover. As `evidence.store` keeps them.

local world_days = require "models.evidence.world"

local M = {}

local DAY = 86400
local RETENTION = 30 * DAY
local LATE = 3 * DAY
local APART = 5 * DAY -- seconds between two readings, at most
local NEAR = 600 -- seconds from a request of ours within which a sign-in counts as ours

---@class models.log
---@field world models.world
---@field uses evidence.use[]
---@field by table<string, evidence.use>
---@field coverage evidence.coverage
---@field queue models.event[] those that the log shows at some time, in that order
---@field place integer of the next one
---@field read_at number?
---@field without table<string, boolean> what is left out, to see what it is needed for

--- A log that nobody has read yet.
---@param world models.world
---@param without table<string, boolean>
---@return models.log
function M.new(world, without)
  local queue = {}
  for _, event in ipairs(world.events) do
    if event.shown_at then queue[#queue + 1] = event end
  end
  table.sort(queue, function(a, b) return a.shown_at < b.shown_at end)
  local near = {}
  for _, own in ipairs(world.own) do near[own.key .. own.at // NEAR] = own.at end
  return {
    world = world, uses = {}, by = {}, queue = queue, place = 1, without = without, near = near,
    coverage = { spans = {}, holes = {}, own = {} }, own_place = 1,
  }
end

local function is_ours(log, event)
  if event.unnamed or log.without["ours"] then return false end
  for bucket = event.logged_at // NEAR - 1, event.logged_at // NEAR + 1 do
    local at = log.near[event.logged_key .. bucket]
    if at and math.abs(at - event.logged_at) <= NEAR then return true end
  end
  return false
end

local function fold(log, event)
  if event.failed and log.without["failures"] then return end
  local key, ours, at = event.unnamed and "" or event.logged_key, is_ours(log, event), event.logged_at
  local name = ("%s/%s/%s"):format(key, event.address, ours)
  local use = log.by[name]
  if not use then
    use = { key_id = key, address = event.address, ours = ours, first = at, last = at, count = 0,
      success_days = 0, days = {} }
    log.by[name] = use
    log.uses[#log.uses + 1] = use
  end
  use.count, use.first, use.last = use.count + 1, math.min(use.first, at), math.max(use.last, at)
  if event.failed then
    if at >= (use.last_error_at or 0) then use.last_error, use.last_error_at = 7000215, at end
    return
  end
  use.first_success = math.min(use.first_success or at, at)
  use.last_success = math.max(use.last_success or at, at)
  if not use.days[at // DAY] then
    use.days[at // DAY], use.success_days = true, use.success_days + 1
  end
end

-- Did the log show this sign-in of ours by now, in a form in which it is recognised?
local function is_shown(own, now)
  local event = own.event
  return event.shown_at ~= nil and event.shown_at <= now and event.logged_key == own.key_id
    and math.abs(event.logged_at - own.at) <= NEAR
end

-- Add the sign-ins of ours so far, and whether the log showed each in time.
local function follow_own(log, now)
  local own, list = log.world.own, log.coverage.own
  while own[log.own_place] and own[log.own_place].at <= now do
    local one = own[log.own_place]
    list[#list + 1] = { at = one.at, key_id = one.key, event = one.event, failed = one.event.failed }
    log.own_place = log.own_place + 1
  end
  for i = #list, 1, -1 do
    local one = list[i]
    if one.at < now - 40 * DAY then break end
    if one.seen == nil and is_shown(one, now) then one.seen = true end
    if one.seen == nil and not one.failed and one.at + LATE < now then
      one.seen = false
      if not log.without["holes"] then
        table.insert(log.coverage.holes, { from = one.at, to = one.at, why = "it did not show our own sign-in" })
      end
    end
  end
end

local function cover(log, now)
  local coverage, before = log.coverage, log.read_at or now - RETENTION
  if now - before > APART and log.read_at and not log.without["holes"] then
    table.insert(coverage.holes, { from = before, to = now, why = "it was not read for days" })
  end
  coverage.spans[1] = coverage.spans[1] or { from = before }
  coverage.spans[1].to, log.read_at = now, now
end

--- Read the log, as a run of Moonlatch does.
---@param log models.log
---@param now number
function M.read(log, now)
  while log.queue[log.place] and log.queue[log.place].shown_at <= now do
    local event = log.queue[log.place]
    local is_there = event.at >= now - RETENTION and not (event.hidden_at and event.hidden_at <= now)
    -- a log that is read again in place of what it showed before forgets what it lost
    if is_there and not (event.hidden_at and log.without["kept"]) then fold(log, event) end
    log.place = log.place + 1
  end
  cover(log, now)
  follow_own(log, now)
end

--- Does Moonlatch read the log on this day?
---@param world models.world
---@param day integer
---@return boolean
function M.is_read(world, day)
  return (day - world_days.RENEWED) % world.polls == 0 and not world_days.is_off(world, day)
end

return M
