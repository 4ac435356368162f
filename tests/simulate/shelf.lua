--- A sink script for users' passwords in a simulated world: a service that compares (like Vault or Kubernetes), whose
--- answers are lost, and whose requests land late. What is stored there is in the vault of the emulated Devolutions
--- Server, so that the truth of the world is looked up in one place.

local near_cloud = require "near_cloud"

local M = {}

local TAGS = { current = "moonlatch-password" }
local PENDING = "moonlatch-password-pending"
local NONE = "none" -- the version of an empty place

-- What a store or a removal meets, and how often.
local FATES = { { "lost", 0.03 }, { "unanswered", 0.04 }, { "late", 0.02 }, { "refused", 0.02 } }

---@class simulate.shelf
---@field world simulate.world
---@field run simulate.run
---@field library simulate.universe

local function draw_fate(self)
  if self.world.calm then return nil end
  local point = self.world.dice:fraction()
  for _, one in ipairs(FATES) do
    point = point - one[2]
    if point < 0 then return one[1] end
  end
end

local function wait(self)
  self.library.require("task").sleep(self.world.dice:fraction() * 0.6)
  self.run:check()
end

local function raise(self, kind, why, status)
  self.library.require("fail").raise { kind = kind, what = "use the shelf", why = why, status = status }
end

local function place_of(item) return ("shelf/%s/%s"):format(item.id, item.slot) end

local function find(vault, item)
  for entry in vault:each() do
    if entry.data.place == place_of(item) then return entry end
  end
end

local function version_of(entry)
  return entry and ("%s %.3f %d"):format(entry.id, entry.modified, entry.data.stores) or NONE
end

-- Store the value, if the place is as it was read. False when it is not.
local function store(self, item, value, version)
  local world = self.world
  local truth, there = world.truth, find(world.truth:vault_now(), item)
  if version_of(there) ~= version then return false end
  truth:change(self.run, there, function(vault, entry)
    local now = world.cloud.tenant.now()
    local data = { username = item.name, password = value, place = place_of(item), owner = item.id, mark = item.marker,
      stores = entry and entry.data.stores + 1 or 1 }
    if not entry then
      return vault:add { id = ("%012x"):format(world:draw_number()), name = place_of(item), path = "Simulated",
        type = "Credential", subType = "Default", description = "(" .. item.marker .. ")",
        tags = { TAGS[item.slot] or PENDING }, data = data, created = now, modified = now }
    end
    entry.data, entry.description, entry.modified = data, "(" .. item.marker .. ")", now
    return entry
  end)
  return true
end

-- Remove the value of this version; a later value stays.
local function remove(self, item, version)
  local truth = self.world.truth
  local there = find(truth:vault_now(), item)
  if there and version_of(there) == version then
    truth:change(self.run, there, function(vault, entry) vault:remove(entry.id) end)
  end
  return true
end

-- Let a change meet its fate.
local function play(self, act)
  wait(self)
  local fate, world = draw_fate(self), self.world
  if fate == "refused" then raise(self, "denied", "the shelf says no", 403) end
  if fate == "lost" then raise(self, "unknown_outcome", "there was no answer") end
  if fate == "late" then
    world.timeline:after(world.dice:between(1, 110), act)
    self.library.require("task").sleep(30)
    raise(self, "unknown_outcome", "there was no answer for 30 s")
  end
  self.run:risk()
  local done = act()
  self.run:risk()
  if fate == "unanswered" then raise(self, "unknown_outcome", "the answer was lost") end
  wait(self)
  if not done then raise(self, "conflict", "somebody else stored there since it was read", 400) end
end

local function functions_of(self)
  return {
    where = function(_, item) return place_of(item) end,
    read = function(_, item)
      wait(self)
      local entry = find(self.world.truth:vault_now(), item)
      wait(self)
      if not entry then return { version = NONE } end
      local data = entry.data
      return { value = near_cloud.twin(data.password), id = data.owner, marker = data.mark,
        version = version_of(entry), edition = version_of(entry) }
    end,
    store = function(_, item, value, before)
      local kept = near_cloud.twin(value) -- a late request outlives the value of the run
      play(self, function() return store(self, item, kept, before.version) end)
    end,
    remove = function(_, item, before)
      play(self, function() return remove(self, item, before.version) end)
    end,
  }
end

--- The loaded script, for a policy of this run.
---@param world simulate.world
---@param run simulate.run
---@param library simulate.universe
---@return sink.loaded
function M.loaded(world, run, library)
  local self = { world = world, run = run, library = library }
  return library.require "sink.loaded" {
    name = "sinks/shelf", path = "shelf.lua", can = { read_back = true, pending = true, compare = true }, args = {},
    needs = {}, rights_name = "sinks/shelf", declaration = functions_of(self),
  }
end

return M
