--- What must hold of what runs say, and in the end, seen from both sides: what is really
--- so, and what a person was told.

local secret = require "host.secret"
local truth = require "simulate.truth"

local M = {}

local LATE = 120 -- seconds after its time-out until which a request may still be carried out
local EVENTUAL = 60 -- seconds lists are later than single reads
local REST = 30 + LATE -- seconds after a change until which no rotation begins
local QUICK = 3 -- seconds in which an answer must come to tell that its moment is ours

---@class simulate.model
---@field world simulate.world
---@field complaints string[]
---@field exceptions table<string, integer> how often what no rule excludes has happened
---@field foreign table<string, table> credentials of others, by key id
local Model = {}
Model.__index = Model

--- Something is not as it must be.
---@param text string
function Model:complain(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  self.world:note("!! %s", text)
  table.insert(self.complaints, ("after %.1f s: %s"):format(self.world:now(), text))
end

--- Something happened that no rule excludes.
---@param kind string
function Model:except(kind)
  self.world:note("(%s)", kind)
  self.exceptions[kind] = (self.exceptions[kind] or 0) + 1
end

--- A model of a world.
---@param world simulate.world
---@return simulate.model
function M.new(world)
  return setmetatable({ world = world, complaints = {}, exceptions = {}, foreign = {} }, Model)
end

---------------------------------------------------------------------------
-- What a run said

--- A run sends what depends on dates.
---@param run simulate.run
function Model:note_dated_change(run)
  if not run.skewed or run.skewed ~= run.installation.skew then return end
  self:complain "CLOCK: something is changed by a wrong clock"
end

local function holds(list, value)
  for _, held in ipairs(list) do
    if held and secret.equals(held, value) then return true end
  end
  return false
end

-- The value of ours that is stored.
local function value_stored(user, stored)
  for _, value in ipairs(user.values) do
    if holds(stored, value.secret) then return value end
  end
end

local function is_yes(sending) return sending.status ~= nil and sending.status < 300 end

-- Does the directory's date of it lie between a send of ours that was answered and that answer?
local function is_between(self, value, date)
  local start, room = self.world.cloud.clock.start, self.world.widest + 1
  for _, sending in ipairs(value.sendings) do
    local from, till = start + sending.at - room, start + (sending.answered or 0) + room
    if is_yes(sending) and date >= from - 1 and date <= till then return true, sending end
  end
  return false
end

--- Is a change of somebody else's dated as an answered one of ours would be?
---@param user simulate.user
---@param change simulate.change
---@return boolean
function Model:is_alike(user, change)
  for _, value in ipairs(user.values) do
    if is_between(self, value, change.date) then return true end
  end
  return false
end

local function was_in_force(user, value)
  for _, change in ipairs(user.changes) do
    if change.value == value then return true end
  end
  return false
end

-- It is not in force. Why that cannot be helped, if it cannot.
local function excuse(self, user, value, live, look)
  if not live or live.value then return nil end
  local is_alike = is_between(self, value, live.date)
  if live.visible > look.at or look.moment < live.date then
    return "said though a stranger's change before the last look was not shown yet"
  end
  if not is_alike then return nil end
  if was_in_force(user, value) then return "said though a stranger's change fell between our send and our answer" end
  return "said though what was accepted was never applied, and a stranger's change took its place"
end

-- By an answer, and a quick one; and nothing of ours is under way.
local function check_answers(self, user, value, look)
  local answered, quick = false, false
  for _, sending in ipairs(value.sendings) do
    if is_yes(sending) then
      answered = true
      quick = quick or sending.answered - sending.at <= QUICK + 0.5
    elseif not sending.refused and look.at < sending.at + sending.timeout + LATE - 2 then
      self:complain("UNSETTLED: %s is said to be changed while a send of it may still land", user.name)
    end
  end
  if not answered then self:complain("UNANSWERED: %s is said to be changed, by no answer", user.name)
  elseif not quick then self:complain("SLOW: %s is said to be changed, by a slow answer only", user.name) end
end

local function check_in_force(self, user, run, look)
  local wrote = run.wrote[user.id]
  local moment = math.max(look.at, run.touched[user.id] or 0)
  local live, stored = truth.at(user, look.at), select(2, truth.at(user, moment))
  local value = value_stored(user, stored)
  if user.tampered then return end
  if not value then
    return self:complain("FALSE SUCCESS: %s is said to be changed, and nothing of ours is stored", user.name)
  end
  if wrote and wrote > look.at then
    self:complain("UNLOOKED: %s is said to be changed, without a look after its entry was written", user.name)
  end
  check_answers(self, user, value, look)
  if live and holds(stored, live.secret) then return end
  local why = excuse(self, user, value, live, look)
  if why then return self:except(why) end
  self:complain("FALSE SUCCESS: %s is said to be changed, and what is stored (value %d) %s", user.name, value.number,
    was_in_force(user, value) and "is not in force any more" or "never was in force")
end

local function check_changed(self, user, run)
  user.closed[run.maker] = true
  for marker in pairs(user.passed) do
    if marker:find(run.installation.name, 1, true) == 1 then user.passed[marker] = "before" end
  end
  local look = run.looks[user.id]
  if not look then return self:complain("UNLOOKED: %s is said to be changed, without any look", user.name) end
  check_in_force(self, user, run, look)
end

-- A person is told where it lies, when what is in force is ours and does not lie where it should.
local function check_told(self, user, run, entry)
  local known, live = self.world.truth, user.changes[#user.changes]
  if not live or not live.value or user.tampered then return end
  local is_new = live.at > run.began - EVENTUAL -- what another does meanwhile it cannot tell
  if is_new and live.value.maker ~= run.maker then return end
  for _, current in ipairs(known:entries(user, false)) do
    if holds({ current.data.password }, live.secret) then return end
  end
  local lies = known:entry_with(live.secret)
  if not lies then return end
  for _, pending in ipairs(known:entries(user, true)) do
    local is_it = holds({ pending.data.password }, live.secret)
    if is_it and run.told:find(pending.name, 1, true) then return end
  end
  if user.untold then return end
  user.untold = true
  self:complain("UNNAMED: a person is told of %s, and not that '%s' holds what is in force: %s", user.name, lies.name,
    tostring(entry.why))
end

-- A person has seen the stranger's change and told this installation to go on. It rests first: for that long, a request
-- of the stranger's may still be carried out.
local function rests(self, user, run, live)
  local resumed = user.resumed[run.installation.name]
  return resumed ~= nil and resumed >= live.at and run.began < live.at + REST + self.world.widest + 1
end

-- A stranger's change that was shown is no reason to wait for the next date.
local function check_wait(self, user, run, entry)
  local live, current = user.changes[#user.changes], self.world.truth:entries(user, false)
  if not live or live.value or user.tampered or #current == 0 or live.visible > run.began - EVENTUAL then return end
  if not value_stored(user, { current[1].data.password }) or rests(self, user, run, live) then return end
  if self:is_alike(user, live) then return self:except "waits: a stranger's moment is as good as ours" end
  self:complain("BLIND: nothing is to be done about %s, whose password somebody else has set: %s", user.name,
    entry.why)
end

local function names_person(entry)
  return entry.what == "stop" or entry.what == "person"
    or type(entry.failure) == "table" and entry.failure.kind == "person"
end

local function check_entry(self, run, entry, found)
  local user = self.world:user_named(entry.name)
  if not user then return end
  if entry.what == "changed" then check_changed(self, user, run) end
  if entry.what == "wait" then check_wait(self, user, run, entry) end
  if names_person(entry) and not found.failure then check_told(self, user, run, entry) end
end

local UNDONE = { stop = true, failed = true, busy = true }

local function check_status(self, run, all)
  for _, found in ipairs(all) do
    for _, entry in ipairs(found.entries) do
      if UNDONE[entry.what] and run.status == 0 then
        return self:complain("STATUS: exit 0, and %s is '%s'", entry.name, entry.what)
      end
    end
  end
end

--- A run has ended by itself.
---@param run simulate.run
---@param all table[] what it said
function Model:end_run(run, all)
  check_status(self, run, all)
  for _, found in ipairs(all) do
    if found.terms.target == "users" then
      for _, entry in ipairs(found.entries) do check_entry(self, run, entry, found) end
    else
      for _, entry in ipairs(found.entries) do
        if entry.what == "stop" and tostring(entry.why):find("bring the client secret", 1, true) then
          self:complain("STUCK: %s: %s", entry.name, entry.why)
        end
      end
    end
  end
end

-- The first line; what is drawn anew for each try is left out, so that the same seed says the same.
local function said_of(failure)
  return (tostring(failure):match("^[^\n]*"):gsub("(moonlatch probe %d+) %x+ %x+", "%1"))
end

--- What a run did, in a few words.
---@param all table[]
---@return string
function Model.sum(_, all)
  local parts = {}
  for _, found in ipairs(all) do
    if found.failure then parts[#parts + 1] = "failed: " .. said_of(found.failure) end
    for _, entry in ipairs(found.entries) do
      local why = (entry.what ~= "changed" and entry.why) and (": " .. tostring(entry.why):match("^[^\n]*")) or ""
      if entry.what ~= "wait" then parts[#parts + 1] = entry.name:match("^[^@]*") .. " " .. entry.what .. why end
    end
  end
  table.sort(parts)
  return table.concat(parts, "; ")
end

---------------------------------------------------------------------------
-- Applications, at any time

local function is_gone(tenant, key)
  return tenant.working_secrets:newest(key) == nil
end

-- What is not ours stays; what is stored works.
local function look_at_application(self, app)
  local tenant, world = self.world.cloud.tenant, self.world
  for _, key in ipairs(tenant.keys_of[app.id]) do
    local row = self.foreign[key] or tenant.listed_secrets:newest(key)
    if row and not tostring(row.displayName):find("^ml:") then self.foreign[key] = row end
    if self.foreign[key] and is_gone(tenant, key) then
      self:complain("FOREIGN: the credential '%s' of %s is gone", tostring(row.displayName), app.name)
    end
  end
  local list = world.cloud:entries()[app.name] or {}
  if #list > 1 then self:complain("%d entries of %s", #list, app.name) end
  local value = list[1] and list[1].data.clientSecret
  local works, why = nil, nil
  if value then works, why = tenant:check_secret(app.appId, value) end
  if value and not works and why ~= "expired" then self:complain("LOST: what is stored of %s is %s", app.name, why) end
end

--- Look at what no event tells of.
function Model:look()
  for _, app in ipairs(self.world.apps) do look_at_application(self, app) end
end

---------------------------------------------------------------------------
-- In the end

local ENDED = { closed = true, orphaned = true, left = true }

local function rows_of(journal, id)
  local found = {}
  for _, row in ipairs(journal:list()) do
    if row.body.user == id then found[#found + 1] = row end
  end
  return found
end

--- Every rotation is ended or names a person, after the time in which something may still land and one more run.
---@param installation simulate.installation
---@param all table[] what that run said
function Model:look_for_stuck(installation, all)
  local told = {}
  for _, found in ipairs(all) do
    for _, entry in ipairs(found.entries) do
      if names_person(entry) then told[self.world:user_named(entry.name) or 0] = true end
    end
  end
  local journal <close> = installation:open()
  for _, user in ipairs(self.world.truth.list) do
    for _, row in ipairs(rows_of(journal, user.id)) do
      if not ENDED[row.state] and not told[user] then
        self:complain("STUCK: after %s's last run the rotation of %s is '%s', and no person is told", installation.name,
          user.name, row.state)
      end
    end
  end
end

local function rest_of_person(self, journal, user, maker)
  local known, live = self.world.truth, user.changes[#user.changes]
  for _, row in ipairs(rows_of(journal, user.id)) do
    if row.state ~= "closed" then self:complain("STUCK: in the end the record of %s is '%s'", user.name, row.state) end
  end
  local current = known:entries(user, false)
  if #current ~= 1 or not live or not live.value or not holds({ current[1].data.password }, live.secret) then
    self:complain("STUCK: in the end what is stored of %s (%d entries) is not what is in force", user.name, #current)
  end
  for _, entry in ipairs(known:entries(user, true)) do
    local is_its = known:maker(entry).maker == maker
    local is_passed = user.passed[self.world.installations[1].name .. known:marker(entry)]
    if is_its and not is_passed then self:complain("STUCK: in the end a pending value of %s is left", user.name) end
  end
end

local function rest_of_application(self, journal, app)
  local rows = require("journal.rotations").client_secrets
  local usable, stored = {}, (self.world.cloud:entries()[app.name] or {})[1]
  for _, row in ipairs(rows:all(journal, app.appId)) do
    if rows:usable(row) then usable[#usable + 1] = row end
  end
  if #usable ~= 1 then return self:complain("STUCK: %d usable secrets of %s", #usable, app.name) end
  local value = rows:value(journal, usable[1])
  if not stored or not value or not secret.equals(value, stored.data.clientSecret) then
    self:complain("STUCK: what is stored of %s is not the one in use", app.name)
  end
end

--- Everything is exactly as it is to be, at this installation.
---@param installation simulate.installation
---@param maker string
function Model:look_at_rest(installation, maker)
  local journal <close> = installation:open()
  for _, user in ipairs(self.world.truth.list) do
    if self.world:is_managed(user) then rest_of_person(self, journal, user, maker) end
  end
  for _, app in ipairs(self.world.apps) do rest_of_application(self, journal, app) end
  local count, message = journal:verify()
  if not count then self:complain("the journal's chain is broken: %s", message) end
end

return M
