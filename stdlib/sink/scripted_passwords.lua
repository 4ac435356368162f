--- A sink for users' passwords that is a script: each account has a current place and three pending ones, all found by
--- the account's object id. A pending value is stored into a free place only, so it never replaces a value that may be
--- in force. Of two installations that store at once, one is refused by the service (can.compare), or each reads what
--- the other has stored (can.others).

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local kinds = require "fail.kinds"
local markers = require "journal.marker"
local secret = require "host.secret"
local task = require "task"
local time = require "time"

local CURRENT, PENDING = "current", { "pending", "pending-2", "pending-3" }
local AT_ONCE = 16 -- accounts that are read side by side
local TRIES = 4 -- tries when the place was changed beside our value, as another key of the same Secret is
local NOBODY = "00000000-0000-0000-0000-000000000000" -- an object id, to see whether places differ

---@class sink.ScriptedPasswords
---@field loaded sink.loaded
---@field rights host.gate.rights? of the script
---@field tenant string
---@field policy string
---@field slots table<string, sink.passwords.slot> by object id
local ScriptedPasswords = class "sink.ScriptedPasswords"

--- A sink for passwords.
---@param fields { loaded: sink.loaded, rights: host.gate.rights?, tenant: string, policy: string }
---@return sink.ScriptedPasswords
local function scripted_passwords(fields)
  return ScriptedPasswords { loaded = fields.loaded, rights = fields.rights, tenant = fields.tenant,
    policy = fields.policy, slots = {} }
end

local EMPTY = { pending = {} } -- the slot of an account of which nothing was read

---------------------------------------------------------------------------
-- What is stored with a value: which rotation stored it, and since when

local function marker_text(marker, number, since)
  return ("%s %s"):format(markers.of_value(marker, number), time.iso(since))
end

local function parse_marker_text(text)
  local marker, number = markers.find_value(text)
  local ok, since = pcall(time.parse, tostring(text):match " ([%d:TZ-]+)$" or "")
  return marker, number, ok and since or nil
end

local function item_of(self, account, slot, marker)
  return { slot = slot, kind = "user", id = account.id, name = account.upn, tenant = self.tenant, policy = self.policy,
    marker = marker }
end

local function call(self, name, item, ...) return self.loaded:call(name, self.rights, item, ...) end

local function where(self, account, slot)
  return ("%s of %s"):format(call(self, "where", item_of(self, account, slot)), self.loaded.name)
end

---------------------------------------------------------------------------
-- Reading the places of accounts

local UNMARKED = "there is a value at its place (%s) that is not marked as of this account: mark it there with the "
  .. "object id of the account to have it replaced, or name another place"

local function entry_of(self, account, slot, stored)
  local marker, number, since = parse_marker_text(stored.marker)
  local name = where(self, account, slot)
  return { id = slot, name = name, marker = marker, number = number, since = since, user = stored.id,
    modified = stored.edition, foreign = not stored.id and UNMARKED:format(name) or nil }
end

-- Everything that is stored in a slot, in one list.
local function values_of(stored)
  local list = {}
  for _, one in ipairs { stored or {}, table.unpack(stored and stored.others or {}) } do
    if one.value then list[#list + 1] = one end
  end
  return list
end

local function read_slot(self, account, slot, marker)
  return call(self, "read", item_of(self, account, slot, marker))
end

-- What is stored in the slots, by slot.
local function read_slots(self, account, slots, marker)
  local reads, found = {}, {}
  for i, slot in ipairs(slots) do
    reads[i] = function() return { read_slot(self, account, slot, marker) } end
  end
  for i, result in ipairs { task.all(reads) } do found[slots[i]] = result[1] end
  return found
end

--- Read the account's places anew. Waits.
---@param account sink.passwords.account
---@return sink.passwords.slot
function ScriptedPasswords:look(account)
  local found = read_slots(self, account, { CURRENT, table.unpack(PENDING) })
  local slot, current = { pending = {} }, found[CURRENT]
  if current and current.value then slot.current = entry_of(self, account, CURRENT, current) end
  for _, name in ipairs(PENDING) do
    for _, stored in ipairs(values_of(found[name])) do
      table.insert(slot.pending, entry_of(self, account, name, stored))
    end
  end
  self.slots[account.id] = slot
  return slot
end

-- Raise a failure unless each account has places of its own, which a new name does not change.
local function check_places(self)
  local function place(id, name) return where(self, { id = id, upn = name }, CURRENT) end
  local other = NOBODY:gsub("0$", "1")
  local is_same = place(NOBODY, "one@example.com") == place(other, "one@example.com")
  if not is_same and place(NOBODY, "one@example.com") == place(NOBODY, "two@example.com") then return end
  fail.raise {
    kind = "config", what = ("keep users' passwords with %s"):format(self.loaded.name),
    why = is_same and "its arguments give one place to all accounts"
      or "its arguments give an account another place when its name changes",
    fix = "Write {id}, the object id of the account, into the place that the policy names, and leave {name} out.",
  }
end

--- Check the places that the policy's arguments give. Sends nothing: single accounts are read by `read`.
function ScriptedPasswords:open() check_places(self) end

--- Read the places of these accounts. Waits.
---@param accounts sink.passwords.account[]
function ScriptedPasswords:read(accounts)
  task.map(accounts, AT_ONCE, function(account) self:look(account) end)
end

--- The account's entries, as they were last read.
---@param account sink.passwords.account
---@return sink.passwords.slot
function ScriptedPasswords:slot(account) return self.slots[account.id] or EMPTY end

--- Mark the account's slot as claimed: a policy selects the account, so its entries are not left over.
---@param account sink.passwords.account
function ScriptedPasswords:claim(account)
  local slot = self.slots[account.id]
  if slot then slot.claimed = true end
end

--- Forget the account's slot: nothing more is done with the account in this run.
---@param account sink.passwords.account
function ScriptedPasswords:release(account) self.slots[account.id] = nil end

--- The pending value of each rotation tries the place before Entra is asked, so nothing else is stored to try it.
function ScriptedPasswords.probe() end

--- The place of the account's current value, for people.
---@param account sink.passwords.account
---@return string
function ScriptedPasswords:place(account) return where(self, account, CURRENT) end

--- The place of an entry, for people.
---@param name string
---@return string
function ScriptedPasswords.where(_, name) return name end

-- Places do not depend on names.
function ScriptedPasswords.former_name() end

---------------------------------------------------------------------------
-- Storing

local function find_own(stored, text)
  for _, one in ipairs(values_of(stored)) do
    if one.marker == text then return one end
  end
end

local function holds(stored, value) return stored ~= nil and secret.equals(stored.value, value) end

-- Does the slot have the same content as before? Then a conflict was about something beside our value.
local function is_same_content(stored, before)
  local mine, theirs = values_of(stored), values_of(before)
  if #mine ~= #theirs then return false end
  for i, one in ipairs(mine) do
    if one.marker ~= theirs[i].marker or not secret.equals(one.value, theirs[i].value) then return false end
  end
  return true
end

local function raise_not_read_back(self, account, slot)
  fail.raise {
    kind = "conflict", what = ("read back the password of %s from %s"):format(account.upn, where(self, account, slot)),
    why = "another value is stored there than the one that was just stored",
    fix = "Run the same command again: it reads what is there.",
  }
end

-- Store a value in a slot that was read before, and read it back. After a failure, such as a lost answer, the reading
-- decides. Returns what is stored.
local function store_and_read(self, account, slot, value, text, before)
  for try = 1, TRIES do
    local ok, failure = pcall(call, self, "store", item_of(self, account, slot, text), value, before)
    if not ok and not fail.is(failure) then error(failure, 0) end
    local is_read, stored = pcall(read_slot, self, account, slot, text)
    local own = is_read and find_own(stored, text)
    if holds(own, value) then return own end
    if not is_read then error(ok and stored or failure, 0) end
    if ok then raise_not_read_back(self, account, slot) end
    local is_beside = failure.kind == "conflict" and is_same_content(stored, before)
    if not is_beside or try == TRIES then error(failure, 0) end
    before = stored
  end
end

---------------------------------------------------------------------------
-- Pending values

local function raise_spoilt(self, account, slot, text)
  local name = account.upn
  fail.raise {
    kind = "conflict", code = "spoilt", what = ("read back the pending password of %s"):format(name),
    why = "the place of this rotation holds another value",
    fix = hint.text("Ask who changed %s (%s). Its value may be in force, so keep it until you know the password in "
      .. "force; then: {moonlatch} journal resume %s (a new one is set), or {moonlatch} journal close %s (it stays as "
      .. "it is).", where(self, account, slot), text, name, name),
  }
end

-- Another rotation's pending value is in the place: the same as a vault that refuses a second entry of one name.
local function raise_occupied(self, account, slot)
  fail.raise {
    kind = "conflict", status = 409, what = ("store the pending password of %s"):format(account.upn),
    why = ("another pending value is stored in %s"):format(where(self, account, slot)),
  }
end

local function raise_no_place_free(account)
  fail.raise {
    kind = "refused", what = ("store the pending password of %s"):format(account.upn),
    why = ("each of its %d pending places has a value that may be in force"):format(#PENDING),
    fix = "Find out which password is in force, and remove the pending values that are not.",
  }
end

-- Do all values in the slot stay, although they are not of this rotation: a person passed over them, or they are of an
-- earlier rotation of this journal that ended with an unknown outcome?
local function are_passed_over(stored, pending)
  for _, one in ipairs(values_of(stored)) do
    local marker = markers.find_value(one.marker)
    if marker ~= pending.marker and not (pending.left or {})[marker or ""] then return false end
  end
  return true
end

-- The place for a pending value: one with an earlier value of the same rotation, which cannot come into force any more,
-- or one that is free.
local function choose_pending_slot(self, account, found, pending)
  local free
  for _, slot in ipairs(PENDING) do
    local values = values_of(found[slot])
    if not are_passed_over(found[slot], pending) then raise_occupied(self, account, slot) end
    local is_earlier = values[1] and markers.find_value(values[1].marker) == pending.marker
    if is_earlier then return slot end
    if not values[1] then free = free or slot end
  end
  return free or raise_no_place_free(account)
end

--- Store a pending value, and read it back. An earlier value of the same rotation is replaced: the caller knows that it
--- cannot come into force any more. Raises a "conflict" with status 409 when another rotation has a pending value.
--- Waits.
---@param account sink.passwords.account
---@param pending sink.passwords.pending
---@param value host.secret
---@return string? modified
function ScriptedPasswords:store_pending(account, pending, value)
  local found = read_slots(self, account, PENDING)
  for _, slot in ipairs(PENDING) do
    for _, one in ipairs(values_of(found[slot])) do
      local marker, number = markers.find_value(one.marker)
      local is_this = marker == pending.marker and number == pending.number
      if is_this and not holds(one, value) then raise_spoilt(self, account, slot, one.marker) end
      if is_this then return one.edition end
    end
  end
  local slot = choose_pending_slot(self, account, found, pending)
  local text = marker_text(pending.marker, pending.number, pending.now)
  local ok, result = pcall(store_and_read, self, account, slot, value, text, found[slot])
  if ok then return result.edition end
  if fail.is(result, "conflict") then result.status = 409 end -- somebody stored there meanwhile
  error(result, 0)
end

--- Does an entry of the account still hold this value? Waits.
---@param account sink.passwords.account
---@param entry sink.passwords.entry
---@param value host.secret
---@return boolean
function ScriptedPasswords:holds(account, entry, value)
  for _, one in ipairs(values_of(read_slot(self, account, entry.id))) do
    local marker, number = markers.find_value(one.marker)
    if marker == entry.marker and number == entry.number then return holds(one, value) end
  end
  return false
end

-- Remove a value that was read in a slot. A conflict about something beside it is no reason to stop.
local function remove_value(self, account, slot, stored)
  for try = 1, TRIES do
    local ok, failure = pcall(call, self, "remove", item_of(self, account, slot, stored.marker), stored)
    if ok then return end
    if not fail.is(failure) then error(failure, 0) end
    local left = find_own(read_slot(self, account, slot, stored.marker), stored.marker)
    if not left then return end
    if not kinds.of(failure.kind).passes_after_reading or try == TRIES then error(failure, 0) end
    stored = left
  end
end

--- Delete the pending values of a rotation. Waits.
---@param account sink.passwords.account
---@param marker string
function ScriptedPasswords:delete_pending(account, marker)
  local found = read_slots(self, account, PENDING)
  for _, slot in ipairs(PENDING) do
    for _, one in ipairs(values_of(found[slot])) do
      if markers.find_value(one.marker) == marker then remove_value(self, account, slot, one) end
    end
  end
  local slot, left = self:slot(account), {}
  for _, one in ipairs(slot.pending) do
    if one.marker ~= marker then left[#left + 1] = one end
  end
  if slot ~= EMPTY then slot.pending = left end
end

---------------------------------------------------------------------------
-- The value in force

local function raise_place_taken(self, account, stored)
  fail.raise {
    kind = "conflict", code = "taken", what = ("store the password of %s"):format(account.upn),
    why = stored.id == account.id and ("the value in %s was stored by another rotation meanwhile (%s)")
      :format(where(self, account, CURRENT), stored.marker or "it has no marker")
      or ("the value in %s is not marked as of this account"):format(where(self, account, CURRENT)),
    fix = "One installation rotates an account, never two: stop one of them.",
  }
end

-- May this rotation replace what is stored? Only what was there when the rotation was judged, or what it stored itself.
local function may_replace(account, stored, content)
  local marker = markers.find_value(stored.marker)
  return stored.id == account.id and (marker == content.before or marker == content.marker)
end

--- Store the value in force, and read it back. Raises a "conflict" with the code "taken" when another rotation has
--- stored a value since the account was judged. Waits.
---@param account sink.passwords.account
---@param content sink.passwords.content
function ScriptedPasswords:store_current(account, content)
  local before = read_slot(self, account, CURRENT)
  local text = marker_text(content.marker, content.number, content.since)
  if before and before.value and not may_replace(account, before, content) then
    raise_place_taken(self, account, before)
  end
  local ok, stored = true, find_own(before, text)
  if not holds(stored, content.value) then
    ok, stored = pcall(store_and_read, self, account, CURRENT, content.value, text, before)
  end
  if not ok then
    if fail.is(stored, "conflict") then stored.status = nil end -- the next run reads the place, and stores again
    error(stored, 0)
  end
  local slot = self.slots[account.id] or { pending = {} }
  slot.current = entry_of(self, account, CURRENT, stored)
  self.slots[account.id] = slot
end

return scripted_passwords
