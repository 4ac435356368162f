--- How far the directory's clock is ahead of Graph's. The offset is learned from changes of ours, and kept in one row
--- of the journal.

local class = require "base.class"
local commit = require "journal.commit"
local time = require "time"

local M = {}

local KIND, ID = "directory", "clock"
local KEPT = 86400 -- seconds for which an observation counts
local REFRESH = 3600 -- seconds between two records of the same offset
local STEP = 0.25 -- seconds by which a bound must move to be recorded

---@class rotation.directory_clock
---@field journal host.journal.journal
---@field low number seconds
---@field high number
---@field seen_at number? when a change of ours last agreed with the offset, server time
local DirectoryClock = class "rotation.directory_clock"

--- The offset that this journal knows.
---@param journal host.journal.journal
---@return rotation.directory_clock
function M.of(journal)
  local row = journal:get(KIND, ID)
  local body = row and row.body or {}
  return DirectoryClock { journal = journal, low = body.low or 0, high = body.high or 0, seen_at = body.seen_at }
end

--- The offset, and whether a change of ours agreed with it within the last day.
---@param now number server time
---@return rotation.offset
function DirectoryClock:offset(now)
  local known = self.seen_at ~= nil and now - self.seen_at < KEPT
  return { low = self.low, high = self.high, known = known }
end

local function record_clock_offset(self, low, high, now)
  self.low, self.high, self.seen_at = low, high, now
  self.journal:put(KIND, ID, "seen", { low = low, high = high, seen_at = now }, time.now())
end

local function round_to_milliseconds(value) return math.floor(value * 1000 + 0.5) / 1000 end

--- Record that a change of ours agrees with an offset between these bounds, when the bounds differ from the record or
--- the record is an hour old. Durable with the next commit.
---@param low number seconds
---@param high number
---@param now number server time
function DirectoryClock:agrees(low, high, now)
  low, high = round_to_milliseconds(low), round_to_milliseconds(high)
  if self:offset(now).known then
    local both_low, both_high = math.max(low, self.low), math.min(high, self.high)
    if both_low <= both_high then low, high = both_low, both_high
    else low, high = math.min(low, self.low), math.max(high, self.high) end
  end
  local is_news = math.abs(low - self.low) > STEP or math.abs(high - self.high) > STEP
  if is_news or not self.seen_at or now - self.seen_at > REFRESH then record_clock_offset(self, low, high, now) end
end

--- Replace the recorded offset by the one that two changes of ours showed. Durable when the call returns.
---@param offset rotation.offset
---@param now number server time
function DirectoryClock:learn(offset, now)
  record_clock_offset(self, round_to_milliseconds(offset.low), round_to_milliseconds(offset.high), now)
  commit.commit(self.journal)
end

return M
