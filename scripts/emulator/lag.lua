--- Rows that become visible some seconds after they were written, as in a replicated directory (Microsoft Learn,
--- user-list: "replication delays"; terraform's azuread provider waits for five hits in a row).
---
--- A collection holds rows by id. A row is never changed, only replaced: a write adds a version that becomes visible
--- after a delay, and a reader asks for what was visible at a moment. The rows of a crowd are computed from their
--- number, and stored only when somebody writes them.

local random = require "emulator.random"

local M = {}

local KEEP = 3600 -- seconds that a replaced version stays, for readers that ask for an older state

---@class emulator.lag.source where delays come from
---@field now fun(): number
---@field min number? seconds; nil: no lag
---@field max number?
---@field behind fun(): number how far the replicas are behind at most, seconds
local Source = { __name = "emulator.lag.source" }
Source.__index = Source

--- The delays of a tenant: they follow from the seed and the number of the write.
---@param options {seed: integer, now: (fun(): number), min: number?, max: number?, behind: nil|fun(): number}
---@return emulator.lag.source
function M.source(options)
  return setmetatable({ seed = options.seed, now = options.now, min = options.min, max = options.max, writes = 0,
    behind = options.behind or function() return 0 end }, Source)
end

--- The delay of the next write in seconds; within `range` when it is given.
---@param range number[]? {min, max}
---@return number
function Source:delay(range)
  self.writes = self.writes + 1
  local min, max = self.min, self.max
  if not max then return 0 end
  if range then
    min, max = range[1], range[2]
  end
  return min + (max - min) * random.fraction(self.seed, "lag", self.writes)
end

--- The moment from which a write made now is visible. What another admin did, without any delay, is as if it had
--- happened a while ago: replicas that are behind show it, too.
---@param delay number? seconds; by default the next delay
---@return number
function Source:visible_from(delay)
  if delay == 0 then return self.now() - self.behind() end
  return self.now() + (delay or self:delay())
end

---@class emulator.lag.crowd rows that are computed from their number
---@field size integer
---@field id fun(number: integer): string
---@field number fun(id: string): integer?
---@field row fun(number: integer): table
---@field find nil|fun(property: string, value: any): integer[]? numbers of the rows that can have that value; nil: any
--- row can

---@class emulator.lag.collection
---@field watch nil|fun(id: string, before: table?, after: table?) is told of each write before it is made
local Collection = { __name = "emulator.lag.collection" }
Collection.__index = Collection

---@type emulator.lag.crowd
local NOBODY = {
  size = 0,
  id = function() error("the crowd is empty") end,
  number = function() end,
  row = function() error("the crowd is empty") end,
  find = function() return {} end,
}

--- An empty collection, or one with a crowd.
---@param source emulator.lag.source
---@param crowd emulator.lag.crowd?
---@return emulator.lag.collection
function M.collection(source, crowd)
  return setmetatable({
    source = source, crowd = crowd or NOBODY, versions = {}, order = {}, named = 0, touched = {},
    dropped = {}, oldest_drop = 1, latest_drop = 0,
  }, Collection)
end

local function from_crowd(self, id)
  local number = self.crowd.number(id)
  if number and number >= 1 and number <= self.crowd.size then return self.crowd.row(number) end
end

-- Was the row dropped by this moment? Without a moment the newest state counts.
local function has_ended(self, row, at)
  return row._ends ~= nil and row._ends <= math.min(at, self.source.now())
end

--- The row as it was visible at a moment; nil when it was not there.
---@param id string
---@param at number
---@return table?
function Collection:get(id, at)
  local versions = self.versions[id]
  for i = versions and #versions or 0, 1, -1 do
    if versions[i].at <= at then
      local row = versions[i].row
      return row and not has_ended(self, row, at) and row or nil
    end
  end
  return from_crowd(self, id)
end

--- The row as written last, visible or not.
---@param id string
---@return table?
function Collection:newest(id)
  local versions = self.versions[id]
  if versions then return versions[#versions].row or nil end
  return from_crowd(self, id)
end

--- Remove versions that no reader can ask for any more.
local function trim(versions, before)
  while versions[2] and versions[2].at < before do
    table.remove(versions, 1)
  end
end

--- Forget rows that were dropped so long ago that no reader can ask for them any more. Rows of a crowd stay marked as
--- dropped. The others leave a false in the order of listing, because pages count positions.
local function forget(self, before)
  local drop = self.dropped[self.oldest_drop]
  while drop and drop.at < before do
    local versions = self.versions[drop.id]
    if versions and versions.place and versions[#versions] == drop then
      self.versions[drop.id], self.order[versions.place] = nil, false
    end
    self.dropped[self.oldest_drop] = nil
    self.oldest_drop = self.oldest_drop + 1
    drop = self.dropped[self.oldest_drop]
  end
end

local function new_versions(self, id)
  local versions = {}
  local number = from_crowd(self, id) and self.crowd.number(id)
  if number then
    self.touched[number] = id
  else
    versions.place = #self.order + 1
    self.order[versions.place] = id
  end
  self.versions[id] = versions
  return versions
end

local function add_version(self, id, at, row)
  local before = self.source.now() - KEEP
  forget(self, before)
  local versions = self.versions[id] or new_versions(self, id)
  local last = versions[#versions]
  local version = { id = id, at = last and math.max(at, last.at) or at, row = row }
  versions[#versions + 1] = version
  trim(versions, before)
  return version
end

--- Put a row that was always there, in front of the crowd.
---@param id string
---@param row table
function Collection:seed(id, row)
  add_version(self, id, -math.huge, row)
  self.named = #self.order
end

local function tell(self, id, row)
  if self.watch then self.watch(id, self:newest(id), row or nil) end
end

--- Write a row. Visible after `delay` seconds, or after the source's next delay.
---@param id string
---@param row table
---@param delay number?
function Collection:put(id, row, delay)
  tell(self, id, row)
  add_version(self, id, self.source:visible_from(delay), row)
end

--- Write a copy of the newest row with some members changed.
---@param id string
---@param changes table
---@param delay number?
---@return table row
function Collection:change(id, changes, delay)
  local row = {}
  for key, value in pairs(self:newest(id)) do
    row[key] = value
  end
  for key, value in pairs(changes) do
    row[key] = value
  end
  self:put(id, row, delay)
  return row
end

--- Remove a row.
---@param id string
---@param delay number?
function Collection:drop(id, delay)
  tell(self, id, false)
  self.latest_drop = self.latest_drop + 1
  self.dropped[self.latest_drop] = add_version(self, id, self.source:visible_from(delay), false)
end

--- Go through the ids of the rows that somebody wrote after the start.
---@return fun(): string?
function Collection:written()
  local id
  return function()
    id = next(self.versions, id)
    return id
  end
end

--- Is the row there, or was it at a moment that somebody can still ask for?
---@param id string
---@return boolean
function Collection:knows(id)
  return self.versions[id] ~= nil or from_crowd(self, id) ~= nil
end

--- The id, or the number in the crowd, at a position in the order of listing: first the named rows, then the crowd (or
--- the numbers in `only`), then later rows.
local function whose_place(self, place, only)
  local named = self.named
  if place <= named then return self.order[place] end
  local size = only and #only or self.crowd.size
  if place <= named + size then return nil, only and only[place - named] or place - named end
  return self.order[place - size]
end

local function row_of_number(self, number, at)
  local id = self.touched[number]
  if id then return self:get(id, at) end
  return self.crowd.row(number)
end

--- Go through what was visible at a moment, from a position on. Returns position, row, and the id except for rows of a
--- crowd, which contain it. `equals` (property, value) lets a crowd skip rows; the rows may still differ.
---@param at number
---@param from integer?
---@param equals {[1]: string, [2]: any}?
---@return fun(): integer?, table?, string?
function Collection:scan(at, from, equals)
  local only = equals and self.crowd.find and self.crowd.find(equals[1], equals[2])
  local place = (from or 1) - 1
  return function()
    while true do
      place = place + 1
      local row
      local id, number = whose_place(self, place, only)
      if number then
        row = row_of_number(self, number, at)
      elseif id == nil then
        return nil
      else
        row = self:get(id, at)
      end
      if row then return place, row, id end
    end
  end
end

--- How many were visible at a moment.
---@param at number
---@return integer
function Collection:count(at)
  local count = self.crowd.size
  for id in pairs(self.versions) do
    local there, was = self:get(id, at), from_crowd(self, id)
    if there and not was then
      count = count + 1
    elseif was and not there then
      count = count - 1
    end
  end
  return count
end

--- The first row for which `fits(row)`, visible at a moment; without a moment, as written last. Crowds are not walked.
---@param fits fun(row: table): boolean
---@param at number?
---@return table? row, string? id
function Collection:find(fits, at)
  for _, id in ipairs(self.order) do
    local row
    if at then
      row = self:get(id, at)
    else
      row = self:newest(id)
    end
    if row and fits(row) then return row, id end
  end
end

return M
