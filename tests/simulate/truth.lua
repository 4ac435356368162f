--- What is really so: which password is in force, who set it and when, what was sent and
--- came of it, which entry of the vault holds what and who made it. It watches the services
--- and the wire, and knows nothing of how our program thinks.

local near_cloud = require "near_cloud" -- before what is found by its path
local answer = require "emulator.graph.answer"
local entries = require "emulator.devolutions.entries"
local rules = require "simulate.rules"
local secret = require "host.secret"
local time = require "time"

local M = {}

local PENDING = "moonlatch-password-pending"
local KEEP = 30 -- seconds old states of the vault are kept for listings that are late

---@class simulate.change a password that came into force
---@field secret host.secret
---@field value simulate.value? ours; nil: somebody else's
---@field at number
---@field date number as the directory dates it
---@field visible number from when every read shows it
---@field force boolean? whoever signs in next must choose another

---@class simulate.value a password of ours that left
---@field number integer
---@field user simulate.user
---@field secret host.secret
---@field maker string
---@field before number? the moment shown before it was sent first
---@field sendings simulate.sending[]
---@field bare boolean? said to lie in no entry
---@field dark boolean? said to lie nowhere
---@field ghost boolean? the world, and not our program, took away a place where it lay

---@class simulate.sending
---@field user simulate.user
---@field value simulate.value
---@field run simulate.run
---@field at number
---@field timeout number
---@field status integer? that was heard
---@field answered number? when
---@field refused boolean? at once, so that it is certainly not done
---@field fate string

---@class simulate.user
---@field id string
---@field name string how the world calls it
---@field names table<string, boolean> user principal names, in lower case, that it has or had
---@field changes simulate.change[]
---@field values simulate.value[]
---@field current { at: number, secrets: host.secret[] }[] what its current entries held, from when
---@field closed table<string, boolean> makers that said of it that it is changed
---@field passed table<string, "now"|"before"> installation and marker that a person told it to pass over
---@field resumed table<string, number> installation -> when a person last said: go on
---@field twofold boolean? said to have two current entries
---@field tampered boolean? somebody changed its entries

---@class simulate.truth
---@field world simulate.world
---@field users table<string, simulate.user> by object id
---@field makers table<string, { maker: string, user: simulate.user? }> of entries, by id
local Truth = {}
Truth.__index = Truth

---------------------------------------------------------------------------
-- The directory

local function visible_from(collection, id)
  local versions = collection.versions[id]
  return versions and versions[#versions].at or 0
end

local function note_change(self, user, value, date, force)
  local sending = self.applying
  local collection, now = self.world.cloud.tenant.users, self.world:now()
  table.insert(user.changes, {
    secret = near_cloud.twin(value), value = sending and sending.value, at = now, date = date, force = force,
    visible = visible_from(collection, user.id) - self.world.cloud.clock.start,
  })
  if sending then self.world:note("value %d of %s comes into force", sending.value.number, user.name) end
end

-- All changes of passwords pass here: dated by the directory's clock, shown after a while.
local function watch_directory(self)
  local users, world = self.world.cloud.tenant.users, self.world
  local plain = users.change
  users.change = function(collection, id, changes, delay)
    local user, value = self.users[id], changes._password
    if not collection:newest(id) then answer.refuse(404, "Request_ResourceNotFound", "It was deleted just now.") end
    if not user or not value then return plain(collection, id, changes, delay) end
    local date = (world:server_time() + world:behind()) // 1
    changes.lastPasswordChangeDateTime = time.iso(date)
    plain(collection, id, changes, world:delay() or delay)
    note_change(self, user, value, date, changes._force)
    self:look_for_dark(user)
  end
end

---------------------------------------------------------------------------
-- The vault

local function vault_of(self)
  local server = self.world.cloud.server
  return server.entries[server:vault_id "Privileged"]
end

local function rows_of(self)
  local rows = {}
  for entry in vault_of(self):each() do rows[#rows + 1] = entry end
  return rows
end

local function is_pending(entry)
  for _, tag in ipairs(entry.tags) do
    if tag == PENDING then return true end
  end
  return false
end

local function owner_of(self, entry)
  local name = tostring(entry.data.username or ""):lower()
  for _, user in pairs(self.users) do
    if user.names[name] then return user end
  end
end

--- The account's entries.
---@param user simulate.user
---@param pending boolean
---@return table[]
function Truth:entries(user, pending)
  local list = {}
  for _, entry in ipairs(rows_of(self)) do
    local known = self.makers[entry.id]
    if known and known.user == user and is_pending(entry) == pending then list[#list + 1] = entry end
  end
  return list
end

--- Is it one that is pending?
Truth.is_pending = is_pending

--- Who made an entry, and for which account.
---@param entry table
---@return { maker: string, user: simulate.user? }?
function Truth:maker(entry) return self.makers[entry.id] end

--- The marker of the rotation that wrote a pending entry; "" when there is none.
---@param entry table
---@return string
function Truth.marker(_, entry) return tostring(entry.description):match("ml:%x+:%x+") or "" end

--- Does an entry hold it?
---@param value host.secret
---@return table? entry
function Truth:entry_with(value)
  for _, entry in ipairs(rows_of(self)) do
    local held = entry.data.password
    if secret.is(held) and secret.equals(held, value) then return entry end
  end
end

local function is_sealed(self, value)
  for _, installation in ipairs(self.world.installations) do
    for _, held in pairs(installation.sealed) do
      if secret.equals(held, value) then return true end
    end
  end
  return false
end

local MEMBERS = { "id", "name", "path", "type", "subType", "description", "tags", "data", "created", "modified" }

local function shallow(entry)
  local copy = {}
  for _, name in ipairs(MEMBERS) do copy[name] = entry[name] end
  return copy
end

local function remember_vault(self)
  local rows, now = entries.new(), self.world:now()
  for entry in vault_of(self):each() do rows:add(shallow(entry)) end
  table.insert(self.vault, { at = now, rows = rows })
  while self.vault[2] and self.vault[2].at < now - KEEP do table.remove(self.vault, 1) end
end

local function note_current(self, user)
  local secrets = {}
  for i, entry in ipairs(self:entries(user, false)) do secrets[i] = entry.data.password end
  if #secrets > 1 and not user.tampered and not user.twofold then
    user.twofold = true
    self.world.model:complain("TWO ENTRIES: there are %d current entries of %s", #secrets, user.name)
  end
  table.insert(user.current, { at = self.world:now(), secrets = secrets })
end

--- The vault as it was so long ago, to be listed.
local function vault_before(self, seconds)
  local moment, found = self.world:now() - seconds, nil
  for _, state in ipairs(self.vault) do
    if state.at <= moment then found = state end
  end
  return found and found.rows or self.vault[1].rows
end

local function list_late(self, serve)
  local server = self.world.cloud.server
  local id = server:vault_id "Privileged"
  local rows = server.entries[id]
  server.entries[id] = vault_before(self, self.world:listing_lag())
  local _ <close> = setmetatable({}, { __close = function() server.entries[id] = rows end })
  return serve()
end

local function is_taken(self, name)
  for _, entry in ipairs(self.world.spice.unique and rows_of(self) or {}) do
    if entry.name == name then return true end
  end
  return false
end

-- Note that our program changed an entry: made it, when there was none before, or removed it.
local function note_entry_changed(self, run, change)
  remember_vault(self)
  local before, after = change.before, change.after
  local known = self.makers[before and before.id or after and after.id]
  if not known or not known.user then return end
  if before then rules.removed(self, run, before, known) end
  run.touched[known.user.id] = self.world:now()
  if not change.is_removal and not is_pending(before or after) then run.wrote[known.user.id] = self.world:now() end
  note_current(self, known.user)
  self:look_for_dark(known.user)
end

local function note_maker(self, run, made)
  self.makers[made.id] = { maker = run.maker, user = owner_of(self, made), at = self.world:now() }
end

--- The vault as it is now.
---@return emulator.devolutions.entries
function Truth:vault_now() return vault_of(self) end

--- Let a sink of our program change one entry of the vault: `change(vault, entry)` returns the entry that was made or
--- changed, if any.
---@param run simulate.run
---@param entry table? as it is
---@param change fun(vault: emulator.devolutions.entries, entry: table?): table?
function Truth:change(run, entry, change)
  local before = entry and shallow(entry)
  local after = change(vault_of(self), entry)
  if after and not before then note_maker(self, run, after) end
  if before or after then note_entry_changed(self, run, { before = before, after = after, is_removal = not after }) end
end

-- What our program does to an entry.
local function change_entry(self, trip, serve)
  local seen, run = trip.transfer.seen, trip.door.run
  if seen.method == "POST" and is_taken(self, trip.transfer.carried.body.name) then
    return 409, {}, { message = "There is an entry of this name." }
  end
  local entry = vault_of(self):get(seen.path:match("/entry/([^/]+)$") or "")
  local before = entry and shallow(entry)
  local count = #rows_of(self)
  local status, headers, body = serve()
  if status >= 300 then return status, headers, body end
  local rows = rows_of(self)
  if seen.method == "POST" and #rows > count then note_maker(self, run, rows[#rows]) end
  note_entry_changed(self, run, { before = before, after = rows[#rows], is_removal = seen.method == "DELETE" })
  return status, headers, body
end

---------------------------------------------------------------------------
-- What is carried out

--- Let the services do what a trip asks for.
---@param trip simulate.trip
---@param serve fun(): integer, table, any
---@return integer status, table headers, any body
function Truth:carry_out(trip, serve)
  local seen = trip.transfer.seen
  trip.served = self.world:now()
  if seen.peer == "devolutions" and seen.path:find("/entry", 1, true) then
    if seen.method ~= "GET" then return change_entry(self, trip, serve) end
    if seen.path:find("/entry$") then return list_late(self, serve) end
  end
  self.applying = trip.sending
  local _ <close> = setmetatable({}, { __close = function() self.applying = nil end })
  return serve()
end

local function each_account(body, fn)
  if type(body) ~= "table" then return end
  if body.lastPasswordChangeDateTime and body.id then fn(body) end
  for _, list in ipairs { body.value, body.responses } do
    for _, one in ipairs(type(list) == "table" and list or {}) do each_account(one.body or one, fn) end
  end
end

local function note_looks(self, trip, body)
  each_account(body, function(account)
    if not self.users[account.id] then return end
    trip.door.run.looks[account.id] = { at = trip.served, moment = time.parse(account.lastPasswordChangeDateTime) }
  end)
end

local AT_ONCE = { [401] = true, [403] = true, [429] = true }

local function is_weak(body)
  return type(body) == "table" and body.error and tostring(body.error.message):lower():find("password", 1, true)
end

--- What the program hears.
---@param trip simulate.trip
---@param status integer
---@param body any
function Truth:note_answer(trip, status, body)
  local sending = trip.sending
  if not sending then
    if trip.transfer.seen.peer == "graph" and status == 200 then note_looks(self, trip, body) end
    return
  end
  sending.status, sending.answered = status, self.world:now()
  sending.refused = AT_ONCE[status] or status == 400 and is_weak(body) or nil
end

local function value_of(self, user, password, run)
  for _, value in ipairs(user.values) do
    if secret.equals(value.secret, password) then return value end
  end
  local value = {
    number = #user.values + 1, user = user, secret = near_cloud.twin(password), maker = run.maker, sendings = {},
    ghost = user.tampered and not self:entry_with(password),
  }
  user.values[value.number] = value
  return value
end

--- A password leaves; the rules for that are held against it.
---@param trip simulate.trip
---@param run simulate.run
---@return simulate.sending?
function Truth:note_sent(trip, run)
  local user = self.users[trip.transfer.seen.path:match("/users/([^/]+)$")]
  if not user then return nil end
  local value = value_of(self, user, trip.transfer.carried.body.passwordProfile.password, run)
  local sending = {
    user = user, value = value, run = run, maker = run.maker, at = self.world:now(), timeout = trip.transfer.timeout,
  }
  rules.sent(self, sending)
  table.insert(value.sendings, sending)
  return sending
end

---------------------------------------------------------------------------
-- Nothing dark

--- The password in force, when it is ours, lies somewhere.
---@param user simulate.user
function Truth:look_for_dark(user)
  local live = user.changes[#user.changes]
  local value = live and live.value
  if not value or value.dark or value.ghost or self:entry_with(value.secret) then return end
  local sealed = is_sealed(self, value.secret)
  if sealed and value.bare then return end
  value.bare, value.dark = true, not sealed
  self.world.model:complain("%s: value %d of %s, set by %s, is in force and lies %s",
    sealed and "NO ENTRY" or "DARK", value.number, user.name, value.maker,
    sealed and "in no entry, only sealed in a journal" or "nowhere")
end

local function each_user(self, fn)
  for _, user in ipairs(self.list) do fn(user) end
end

--- A journal forgot a value.
function Truth:note_forgotten()
  each_user(self, function(user) self:look_for_dark(user) end)
end

---------------------------------------------------------------------------
-- What the world does

local function mark_ghosts(self, held)
  each_user(self, function(user)
    for _, value in ipairs(user.values) do
      value.ghost = value.ghost or secret.equals(value.secret, held)
    end
  end)
end

--- A state folder goes: what was sealed there, and is not in what comes instead.
---@param before table<string, host.secret>
---@param after table<string, host.secret>
function Truth:note_lost(before, after)
  for id, value in pairs(before) do
    if not after[id] then mark_ghosts(self, value) end
  end
end

--- Somebody changes an account's entry by hand, by `fn(entry, rows, place)`.
---@param entry table
---@param fn fun(entry: table, vault: emulator.devolutions.entries)
function Truth:tamper(entry, fn)
  local user = self.makers[entry.id].user
  if secret.is(entry.data.password) then mark_ghosts(self, entry.data.password) end
  fn(entry, vault_of(self))
  user.tampered, self.makers[entry.id].tampered = true, true
  entry.modified = self.world.cloud.tenant.now()
  remember_vault(self)
  note_current(self, user)
end

--- Somebody else sets a password.
---@param user simulate.user
---@param force boolean?
function Truth:stranger(user, force)
  local tenant = self.world.cloud.tenant
  if not tenant.users:newest(user.id) then return end
  self.world:note("somebody else sets the password of %s", user.name)
  tenant.users:change(user.id, { _password = secret.from(("Somebody-%d"):format(self.world:draw_number())),
    _force = force or false })
end

--- What was so at a moment: the change in force, and what the current entries held.
---@param user simulate.user
---@param moment number
---@return simulate.change? live, host.secret[] stored
function M.at(user, moment)
  local live, stored
  for _, change in ipairs(user.changes) do
    if change.at <= moment then live = change end
  end
  for _, state in ipairs(user.current) do
    if state.at <= moment then stored = state.secrets end
  end
  return live, stored or {}
end

--- The truth of a world; `people` are the names of those who are watched.
---@param world simulate.world
---@param people string[]
---@return simulate.truth
function M.new(world, people)
  local self = setmetatable({ world = world, users = {}, list = {}, makers = {}, vault = {} }, Truth)
  for i, who in ipairs(people) do
    local id = world.cloud.tenant.ids[who]
    local row = world.cloud.tenant.users:newest(id)
    local user = {
      id = id, name = who, names = { [row.userPrincipalName:lower()] = true }, changes = {}, values = {}, current = {},
      closed = {}, resumed = {}, passed = {},
    }
    self.users[id], self.list[i] = user, user
  end
  watch_directory(self)
  remember_vault(self)
  return self
end

return M
