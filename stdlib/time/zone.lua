--- Time zones by name, from the system's files (/usr/share/zoneinfo, RFC 8536).
---
--- A file holds past changes as a table, and the rule for the future as a line of text, which time.zone_rule reads.

local fail = require "fail"
local sys = require "host.sys"
local zone_rule = require "time.zone_rule"

local M = {}

local FOLDER = "/usr/share/zoneinfo/"
local MOST_BYTES = 1 << 20 -- of a file
local DAY = 86400

---@class zone
---@field name string
---@field at integer[] moments of change, ascending
---@field offsets integer[] seconds east of UTC from that moment on
---@field first integer seconds east of UTC before the first change
---@field rule time.zone_rule? the changes after the last change of the table
local Zone = {}
local ZONE = { __name = "zone", __metatable = "zone", __index = Zone }

---------------------------------------------------------------------------
-- The file

local HEADER = ">c4 c1 c15 I4 I4 I4 I4 I4 I4"

-- The counts in the header of the block that begins at byte `place`, and the byte where the block's data begins; nil
-- where no header begins.
local function read_zone_header(data, place)
  local magic, version, _, utc, std, leap, times, types, chars, next_place = HEADER:unpack(data, place)
  if magic ~= "TZif" then return nil end
  return { version = version, utc = utc, std = std, leap = leap, times = times, types = types, chars = chars },
    next_place
end

local function zone_block_size(header, width)
  return header.times * (width + 1) + header.types * 6 + header.chars + header.leap * (width + 4) + header.std
    + header.utc
end

-- Parse a file: the block of 64-bit times and the footer. Since version 2, the block of 64-bit times follows the block
-- of 32-bit times. Returns nil for a file without a block of 64-bit times, or with a footer that cannot be read.
local function read_zone_file(data)
  local header, place = read_zone_header(data, 1)
  if not header or header.version < "2" then return nil end
  header, place = read_zone_header(data, place + zone_block_size(header, 4))
  if not header then return nil end
  local zone, kinds = { at = {}, offsets = {} }, place + header.times * 8
  local types = kinds + header.times
  local function offset_of(kind) return (string.unpack(">i4", data, types + kind * 6)) end
  for i = 1, header.times do
    zone.at[i] = string.unpack(">i8", data, place + (i - 1) * 8)
    zone.offsets[i] = offset_of(data:byte(kinds + i - 1))
  end
  zone.first = offset_of(0)
  local footer = data:sub(place + zone_block_size(header, 8)):match("^\n([^\n]*)\n") or ""
  zone.rule = zone_rule.parse(footer)
  if footer ~= "" and not zone.rule then return nil end
  return zone
end

local function raise_zone(name, why)
  fail.raise {
    kind = "config", what = ("use the time zone '%s'"):format(name), why = why,
    fix = "Use the name of a file in /usr/share/zoneinfo (package tzdata): America/Toronto, Europe/Paris, UTC.",
  }
end

--- The time zone of this name. Raises "config" when there is none.
---@param name string "America/Toronto", "UTC"
---@return zone
function M.load(name)
  if name == "UTC" then return setmetatable({ name = name, at = {}, offsets = {}, first = 0 }, ZONE) end
  local is_name = name:match("^%u[%w_+-]*$") or name:match("^%u[%w_+/-]*%w$")
  if not is_name then raise_zone(name, "this is not the form of a time zone's name") end
  local data, message = sys.read(FOLDER .. name, MOST_BYTES)
  if not data then raise_zone(name, message) end
  local ok, zone = pcall(read_zone_file, data)
  if not ok or not zone then raise_zone(name, "the file holds no time zone that can be read") end
  zone.name = name
  return setmetatable(zone, ZONE)
end

---------------------------------------------------------------------------
-- Offsets, dates and changes

-- The place of the last change that is not after the moment; 0 when the moment is before the first change.
local function last_change_before(at, time)
  local low, high = 0, #at
  while low < high do
    local middle = (low + high + 1) // 2
    if at[middle] <= time then low = middle else high = middle - 1 end
  end
  return low
end

--- How far local time is ahead of UTC at this moment, in seconds.
---@param time number
---@return integer
function Zone:offset(time)
  local place = last_change_before(self.at, time)
  if place == #self.at and self.rule then return self.rule:offset(time // 1) end
  return place == 0 and self.first or self.offsets[place]
end

--- The local date and time at this moment, and the day of the week (0 is Sunday).
---@param time number
---@return { year: integer, month: integer, day: integer, hour: integer, minute: integer, second: integer,
--- weekday: integer }
function Zone:date(time)
  local there = time // 1 + self:offset(time)
  local date = sys.utc(there)
  date.weekday = math.tointeger((there // DAY + 4) % 7) -- 1970 began on a Thursday
  return date
end

-- The moments after `from`, up to `to`, at which the clock changes: by the table, then by the rule.
local function zone_changes_between(self, from, to)
  local found, place = {}, last_change_before(self.at, from) + 1
  while self.at[place] and self.at[place] <= to do
    found[#found + 1] = { at = self.at[place], offset = self.offsets[place] }
    place = place + 1
  end
  if self.at[place] or not self.rule then return found end
  local after = math.max(from, self.at[#self.at] or from)
  for year = sys.utc(from).year - 1, sys.utc(to).year + 1 do
    for _, change in ipairs(self.rule:changes(year)) do
      if change.at > after and change.at <= to then found[#found + 1] = change end
    end
  end
  return found
end

local WIDEST_OFFSET = 2 * DAY -- more than any local time differs from UTC

-- The periods around a local time in which the offset stays the same, each with `from`, `to` and `offset`.
local function offset_periods_around(self, wall)
  local from, to = wall - WIDEST_OFFSET, wall + WIDEST_OFFSET
  local list, offset = {}, self:offset(from)
  for _, change in ipairs(zone_changes_between(self, from, to)) do
    list[#list + 1] = { from = from, to = change.at, offset = offset }
    from, offset = change.at, change.offset
  end
  list[#list + 1] = { from = from, to = to, offset = offset }
  return list
end

--- The first moment at which the local clock shows this time or a later one. Of a time that comes twice in autumn the
--- first; for a time that is skipped in spring, the jump.
---@param wall integer the time on the clock, as seconds since a local 1970-01-01
---@return integer
function Zone:moment(wall)
  for _, period in ipairs(offset_periods_around(self, wall)) do
    local moment = math.max(period.from, wall - period.offset)
    if moment < period.to then return moment end
  end
  error("no clock is that far from UTC")
end

--- The moment from which the local clock never shows an earlier time again. It is later than `moment` only where the
--- clock is put back over this time.
---@param wall integer the time on the clock, as seconds since a local 1970-01-01
---@return integer
function Zone:past(wall)
  local last
  for _, period in ipairs(offset_periods_around(self, wall)) do
    if period.from + period.offset < wall then last = math.min(period.to, wall - period.offset) end
  end
  return last
end

return M
