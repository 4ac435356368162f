--- The end of a world, when all is calm: nothing goes wrong any more, what is under way lands,
--- each installation runs once more, and at last a person clears up what is left.

local others = require "simulate.others"

local M = {}

local MINUTE, HOUR, DAY = 60, 3600, 86400
local REQUEST, LATE = 30, 120 -- seconds: T and LATE of the protocol

-- Did a run find nothing to do?
local function is_quiet(all)
  for _, found in ipairs(all or {}) do
    if found.failure then return false end
    for _, entry in ipairs(found.entries) do
      if entry.what ~= "wait" then return false end
    end
  end
  return all ~= nil
end

local function run_calmly(self, one)
  self:wait_for_runs()
  local run = self:start(one, {})
  self:wait_for_runs()
  self.model:look()
  if run.process.ok then return run.process.result end
  self.model:complain("STUCK: a run in the calm does not end well: %s", tostring(run.process.result))
end

--- From now on nothing goes wrong; what is under way lands.
---@param self simulate.world
function M.calm_down(self)
  self.calm = true
  others.give_back(self)
  self.timeline:pass(10000) -- disks, clocks, and all that is under way
  for _, one in ipairs(self.installations) do one.full, one.skew = false, 0 end
  self.timeline:pass(REQUEST + LATE + 600)
end

--- One more run of each, and every rotation is ended or names a person.
---@param self simulate.world
function M.look_for_stuck(self)
  for _, one in ipairs(self.installations) do
    local all = run_calmly(self, one)
    if all then self.model:look_for_stuck(one, all) end
    self.timeline:pass(REQUEST + LATE + 60)
  end
end

-- A person looks at what is stopped, and says: go on.
local function resume_all(self, one, all)
  for _, found in ipairs(all or {}) do
    for _, entry in ipairs(found.entries) do
      local user = found.terms.target == "users" and self:user_named(entry.name)
      if user and (entry.what == "stop" or entry.failure) then
        others.resume(self, one, user, tostring(entry.fix):match("%-%-over (ml:%x+:%x+)"))
        self:wait_for_runs()
      end
    end
  end
end

--- One installation is kept; what the others left behind a person clears up by hand.
---@param self simulate.world
function M.come_to_rest(self)
  local one = self.installations[1]
  for _, user in ipairs(self.truth.list) do
    if user.away then others.bring_back(self, user) end
  end
  for _ = 1, 2 do
    self.timeline:pass(36 * DAY)
    for _ = 1, 6 do
      local all = run_calmly(self, one)
      if is_quiet(all) then break end
      self.timeline:pass(HOUR)
      resume_all(self, one, all)
    end
  end
  self.timeline:pass(5 * DAY) -- the grace of what is replaced
  run_calmly(self, one)
  self.timeline:pass(5 * MINUTE)
  local all = run_calmly(self, one)
  if not is_quiet(all) and not self.spice.again and not self.spice.entries then
    self.model:complain("STUCK: in the end a run says: %s", self.model:sum(all or {}))
  end
  self.model:look_at_rest(one, ("%s, life %d"):format(one.name, one.life))
end

return M
