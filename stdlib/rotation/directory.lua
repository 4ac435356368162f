--- How far the directory's clock is ahead of Graph's: learned from changes of ours, kept in
--- the journal, one record a tenant.

local record = require "record"
local time = require "time"

local M = {}

local KIND, ID = "directory", "clock"
local KEPT = 86400 -- seconds for which an observation counts
local REFRESH = 3600 -- seconds between two records of the same

---@class rotation.directory
---@field journal host.journal.journal
---@field low number seconds
---@field high number
---@field seen_at number? when a change of ours last agreed with it, server time
local Directory = {}
Directory.__index = Directory

--- What this journal knows of it.
---@param journal host.journal.journal
---@return rotation.directory
function M.of(journal)
  local row = journal:get(KIND, ID)
  local body = row and row.body or {}
  return setmetatable({ journal = journal, low = body.low or 0, high = body.high or 0, seen_at = body.seen_at },
    Directory)
end

--- The offset, and whether a change of ours agreed with it within the last day.
---@param now number server time
---@return rotation.offset
function Directory:offset(now)
  local known = self.seen_at ~= nil and now - self.seen_at < KEPT
  return { low = self.low, high = self.high, known = known }
end

local function keep(self, now)
  self.seen_at = now
  self.journal:put(KIND, ID, "seen", { low = self.low, high = self.high, seen_at = now }, time.now())
end

--- A change of ours agreed with it. On record with the next commit, at most once an hour.
---@param now number server time
function Directory:agrees(now)
  if not self.seen_at or now - self.seen_at > REFRESH then keep(self, now) end
end

--- Changes of ours showed another offset.
---@param offset rotation.offset
---@param now number server time
function Directory:learn(offset, now)
  self.low, self.high = offset.low, offset.high
  keep(self, now)
  record.commit(self.journal)
end

return M
