--- A sink for users' passwords: entries of Devolutions Server, one for each account. An entry's name is the account's
--- user name, and its description has the object id. Each pending value has an entry of its own beside the current
--- entry, so that a new value never overwrites a value that may be in force. Pending entries are found by their tag and
--- the object id, so that no new name of an account or an entry hides them.

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local kinds = require "fail.kinds"
local password_entry = require "sink.password_entry"
local probe = require "sink.probe"
local secret = require "host.secret"
local server = require "devolutions.server"
local single_flight = require "task.single_flight"
local task = require "task"
local vault_folder = require "base.vault_folder"

local CURRENT, PENDING = password_entry.CURRENT, password_entry.PENDING
local SETTLE = 5 -- seconds until an entry must be listed
local MOST_PENDING = 40 -- pending entries of one account
local TRIES = 3 -- tries when somebody else changes the same entry

---@class sink.passwords.entry
---@field id string
---@field name string
---@field foreign string? why a rotation may not replace its value, for people
---@field marker string? of the rotation that wrote it
---@field number integer? of a pending value
---@field since number? when the current value came into force, or the pending one was written
---@field user string? object id of the account for which it was written
---@field modified string? when it was last modified, by the server's clock

---@class sink.passwords.slot the entries of one account
---@field current sink.passwords.entry?
---@field pending sink.passwords.entry[]
---@field several boolean? is there more than one current entry?
---@field moved string? the folder to which somebody moved the current entry, which is not read there
---@field claimed boolean? is its account known?

---@class sink.passwords.account the account of a slot
---@field id string object id
---@field upn string user principal name

---@class sink.Passwords
---@field vault string name or id
---@field path string folders, separated by "\"
---@field vault_id string once opened
---@field lists_all boolean does `open` list the entries of all accounts?
---@field slots table<string, sink.passwords.slot> by object id; by user name in lower case where the entry has no
--- object id
local Passwords = class "sink.Passwords"

--- A sink for passwords.
---@param fields { vault: string, path: string? }
---@return sink.Passwords
local function passwords(fields)
  return Passwords { vault = fields.vault, path = vault_folder.canonical(fields.path), slots = {}, tries = {},
    listings_begun = 0, lists_all = true }
end

---------------------------------------------------------------------------
-- Reading the entries of accounts

local EMPTY = { pending = {} } -- the slot of every account without entries

local function add_pending_to_slot(slot, entry) slot.pending[#slot.pending + 1] = entry end

local function set_current_of_slot(slot, entry)
  slot.several = slot.several or slot.current ~= nil or nil
  slot.current = entry
end

local function account_slot_for_key(self, key)
  self.slots[key] = self.slots[key] or { pending = {} }
  return self.slots[key]
end

local function add_entry_to_account_slot(self, listed)
  if server.has_tag(listed, probe.TAG) then
    table.insert(self.tries, listed)
  elseif server.has_tag(listed, PENDING) then
    local entry = password_entry.pending(listed)
    local key = entry.user or password_entry.account_name(entry.name):lower()
    add_pending_to_slot(account_slot_for_key(self, key), entry)
  elseif listed.type == "Credential" or listed.type == nil then
    local entry = password_entry.current(listed)
    set_current_of_slot(account_slot_for_key(self, entry.user or entry.name:lower()), entry)
  end
end

-- Group the pending entries of our folder by the object id in their description; `false` is the key of entries without
-- one. The entries stay as they were listed: of a hundred, one account needs its own.
local function group_by_user(self, entries)
  local by_user = { [false] = {} }
  for _, listed in ipairs(entries) do
    if vault_folder.is_same(listed.path, self.path) then
      local user = password_entry.pending_user(listed) or false
      local group = by_user[user] or {}
      by_user[user], group[#group + 1] = group, listed
    end
  end
  return by_user
end

-- The reader of one listing of all pending entries.
local function pending_entries_reader(self)
  return single_flight.wrap(function()
    self.listings_begun = self.listings_begun + 1
    local number = self.listings_begun
    local entries = server.tagged_entries(self.vault_id, PENDING)
    self.pending_listing = { number = number, by_user = group_by_user(self, entries) }
  end)
end

--- Connect to the server, find the vault, and read its list. Changes nothing. Waits.
---@param profile table
function Passwords:open(profile)
  server.login(profile)
  self.vault_id = server.vault(self.vault).id
  self.read_pending = pending_entries_reader(self)
  for entry in server.each_entry(self.vault_id, { path = self.path }) do add_entry_to_account_slot(self, entry) end
end

-- Join the slot of the account's object id with the slot of its name.
local function join_account_slots(by_id, by_name)
  if not by_id or not by_name then return by_id or by_name or EMPTY end
  local slot = { pending = table.move(by_id.pending, 1, #by_id.pending, 1, {}), current = by_id.current,
    several = by_id.several }
  for _, entry in ipairs(by_name.pending) do add_pending_to_slot(slot, entry) end
  if by_name.current then set_current_of_slot(slot, by_name.current) end
  return slot
end

--- The account's entries, as they were last listed.
---@param account sink.passwords.account
---@return sink.passwords.slot
function Passwords:slot(account) return join_account_slots(self.slots[account.id], self.slots[account.upn:lower()]) end

--- Mark the account's slots as claimed: a policy selects the account, so its entries are not left over.
---@param account sink.passwords.account
function Passwords:claim(account)
  for _, key in ipairs { account.id, account.upn:lower() } do
    if self.slots[key] then self.slots[key].claimed = true end
  end
end

--- Nothing has to be read of single accounts: `open` has listed the entries of all.
function Passwords.read() end

-- All pending entries, by user, by a listing that begins after this call. Calls that wait for it share the listing.
local function list_pending_entries(self)
  local number = self.listings_begun + 1
  while (self.pending_listing and self.pending_listing.number or 0) < number do self.read_pending() end
  return self.pending_listing.by_user
end

-- The account's pending entries. An entry without an object id is the account's when the entry has one of its names.
local function list_pending_of_account(self, account, names)
  local found, is_name = {}, {}
  local by_user = list_pending_entries(self)
  for _, listed in ipairs(by_user[account.id] or {}) do found[#found + 1] = password_entry.pending(listed) end
  for _, name in ipairs(names) do is_name[name:lower()] = true end
  for _, listed in ipairs(by_user[false]) do
    local is_named = is_name[password_entry.account_name(listed.name):lower()]
    if is_named then found[#found + 1] = password_entry.pending(listed) end
  end
  return found
end

-- The entries of a name that hold, or may hold, a value in force.
local function list_current_entries(self, name)
  local found = {}
  for entry in server.each_entry(self.vault_id, { name = name, path = self.path }) do
    local is_pending = server.has_tag(entry, PENDING)
    if not is_pending and (entry.type == "Credential" or entry.type == nil) then
      found[#found + 1] = password_entry.current(entry)
    end
  end
  return found
end

-- Add the account's known entry to the slot when no listing by name has it: a person may have renamed or moved it. The
-- id of the entry stays the same. Waits.
local function add_known_entry_to_slot(self, slot, known)
  local ok, entry = pcall(server.entry, self.vault_id, known.id)
  if not ok and not fail.is(entry, "missing") then error(entry, 0) end
  if not ok then return end
  slot.moved = not vault_folder.is_same(entry.path, self.path) and entry.path or nil
  if not slot.moved then set_current_of_slot(slot, password_entry.current(entry)) end
end

--- List the account's entries anew: pending entries by their tag and the account's object id, the current entry by the
--- account's name and by the id that the entry had when it was listed last. To list all current entries by their tag
--- would take as long as the vault is large, for each account. The result includes a current entry of the account's
--- name that was written for another account. Waits.
---@param account sink.passwords.account
---@param name string? another name that its entries may have
---@return sink.passwords.slot
function Passwords:look(account, name)
  local slot, reads, known = { pending = {} }, {}, self:slot(account).current
  local names = { account.upn }
  if name and name:lower() ~= account.upn:lower() then names[2] = name end
  for i, one in ipairs(names) do
    reads[i] = function() return list_current_entries(self, one) end
  end
  reads[#reads + 1] = function() return list_pending_of_account(self, account, names) end
  local lists = { task.all(reads) }
  slot.pending = table.remove(lists)
  for _, list in ipairs(lists) do
    for _, entry in ipairs(list) do
      if known and entry.id == known.id then known = nil end
      set_current_of_slot(slot, entry)
    end
  end
  if known then add_known_entry_to_slot(self, slot, known) end
  self.slots[account.id], self.slots[account.upn:lower()] = slot, nil
  return slot
end

--- Raise a failure unless the vault can be written and read back. Waits.
---@param journal host.journal.journal
function Passwords:probe(journal)
  for _, left in ipairs(self.tries) do
    if probe.is_abandoned(journal, left) then server.delete_entry(self.vault_id, left.id) end
  end
  self.tries = {}
  probe.try_vault(journal, self.vault_id, self.path)
end

--- The place of the account's current entry, for people.
---@param account sink.passwords.account
---@return string
function Passwords:place(account) return self:where(account.upn) end

--- The name of the account's current entry when the account has another name by now.
---@param account sink.passwords.account
---@return string?
function Passwords:former_name(account)
  local current = self:slot(account).current
  return current and current.name:lower() ~= account.upn:lower() and current.name or nil
end

--- The place of an entry, for people.
---@param name string
---@return string
function Passwords:where(name)
  return ("vault '%s', %s%s"):format(self.vault, self.path ~= "" and self.path .. "\\" or "", name)
end

--- Forget the account's slot: nothing more is done with the account in this run.
---@param account sink.passwords.account
function Passwords:release(account) self.slots[account.id], self.slots[account.upn:lower()] = nil, nil end

-- The account's slot, for changing.
local function writable_account_slot(self, account)
  local slot = self:slot(account)
  if slot == EMPTY then slot = { pending = {} } end
  self.slots[account.id], self.slots[account.upn:lower()] = slot, nil
  return slot
end

---------------------------------------------------------------------------
-- Pending values

local function find_pending_entry(slot, marker, number)
  for _, one in ipairs(slot.pending) do
    if one.marker == marker and one.number == number then return one end
  end
end

-- Read the entry back and raise a failure unless it holds exactly this value: another value there may be in force, and
-- must not be overwritten.
local function read_back_pending(self, name, id, value)
  local entry = server.entry(self.vault_id, id)
  local held = entry.data.password
  if secret.is(held) and secret.equals(held, value) then return entry end
  fail.raise {
    kind = "conflict", code = "spoilt", what = ("read back the pending password of %s"):format(name),
    why = "the entry of this rotation holds another value",
    fix = hint.text("Ask who changed the entry in %s: its history in Devolutions Server says so. Its value may be in "
      .. "force, so keep it until you know the password in force; then: {moonlatch} journal resume %s (a new one is "
      .. "set), or {moonlatch} journal close %s (it stays as it is).", self:where(name), name, name),
  }
end

local function create_pending_named(self, user, pending, value, name)
  return server.create_entry(self.vault_id, {
    name = name, path = self.path, type = "Credential", subType = "Default",
    description = password_entry.pending_line(user, pending.marker, pending.number, pending.now), tags = { PENDING },
    data = { domain = "", username = pending.name, password = value },
  })
end

-- Is the name taken only by pending entries that do not stop this rotation: its own, other accounts', and those that a
-- person passed over?
local function is_pending_name_explained(self, account, pending, name)
  local list = server.entries(self.vault_id, { name = name, path = self.path })
  for _, listed in ipairs(list) do
    local entry = password_entry.pending(listed)
    local is_others = entry.user and entry.user ~= account.id
    local is_known = entry.marker == pending.marker or (pending.left or {})[entry.marker or entry.id]
    if not server.has_tag(listed, PENDING) or not (is_others or is_known) then return false end
  end
  return #list > 0
end

-- Create the pending entry under the first free name. After a lost answer the entry may exist already.
local function create_pending_entry(self, account, pending, value)
  for place = 1, MOST_PENDING do
    local name = password_entry.pending_name(pending.name, place)
    local ok, made = pcall(create_pending_named, self, account.id, pending, value, name)
    if ok then return made end
    if not fail.is(made) then error(made, 0) end
    local found = find_pending_entry(self:look(account, pending.name), pending.marker, pending.number)
    if found then return read_back_pending(self, pending.name, found.id, value) end
    local is_taken = made.status == 409 and is_pending_name_explained(self, account, pending, name)
    if not is_taken or place == MOST_PENDING then error(made, 0) end
  end
end

---@class sink.passwords.pending
---@field name string user principal name
---@field marker string of the rotation
---@field number integer of the value in it
---@field now number server time
---@field left table<string, any>? pending entries of others that stay: by marker, or id

--- Store a pending value beside others, and read it back. Raises a "conflict" with status 409 when the vault allows no
--- second entry of that name, and the name belongs to an entry of another rotation. Waits.
---@param account sink.passwords.account
---@param pending sink.passwords.pending
---@param value host.secret
---@return string? modified when the server says it was last modified
function Passwords:store_pending(account, pending, value)
  local slot = writable_account_slot(self, account)
  local there = find_pending_entry(slot, pending.marker, pending.number)
  if there then return read_back_pending(self, pending.name, there.id, value).modifiedOn end
  local made = create_pending_entry(self, account, pending, value)
  slot = writable_account_slot(self, account)
  if not find_pending_entry(slot, pending.marker, pending.number) then
    add_pending_to_slot(slot, { id = made.id, name = made.name, marker = pending.marker,
      number = pending.number, since = pending.now, user = account.id })
  end
  return made.modifiedOn
end

--- Does an entry of the account still hold this value? Waits.
---@param _ sink.passwords.account
---@param entry sink.passwords.entry
---@param value host.secret
---@return boolean
function Passwords:holds(_, entry, value)
  local held = server.entry(self.vault_id, entry.id).data.password
  return secret.is(held) and secret.equals(held, value)
end

--- Delete the pending entries of a rotation. Waits.
---@param account sink.passwords.account
---@param marker string
function Passwords:delete_pending(account, marker)
  local slot, left = writable_account_slot(self, account), {}
  for _, one in ipairs(slot.pending) do
    if one.marker == marker then server.delete_entry(self.vault_id, one.id) else left[#left + 1] = one end
  end
  slot.pending = left
end

---------------------------------------------------------------------------
-- The value in force

local function create_current_entry(self, content, line)
  return server.create_entry(self.vault_id, {
    name = content.name, path = self.path, type = "Credential", subType = "Default", description = line,
    tags = { CURRENT }, data = { domain = "", username = content.name, password = content.value },
  })
end

local function is_content_stored(entry, content, line)
  local held = entry.data.password
  return secret.is(held) and secret.equals(held, content.value)
    and tostring(entry.description or ""):find(line, 1, true) ~= nil
end

local function raise_entry_taken(self, content, marker)
  fail.raise {
    kind = "conflict", code = "taken", what = ("store the password of %s"):format(content.name),
    why = ("the entry in %s was written by another rotation meanwhile (%s)")
      :format(self:where(content.name), marker or "it has no marker"),
    fix = "One installation rotates an account, never two: stop one of them.",
  }
end

local function replace_current_entry(self, id, content, line)
  local entry = server.entry(self.vault_id, id)
  if is_content_stored(entry, content, line) then return entry end
  local marker = password_entry.parse_current(entry.description)
  if marker ~= content.before and marker ~= content.marker then raise_entry_taken(self, content, marker) end
  entry.name, entry.data.username, entry.data.password = content.name, content.name, content.value
  entry.description = password_entry.replace_line(entry.description, line)
  return server.replace_entry(self.vault_id, entry, { just_read = true })
end

-- Find the current entry of this name on the server: it may have been created although its answer was lost.
local function find_current_entry(self, name)
  return (server.each_entry(self.vault_id, { name = name, path = self.path, tag = CURRENT })())
end

local function write_current_entry(self, slot, content, line)
  local there = slot.current or content.again and find_current_entry(self, content.name)
  if there then return replace_current_entry(self, there.id, content, line) end
  return create_current_entry(self, content, line)
end

local function write_current_with_retries(self, slot, content, line)
  for try = 1, TRIES do
    local ok, result = pcall(write_current_entry, self, slot, content, line)
    if ok then return result end
    local may_pass = fail.is(result) and kinds.of(result.kind).passes_after_reading and result.code ~= "taken"
    if not may_pass or try == TRIES then error(result, 0) end
    if result.kind == "missing" then slot.current = nil end -- somebody deleted it
    content.again = true
    task.sleep(SETTLE) -- by then the server lists an entry whose answer was lost
  end
end

---@class sink.passwords.content
---@field name string user principal name
---@field value host.secret
---@field marker string of the rotation
---@field number integer of the value in it
---@field since number when the value came into force
---@field before string? the marker of the entry when the rotation was judged
---@field again boolean? may an earlier write have succeeded, although its answer was lost?

--- Write the value in force, and read it back. Other members of the entry stay. Raises a "conflict" with the code
--- "taken" when another rotation has written the entry since it was read. Waits.
---@param account sink.passwords.account
---@param content sink.passwords.content
function Passwords:store_current(account, content)
  local slot = writable_account_slot(self, account)
  local line = password_entry.current_line(account.id, content.marker, content.number, content.since)
  local entry = write_current_with_retries(self, slot, content, line)
  slot.current = { id = entry.id, name = content.name, marker = content.marker, since = content.since,
    user = account.id, modified = entry.modifiedOn }
end

--- Give the account's entry the account's user name. Other members of the entry stay. Waits.
---@param account sink.passwords.account
function Passwords:rename(account)
  local slot = writable_account_slot(self, account)
  local entry = server.entry(self.vault_id, slot.current.id)
  entry.name, entry.data.username = account.upn, account.upn
  slot.current.name = account.upn
  slot.current.modified = server.replace_entry(self.vault_id, entry, { just_read = true }).modifiedOn
end

return passwords
