--- A temporary state folder, for where nothing can be kept. It is removed when it is closed; one that a killed process
--- left is removed by the next process that opens one.

local class = require "base.class"
local sys = require "host.sys"

local M = {}

local PREFIX, LOCK = "moonlatch-state-", "lock"
local NEW = 60 -- seconds for which a folder may not be locked yet

---@class machine.temporary_state
---@field path string the state folder
---@field place string the folder around it, which has the lock
---@field lock host.sys.lock
local TemporaryState = class "machine.temporary_state"

-- Remove a folder that a killed process left: the lock in it is free.
local function remove_when_left(place)
  local found = sys.stat(place)
  local is_old = found and found.type == "directory" and found.ours and found.modified < sys.time() - NEW
  if not is_old or not sys.stat(place .. "/" .. LOCK) then return end
  local lock = sys.lock(place .. "/" .. LOCK)
  if not lock then return end
  sys.remove_tree(place)
  lock:close()
end

local function remove_left_folders(around)
  for _, name in ipairs(sys.list(around) or {}) do
    if name:sub(1, #PREFIX) == PREFIX then remove_when_left(around .. "/" .. name) end
  end
end

--- Make a temporary state folder.
---@return machine.temporary_state?
---@return string? message why there is none
function M.open()
  local place, message = sys.temporary(PREFIX)
  if not place then return nil, message end
  local lock, why = sys.lock(place .. "/" .. LOCK)
  if not lock then return nil, why end
  remove_left_folders(place:match "^(.*)/")
  return TemporaryState { path = place .. "/state", place = place, lock = lock }
end

--- Remove the folder.
function TemporaryState:close()
  sys.remove_tree(self.place)
  self.lock:close()
end

return M
