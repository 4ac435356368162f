--- Where users' passwords go: entries of Devolutions Server, one for each account
--- under its user name. What is pending lies beside it, in entries of its own, one
--- for each value: a slot that is a list, so that a value which may be in force is
--- never overwritten by the next one.

local fail = require "fail"
local markers = require "rotation.marker"
local probe = require "sink.probe"
local secret = require "host.secret"
local server = require "devolutions.server"
local time = require "time"

local CURRENT, PENDING = "moonlatch-password", "moonlatch-password-pending"
local TRIES = 3 -- against somebody else who changes the same entry

---@class sink.passwords.slot what lies there for one account
---@field current { id: string, ours: boolean, marker: string?, since: number? }?
---@field pending { id: string, marker: string?, number: integer? }[]
---@field several boolean? more than one entry of that name

---@class sink.Passwords
---@field vault string name or id
---@field path string folders, separated by "\"
---@field vault_id string once opened
---@field slots table<string, sink.passwords.slot> by user name in lower case
local Passwords = { __name = "sink.passwords" }
Passwords.__index = Passwords

--- A place for passwords.
---@param fields { vault: string, path: string? }
---@return sink.Passwords
local function passwords(fields)
  return setmetatable({ vault = fields.vault, path = fields.path or "", slots = {}, tries = {} }, Passwords)
end

local SUFFIX = " (pending)"

---------------------------------------------------------------------------
-- Looking

local LINE = "Password kept by Moonlatch %((" .. markers.PATTERN .. ")/%d+%), in force since ([%d:TZ-]+)%."

-- Which rotation wrote it, and when what it holds came into force.
local function read_line(description)
  local marker, since = tostring(description or ""):match(LINE)
  local ok, moment = pcall(time.parse, since)
  return marker, ok and moment or nil
end

local EMPTY = { pending = {} } -- of all accounts nothing lies there of

local function slot_of(self, name)
  local key = name:lower()
  self.slots[key] = self.slots[key] or { pending = {} }
  return self.slots[key]
end

local function note_pending(self, entry)
  local marker, number = markers.find_value(entry.description)
  local name = entry.name:sub(-#SUFFIX) == SUFFIX and entry.name:sub(1, -#SUFFIX - 1) or entry.name
  table.insert(slot_of(self, name).pending, { id = entry.id, marker = marker, number = number })
end

local function note_current(self, entry)
  local slot, marker, since = slot_of(self, entry.name), read_line(entry.description)
  slot.several = slot.current ~= nil
  slot.current = { id = entry.id, ours = server.has_tag(entry, CURRENT), marker = marker, since = since }
end

local function note(self, entry)
  if server.has_tag(entry, probe.TAG) then table.insert(self.tries, entry)
  elseif server.has_tag(entry, PENDING) then note_pending(self, entry)
  elseif entry.type == "Credential" or entry.type == nil then note_current(self, entry) end
end

--- Reach the server, find the vault, and see what lies there. Changes nothing.
---@param profile table
function Passwords:open(profile)
  server.login(profile)
  self.vault_id = server.vault(self.vault).id
  for entry in server.each_entry(self.vault_id, { path = self.path }) do note(self, entry) end
end

--- What lies there for this account.
---@param name string user principal name
---@return sink.passwords.slot
function Passwords:slot(name) return self.slots[name:lower()] or EMPTY end

--- Can it be written and read back? Raises when not.
---@param journal host.journal.journal
function Passwords:probe(journal)
  for _, left in ipairs(self.tries) do
    if probe.is_abandoned(journal, left) then server.delete_entry(self.vault_id, left.id) end
  end
  self.tries = {}
  probe.run(journal, self.vault_id, self.path)
end

--- Where it is, for people.
---@param name string?
---@return string
function Passwords:where(name)
  return ("vault '%s', %s%s"):format(self.vault, self.path ~= "" and self.path .. "\\" or "", name or "")
end

---------------------------------------------------------------------------
-- Pending values

local function describe_pending(marker, number)
  return ("Pending: may be in force already (%s). Moonlatch removes it when it is known which password is.")
    :format(markers.of_value(marker, number))
end

local function pending_of(slot, marker, number)
  for _, one in ipairs(slot.pending) do
    if one.marker == marker and one.number == number then return one end
  end
end

-- Is what lies there this very value? Anything else there is nobody's to overwrite.
local function check_pending(self, name, id, value)
  local entry = server.entry(self.vault_id, id)
  local held = entry.data.password
  if secret.is(held) and held:equals(value) then return end
  fail.raise {
    kind = "conflict", what = ("read back the pending password of %s"):format(name),
    why = "the entry of this rotation holds something else",
    fix = ("Look at it in %s; what lies there may be in force, so it is left as it is."):format(self:where(name)),
  }
end

-- Its answer was lost: is it there all the same?
local function find_pending(self, name, marker, number)
  for entry in server.each_entry(self.vault_id, { name = name .. SUFFIX, path = self.path, tag = PENDING }) do
    local found, place = markers.find_value(entry.description)
    if found == marker and place == number then return entry end
  end
end

local function create_pending(self, name, marker, number, value)
  local ok, made = pcall(server.create_entry, self.vault_id, {
    name = name .. SUFFIX, path = self.path, type = "Credential", subType = "Default",
    description = describe_pending(marker, number), tags = { PENDING },
    data = { domain = "", username = name, password = value },
  })
  if ok then return made end
  if not fail.is(made) then error(made, 0) end
  local found = find_pending(self, name, marker, number)
  if not found then error(made, 0) end
  check_pending(self, name, found.id, value)
  return found
end

--- Have a pending value lie there, beside others, read back.
---@param name string user principal name
---@param marker string of the rotation
---@param number integer of the value in it
---@param value host.secret
function Passwords:keep_pending(name, marker, number, value)
  local slot = slot_of(self, name)
  local there = pending_of(slot, marker, number)
  if there then return check_pending(self, name, there.id, value) end
  local made = create_pending(self, name, marker, number, value)
  table.insert(slot.pending, { id = made.id, marker = marker, number = number })
end

--- Does the slot name this rotation?
---@param name string
---@param marker string
---@param number integer? this very value of it
---@return boolean
function Passwords:names(name, marker, number)
  for _, one in ipairs(slot_of(self, name).pending) do
    if one.marker == marker and (number == nil or one.number == number) then return true end
  end
  return false
end

--- Nothing more is done with this account in this run: keep nothing in mind of it.
---@param name string
function Passwords:release(name) self.slots[name:lower()] = nil end

--- Remove the pending values of a rotation.
---@param name string
---@param marker string
function Passwords:drop_pending(name, marker)
  local slot, left = slot_of(self, name), {}
  for _, one in ipairs(slot.pending) do
    if one.marker == marker then server.delete_entry(self.vault_id, one.id) else left[#left + 1] = one end
  end
  slot.pending = left
end

---------------------------------------------------------------------------
-- The value in force

local function line_of(marker, number, since)
  return ("Password kept by Moonlatch (%s), in force since %s.")
    :format(markers.of_value(marker, number), time.iso(since))
end

-- Our line anew; what else a person wrote there stays.
local function describe(description, line)
  local text = type(description) == "string" and description or ""
  local from, to = text:find(LINE)
  if from then return text:sub(1, from - 1) .. line .. text:sub(to + 1) end
  return text == "" and line or text .. "\n" .. line
end

local function create_current(self, name, value, line)
  return server.create_entry(self.vault_id, {
    name = name, path = self.path, type = "Credential", subType = "Default", description = line, tags = { CURRENT },
    data = { domain = "", username = name, password = value },
  })
end

local function is_stored(entry, value, line)
  local held = entry.data.password
  return secret.is(held) and held:equals(value) and tostring(entry.description or ""):find(line, 1, true) ~= nil
end

local function replace_current(self, name, id, value, line)
  local entry = server.entry(self.vault_id, id)
  if is_stored(entry, value, line) then return entry end
  entry.data.username, entry.data.password = name, value
  entry.description = describe(entry.description, line)
  return server.replace_entry(self.vault_id, entry, { just_read = true })
end

-- The entry of this name, as the server has it now: an answer may have been lost.
local function find_current(self, name)
  return (server.each_entry(self.vault_id, { name = name, path = self.path, tag = CURRENT })())
end

local function write_current(self, name, value, line, is_new)
  local there = slot_of(self, name).current or not is_new and find_current(self, name)
  if there then return replace_current(self, name, there.id, value, line) end
  return create_current(self, name, value, line)
end

local AGAIN = { conflict = true, unknown_outcome = true, network = true, missing = true }

local function write_patiently(self, name, value, line, is_new)
  for try = 1, TRIES do
    local ok, result = pcall(write_current, self, name, value, line, is_new and try == 1)
    if ok then return result end
    if not fail.is(result) or not AGAIN[result.kind] or try == TRIES then error(result, 0) end
    if result.kind == "missing" then slot_of(self, name).current = nil end -- somebody removed it
  end
end

--- Write the value that is in force, and read it back. Everything else in the entry stays.
---@param name string user principal name
---@param content { value: host.secret, marker: string, number: integer, since: number, is_new: boolean? } is_new:
--- nothing was ever written for this account from here, so what was found when this was opened is all there is
function Passwords:keep_current(name, content)
  local line = line_of(content.marker, content.number, content.since)
  local entry = write_patiently(self, name, content.value, line, content.is_new)
  slot_of(self, name).current = { id = entry.id, ours = true, marker = content.marker, since = content.since }
end

return passwords
