--- A place of a sink script that can be read back: where the client secret or the certificate of one application is
--- stored.
---
--- The value at the place is read before it is written, and read back afterwards. A value that belongs to another
--- application, or to nobody known, is never replaced.

local fail = require "fail"
local resource = require "resource.new"
local secret = require "host.secret"

---@class sink.scripted: resource.Resource
---@field loaded sink.loaded
---@field rights host.gate.rights?
---@field item sink.item
---@field stored sink.stored? as read last
---@field content sink.entry.content?
local Scripted = resource.kind "client secret"

local PROBE = "probe" -- the marker of a value that only shows whether the place can be written
local PROBE_LENGTH = 24

---@class sink.scripted.fields
---@field loaded sink.loaded
---@field rights host.gate.rights?
---@field item table of sink.item: kind, credential, id, name, client_id, tenant, policy

--- The place for one application.
---@param fields sink.scripted.fields
---@return sink.scripted
local function scripted(fields)
  local self = Scripted { name = "", loaded = fields.loaded, rights = fields.rights, item = fields.item,
    kind = fields.item.credential }
  self.item.slot = "current"
  self.name = self:where()
  self.made = "at " .. self.name
  return self
end

local function call(self, name, ...) return self.loaded:call(name, self.rights, ...) end

-- The item for a slot, with the rotation of the content that is wanted.
local function item_for(self, slot, marker)
  local item = {}
  for name, value in pairs(self.item) do item[name] = value end
  item.slot, item.marker = slot, marker
  return item
end

local function read_slot(self, slot) return call(self, "read", item_for(self, slot)) end

--- The place, for people.
---@return string
function Scripted:where()
  return ("%s of %s"):format(call(self, "where", item_for(self, "current")), self.loaded.name)
end

function Scripted:__tostring() return self.name end

--- The key of the place in the journal.
---@return string
function Scripted:key() return "sink/" .. self.name end

local function raise_not_ours(self, stored)
  fail.raise {
    kind = "not_ours", what = ("store the %s in %s"):format(self.kind, self.name),
    why = stored.id and ("there is a value of another application (client id %s)"):format(stored.id)
      or "there is a value that is not marked as one of this application",
    fix = ("Choose another place in the policy. If that value may be replaced, mark it there with the client id %s.")
      :format(self.item.client_id),
  }
end

--- Read the value that is stored; nil when there is none. Raises "not_ours" for a value of another application. Waits.
---@return sink.stored?
function Scripted:read()
  self.stored = read_slot(self, "current")
  if not self.stored or not self.stored.value then return nil end
  if self.stored.id ~= self.item.id then raise_not_ours(self, self.stored) end
  return self.stored
end

--- The value that is stored for this application, as read last.
---@param client_id string
---@return host.secret?
function Scripted:held(client_id)
  local stored = self.stored
  return stored and stored.id == client_id and stored.value or nil
end

--- Forget the value that was read last, because it is no secret.
function Scripted:forget() self.stored.value = self.stored.value:close() end

--- The marker of the rotation that stored the value, as read last.
---@return string?
function Scripted:marker() return self.stored and self.stored.marker end

--- Does the consumer read this very place, as the policy says, so that a value stored here is in use?
---@return boolean
function Scripted:confirms() return self.loaded.args.linked == true end

---------------------------------------------------------------------------
-- Storing and reading back

local function holds(stored, value)
  return stored ~= nil and stored.value ~= nil and secret.equals(stored.value, value)
end

-- Store a value in the slot of the item, and read that slot. After a failure, such as a lost answer, the reading
-- decides: the failure is raised unless the value is there. Returns what is there.
local function store_and_read(self, item, value, before)
  local ok, failure = pcall(call, self, "store", item, value, before)
  if not ok and not fail.is(failure) then error(failure, 0) end
  local is_read, stored = pcall(read_slot, self, item.slot)
  if not ok and not (is_read and holds(stored, value)) then error(failure, 0) end
  if not is_read then error(stored, 0) end
  return stored
end

---------------------------------------------------------------------------
-- Before the first change of a run

local function raise_probe_failed(self, why)
  fail.raise {
    kind = "refused", what = ("try whether %s can be written and read back"):format(self.name), why = why,
    fix = ("See what is stored there, and whether the script %s does what it says."):format(self.loaded.path),
  }
end

--- Raise a failure unless the sink stores a pending value, returns it unchanged, and gives it up. Waits.
function Scripted:probe()
  if not self.loaded.can.pending then return end
  local item, before = item_for(self, "pending", PROBE), read_slot(self, "pending")
  if before and before.value and before.marker ~= PROBE then
    raise_probe_failed(self, ("the pending place has a value of somebody else (%s)")
      :format(before.marker or "without a marker"))
  end
  local value <close> = secret.generate(PROBE_LENGTH)
  local found = store_and_read(self, item, value, before)
  if not holds(found, value) then raise_probe_failed(self, "it did not return the value that was stored") end
  local ok, failure = pcall(call, self, "remove", item, found)
  if not ok and holds(read_slot(self, "pending"), value) then error(failure, 0) end
end

--- Nothing is left behind: the next run uses the pending place again.
function Scripted.clear() end

---------------------------------------------------------------------------
-- A pending value: of a certificate, which is stored before Entra is asked to add it

local function raise_pending_of_another(self, stored)
  fail.raise {
    kind = "conflict", what = ("store the new %s beside the current one in %s"):format(self.kind, self.name),
    why = ("the pending place has a value of another installation (%s)"):format(stored.marker or "without a marker"),
    fix = "If no other installation works on this application, remove the value in the pending place. Then run the "
      .. "same command again.",
  }
end

-- What is in the pending place; nil when there is nothing.
local function read_pending(self)
  local stored = self.loaded.can.pending and read_slot(self, "pending") or nil
  return stored, stored and stored.value and stored or nil
end

--- Store a value in the pending place, where the sink has one, and read it back. Raises "conflict" for a pending value
--- of another installation, and "refused" when the sink does not return the value. Waits.
---@param value host.secret
---@param row rotation.row of the value
---@param is_known fun(marker: string): boolean does this journal know the marker of a rotation?
function Scripted:keep_pending(value, row, is_known)
  local before, found = read_pending(self)
  if not self.loaded.can.pending or holds(found, value) then return end
  local is_foreign = found and found.marker ~= PROBE and not (found.marker and is_known(found.marker))
  if is_foreign then raise_pending_of_another(self, found) end
  local item = item_for(self, "pending", row.body.marker)
  item.ends, item.rotation = math.floor(row.body.ends), tostring(row.id)
  if not holds(store_and_read(self, item, value, before), value) then
    raise_probe_failed(self, "it did not return the value that was stored")
  end
end

--- Remove the pending value of this marker, if it is there. Waits.
---@param marker string
function Scripted:remove_pending(marker)
  local _, found = read_pending(self)
  if found and found.marker == marker then call(self, "remove", item_for(self, "pending", marker), found) end
end

---------------------------------------------------------------------------
-- Storing

--- Set the content that the place should have.
---@param content sink.entry.content
function Scripted:hold(content)
  self.content, self.from = content, {}
  self.item.ends, self.item.rotation = content.ends, content.rotation
end

function Scripted:differs(actual)
  local value = self.content.value
  if secret.is(value) and holds(actual, value) then return {} end
  return { { member = "value", from = actual.value, to = value, text = "value: the new one" } }
end

local function raise_not_read_back(self)
  fail.raise {
    kind = "conflict", what = ("read back the %s from %s"):format(self.kind, self.name),
    why = "another value is stored there than the one that was just stored",
    fix = "Run the same command again: it reads what is there. One installation writes a place, never two.",
  }
end

-- Read, and store the value unless it is there; then read it back.
local function write(self)
  self:read()
  if self.content.credential then self.content.credential:check_place(self) end
  local value = self.content.value
  if holds(self.stored, value) then return self.stored end
  self.stored = store_and_read(self, item_for(self, "current", self.content.marker), value, self.stored)
  return holds(self.stored, value) and self.stored or raise_not_read_back(self)
end

--- Store the value, and read it back. Raises "conflict" when another value was stored meanwhile. Waits.
---@return sink.stored
function Scripted:create() return write(self) end

--- Store the value, and read it back; raises as `create` does. Waits.
---@return sink.stored
function Scripted:update() return write(self) end

-- True without a request, because storing reads the value back.
function Scripted.seen() return true end

return scripted
