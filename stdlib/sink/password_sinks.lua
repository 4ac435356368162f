--- The sinks of a policy for users, as one sink: each account has one of them, or several. A pending value is stored in
--- all sinks of its account, and read back, before Entra is asked; afterwards each sink gets the value in force by
--- itself. Each sink acts with its own rights.

local class = require "base.class"
local fail = require "fail"
local log = require "log"
local partly_stored = require "sink.partly_stored"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local task = require "task"

---@class sink.password_sinks.part one sink
---@field store sink.Passwords|sink.ScriptedPasswords
---@field key string names the sink and its arguments; the same in every run
---@field name string for people
---@field rights host.gate.rights? nil: the present rights; a script is called with its own

---@class sink.PasswordSinks
---@field parts sink.password_sinks.part[] all sinks of the policy
---@field chosen table<string, sink.password_sinks.part[]> the sinks of an account that does not have all of them, by
--- object id
local PasswordSinks = class "sink.PasswordSinks"

--- The sinks of a policy.
---@param parts sink.password_sinks.part[]
---@return sink.PasswordSinks
local function password_sinks(parts) return PasswordSinks { parts = parts, chosen = {} } end

-- Call a method of one sink with its rights.
local function call(part, name, ...)
  local store = part.store
  if not part.rights then return store[name](store, ...) end
  return rights.with(scheduler.current(), part.rights, store[name], store, ...)
end

local function parts_of(self, account) return self.chosen[account.id] or self.parts end

-- Call a method of each sink of the account, in turn. Returns the first result of each.
local function call_each(self, account, name, ...)
  local results = {}
  for i, part in ipairs(parts_of(self, account)) do results[i] = call(part, name, account, ...) or false end
  return results
end

---------------------------------------------------------------------------
-- Which sinks an account has

local function part_of_key(self, key)
  for _, part in ipairs(self.parts) do
    if part.key == key then return part end
  end
end

--- Let the account have these sinks, and no others. Returns the key of one that the policy does not have any more.
---@param account { id: string }
---@param keys string[]
---@return string? missing
function PasswordSinks:choose(account, keys)
  local parts, is_all = {}, #keys == #self.parts
  for i, key in ipairs(keys) do
    parts[i] = part_of_key(self, key)
    if not parts[i] then return key end
    is_all = is_all and parts[i] == self.parts[i]
  end
  self.chosen[account.id] = not is_all and parts or nil
end

--- The keys of the account's sinks.
---@param account { id: string }
---@return string[]
function PasswordSinks:keys(account)
  local keys = {}
  for i, part in ipairs(parts_of(self, account)) do keys[i] = part.key end
  return keys
end

---------------------------------------------------------------------------
-- Reading

---@class sink.password_sinks.slot: sink.passwords.slot the entries of an account in several sinks
---@field parts sink.passwords.slot[] of each sink, in order
---@field lacking integer[]? which of them do not have the value that others have

local function is_newer(current, than)
  if current.foreign or not than then return not (than and than.foreign) end
  return not than.foreign and (current.since or 0) > (than.since or 0)
end

-- Which sinks do not have the same value as `current`; nil when all have it.
local function lacking_parts(slots, current)
  local list = {}
  for i, slot in ipairs(slots) do
    if not slot.current or slot.current.marker ~= current.marker then list[#list + 1] = i end
  end
  return list[1] and list or nil
end

-- Join the slots of several sinks. The current entry is one that stops a rotation, else that of the newest value.
local function join_slots(parts, slots)
  local joined = { pending = {}, parts = slots }
  for i, slot in ipairs(slots) do
    for _, entry in ipairs(slot.pending) do
      entry.part = parts[i]
      table.insert(joined.pending, entry)
    end
    if slot.current then slot.current.part = parts[i] end
    if slot.current and is_newer(slot.current, joined.current) then joined.current = slot.current end
    joined.several, joined.moved = joined.several or slot.several, joined.moved or slot.moved
  end
  joined.lacking = joined.current and lacking_parts(slots, joined.current)
  return joined
end

--- Does `open` list the entries of all accounts, in every sink?
---@return boolean
function PasswordSinks:lists()
  for _, part in ipairs(self.parts) do
    if not part.store.lists_all then return false end
  end
  return true
end

--- Connect to the sinks, and read what they list. Changes nothing. Waits.
---@param profile profile
function PasswordSinks:open(profile)
  local opens = {}
  for i, part in ipairs(self.parts) do
    opens[i] = function() call(part, "open", profile) end
  end
  task.all(opens)
end

--- Read the entries of these accounts, where `open` has not listed them. Waits.
---@param accounts sink.passwords.account[]
function PasswordSinks:read(accounts)
  for _, part in ipairs(self.parts) do
    local its = {}
    for _, account in ipairs(accounts) do
      for _, one in ipairs(parts_of(self, account)) do
        if one == part then its[#its + 1] = account end
      end
    end
    call(part, "read", its)
  end
end

--- The account's entries, as they were last read.
---@param account sink.passwords.account
---@return sink.password_sinks.slot
function PasswordSinks:slot(account)
  local parts = parts_of(self, account)
  if not parts[2] then return parts[1].store:slot(account) end
  return join_slots(parts, call_each(self, account, "slot"))
end

--- Read the account's entries anew. Waits.
---@param account sink.passwords.account
---@param name string? another name that its entries may have
---@return sink.password_sinks.slot
function PasswordSinks:look(account, name)
  local parts = parts_of(self, account)
  if not parts[2] then return call(parts[1], "look", account, name) end
  local looks = {}
  for i, part in ipairs(parts) do
    looks[i] = function() return call(part, "look", account, name) end
  end
  return join_slots(parts, { task.all(looks) })
end

--- Mark the account's slots as claimed: a policy selects the account, so its entries are not left over.
---@param account sink.passwords.account
function PasswordSinks:claim(account) call_each(self, account, "claim") end

--- Call `fn(slot, where)` for each slot that was read, in no particular order; `where(entry)` is the place of an entry.
---@param fn fun(slot: sink.passwords.slot, where: fun(entry: sink.passwords.entry): string)
function PasswordSinks:each_slot(fn)
  for _, part in ipairs(self.parts) do
    local function where(entry) return part.store:where(entry.name) end
    for _, slot in pairs(part.store.slots) do fn(slot, where) end
  end
end

--- The place of one of the account's entries, for people.
---@param account sink.passwords.account
---@param entry sink.passwords.entry
---@return string
function PasswordSinks:where(account, entry)
  local part = entry.part or parts_of(self, account)[1]
  return part.store:where(entry.name)
end

--- The places of the account's current values, for people.
---@param account sink.passwords.account
---@return string
function PasswordSinks:place(account) return table.concat(call_each(self, account, "place"), " and ") end

--- The name of a current entry when the account has another name by now.
---@param account sink.passwords.account
---@return string?
function PasswordSinks:former_name(account)
  for _, name in ipairs(call_each(self, account, "former_name")) do
    if name then return name end
  end
end

--- When the account's current entries were last modified, each by the clock of its sink, or their editions; false where
--- a sink does not say.
---@param account sink.passwords.account
---@return (string|false)[]
function PasswordSinks:modified(account)
  local slot, list = self:slot(account), {}
  for i, one in ipairs(slot.parts or { slot }) do list[i] = one.current and one.current.modified or false end
  return list
end

--- Raise a failure unless the sinks can be written and read back. Waits.
---@param journal host.journal.journal
function PasswordSinks:probe(journal)
  for _, part in ipairs(self.parts) do call(part, "probe", journal) end
end

--- Forget the account's slots: nothing more is done with the account in this run.
---@param account sink.passwords.account
function PasswordSinks:release(account) call_each(self, account, "release") end

---------------------------------------------------------------------------
-- Changing

--- Store a pending value in all sinks of the account, and read it back. Raises as a sink does. Waits.
---@param account sink.passwords.account
---@param pending sink.passwords.pending
---@param value host.secret
---@return (string|false)[] modified of the entry in each sink, as `modified` has it
function PasswordSinks:store_pending(account, pending, value)
  return call_each(self, account, "store_pending", pending, value)
end

--- Does an entry of the account still hold this value? Waits.
---@param account sink.passwords.account
---@param entry sink.passwords.entry
---@param value host.secret
---@return boolean
function PasswordSinks:holds(account, entry, value)
  return call(entry.part or parts_of(self, account)[1], "holds", account, entry, value)
end

--- Delete the pending values of a rotation in all sinks of the account. Waits.
---@param account sink.passwords.account
---@param marker string
function PasswordSinks:delete_pending(account, marker) call_each(self, account, "delete_pending", marker) end

-- What no other sink can change: another installation is at work, or the run ends.
local STOPS = { interrupted = true, journal = true }

local function copy_content(content, before)
  local copy = {}
  for name, value in pairs(content) do copy[name] = value end
  copy.before = before
  return copy
end

--- Store the value in force in each sink of the account, and read it back: a sink that fails keeps it from no other.
--- `content.before` has the marker of each sink's entry when the rotation was judged, or false. Raises a failure that
--- says where the value is missing, of the kind and code of the first sink's failure, or of the one that needs a
--- person. Waits.
---@param account sink.passwords.account
---@param content sink.passwords.content
function PasswordSinks:store_current(account, content)
  local done, missing, first = {}, {}, nil
  for i, part in ipairs(parts_of(self, account)) do
    local ok, failure = pcall(call, part, "store_current", account, copy_content(content, content.before[i] or nil))
    if not ok and (not fail.is(failure) or STOPS[failure.kind]) then error(failure, 0) end
    local place = part.store:place(account)
    table.insert(ok and done or missing, place)
    if not ok and parts_of(self, account)[2] then log.warn(("%s: %s"):format(place, failure.why)) end
    local is_worse = not ok and (failure.code == "taken" or failure.status == 409)
    if not ok and (is_worse or not first) then first = failure end
  end
  if not first then return end
  partly_stored.raise { what = "store the password of " .. account.upn, done = done, missing = missing,
    failure = first, rest = "Then run the same command again: it stores the password where it is missing." }
end

--- Give the account's entries the account's user name. Other members of the entries stay. Waits.
---@param account sink.passwords.account
function PasswordSinks:rename(account)
  for _, part in ipairs(parts_of(self, account)) do
    if part.store:former_name(account) then call(part, "rename", account) end
  end
end

return password_sinks
