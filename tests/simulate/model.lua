--- What must hold, seen from both sides: who set which password last, what lies in
--- the vault, what a run said of itself.

local passwords = require("rotation.store").user_passwords
local rows = require("rotation.store").client_secrets

local M = {}

---@class simulate.model
---@field world simulate.world
---@field complaints string[]
---@field set table<string, { value: host.secret, ours: boolean }[]> by object id: what was in force, in this order
---@field running boolean
local Model = {}
Model.__index = Model

--- Something is not as it must be.
---@param text string
function Model:complain(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  table.insert(self.complaints, ("after %.0f s: %s"):format(self.world.cloud.clock:offset(), text))
end

---------------------------------------------------------------------------
-- Watching

-- A password is set: by us during a run, else by somebody else.
local function note_password(self, id, value)
  self.set[id] = self.set[id] or {}
  local list = self.set[id]
  for place, entry in ipairs(list) do
    if place < #list and self.running and entry.value:equals(value) then
      self:complain("OLD: a password that had been replaced was set again for %s", id)
    end
  end
  self.changes = self.changes + (self.running and 1 or 0)
  list[#list + 1] = { value = value, ours = self.running }
end

local function watch_passwords(self)
  local users = self.world.cloud.tenant.users
  local plain = users.change
  users.change = function(collection, id, changes, delay)
    if changes._password then note_password(self, id, changes._password) end
    return plain(collection, id, changes, delay)
  end
end

--- A model of a world.
---@param world simulate.world
---@return simulate.model
function M.new(world)
  local self = setmetatable({ world = world, complaints = {}, set = {}, running = false, changes = 0 }, Model)
  watch_passwords(self)
  return self
end

---------------------------------------------------------------------------
-- The vault

local function entries_of(self, name)
  return self.world.cloud:entries()[name] or {}
end

local function upn_of(self, who) return who .. "@" .. self.world.cloud.tenant.domain end

local function id_of(self, who) return self.world.cloud.tenant.ids[who] end

local function holds(list, value)
  for _, entry in ipairs(list) do
    local held = entry.data.password
    if held and held:equals(value) then return true end
  end
  return false
end

---------------------------------------------------------------------------
-- A run

--- A run begins.
---@param options { skew: number? }
function Model:begin_run(options)
  self.running, self.changes, self.skewed = true, 0, options.skew ~= nil
  self.minted = #self.world.cloud.requests
end

local function mints(self)
  local count = 0
  for i = self.minted + 1, #self.world.cloud.requests do
    if self.world.cloud.requests[i].path:find("/addPassword$") then count = count + 1 end
  end
  return count
end

-- What is said to be changed is stored and in force; and no person is asked to bring
-- anything anywhere, for here storing is using.
local function check_said(self, found)
  for _, entry in ipairs(found.entries) do
    if entry.what == "stop" and entry.why:find("bring the client secret", 1, true) then
      self:complain("STUCK: %s: %s", entry.name, entry.why)
    end
    local who = entry.name:match("^([^@]*)@")
    local list = who and self.set[id_of(self, who) or ""]
    if entry.what == "changed" and found.terms.target == "users" then
      local newest = list and list[#list]
      if not newest or not holds(entries_of(self, entry.name), newest.value) then
        self:complain("FALSE SUCCESS: %s is said to be changed, and what is in force is not stored", entry.name)
      end
    end
  end
end

--- A run has ended; `all` is what it said, nil when it died.
---@param all table[]?
function Model:end_run(all)
  self.running = false
  if self.skewed and self.changes + mints(self) > 0 then
    self:complain "CLOCK: something was changed by a wrong clock"
  end
  for _, found in ipairs(all or {}) do check_said(self, found) end
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
      local why = entry.failure and (": " .. tostring(entry.why):match("^[^\n]*")) or ""
      if entry.what ~= "wait" then parts[#parts + 1] = entry.name:match("^[^@]*") .. " " .. entry.what .. why end
    end
  end
  table.sort(parts)
  return table.concat(parts, ", ")
end

---------------------------------------------------------------------------
-- At any time

-- What we set last, and nobody else since, lies in the vault.
local function look_at_person(self, who)
  local list = self.set[id_of(self, who)]
  local newest = list and list[#list]
  if not newest or not newest.ours then return end
  local name = upn_of(self, who)
  if holds(entries_of(self, name), newest.value) then return end
  if holds(entries_of(self, name .. " (pending)"), newest.value) then return end
  self:complain("LOST: the password in force of %s lies nowhere", who)
end

local function is_gone(tenant, key)
  return tenant.working_secrets:newest(key) == nil
end

-- What is not ours stays; what is stored works.
local function look_at_application(self, app)
  local tenant = self.world.cloud.tenant
  for _, key in ipairs(tenant.keys_of[app.id]) do
    local row = self.foreign[key] or tenant.listed_secrets:newest(key)
    if row and not tostring(row.displayName):find("^ml:") then self.foreign[key] = row end
    if self.foreign[key] and is_gone(tenant, key) then
      self:complain("FOREIGN: the credential '%s' of %s is gone", tostring(row.displayName), app.name)
    end
  end
  local list = entries_of(self, app.name)
  if #list > 1 then self:complain("%d entries of %s", #list, app.name) end
  local value = list[1] and list[1].data.clientSecret
  local works, why = nil, nil
  if value then works, why = tenant:check_secret(app.appId, value) end
  if value and not works and why ~= "expired" then self:complain("LOST: what is stored of %s is %s", app.name, why) end
end

--- Look at everything.
function Model:look()
  self.foreign = self.foreign or {}
  for _, who in ipairs(self.world.people) do look_at_person(self, who) end
  for _, app in ipairs(self.world.apps) do look_at_application(self, app) end
end

---------------------------------------------------------------------------
-- In the end

local function rest_of_person(self, journal, who)
  local name, row = upn_of(self, who), passwords:get(journal, id_of(self, who))
  local list, newest = entries_of(self, name), self.set[id_of(self, who)]
  newest = newest and newest[#newest]
  if not row or row.state ~= "closed" then
    return self:complain("STUCK: the record of %s is %s", who, row and row.state or "missing")
  end
  if #list ~= 1 or not newest or not newest.ours or not holds(list, newest.value) then
    self:complain("STUCK: what is stored of %s is not what is in force", who)
  end
  for _, entry in ipairs(entries_of(self, name .. " (pending)")) do
    local is_ours = entry.description:find(row.body.marker, 1, true)
    if is_ours then self:complain("STUCK: a pending value of %s is left", who) end
  end
end

local function rest_of_application(self, journal, app)
  local usable, stored = {}, entries_of(self, app.name)[1]
  for _, row in ipairs(rows:all(journal, app.appId)) do
    if rows:usable(row) then usable[#usable + 1] = row end
  end
  if #usable ~= 1 then return self:complain("STUCK: %d usable secrets of %s", #usable, app.name) end
  local value = rows:value(journal, usable[1])
  if not stored or not value or not value:equals(stored.data.clientSecret) then
    self:complain("STUCK: what is stored of %s is not the one in use", app.name)
  end
end

--- Everything is exactly as it is to be.
---@param journal host.journal.journal
function Model:look_at_rest(journal)
  for _, who in ipairs(self.world.people) do rest_of_person(self, journal, who) end
  for _, app in ipairs(self.world.apps) do rest_of_application(self, journal, app) end
  local count, message = journal:verify()
  if not count then self:complain("the journal's chain is broken: %s", message) end
  journal:close()
end

return M
