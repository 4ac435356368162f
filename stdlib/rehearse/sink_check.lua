--- Try a sink script against the service that the profile names, with values made for it: does the sink keep the
--- contract of sink.contract? Everything that is stored is removed again, where the sink can remove.

local class = require "base.class"
local crypto = require "host.crypto"
local fail = require "fail"
local http = require "http.client"
local scheduler = require "task.scheduler"
local secret = require "host.secret"
local sink_contract = require "sink.contract"

local M = {}

local LENGTH = 40 -- of the values, as of Entra's client secrets
local TENANT = "00000000-0000-0000-0000-000000000000"
local HOSTILE_NAMES = {
  "../../../another", "a/b", "name\nwith a break", "-rf", '"; exit 1; "', "{client_id}", "%s%n", "<b>&amp;", "",
  "ünïcødé \u{202e}", ("x"):rep(300),
}

---@class rehearse.sink_check.result
---@field check string
---@field holds boolean? nil: not tried
---@field why string? why it does not hold, or was not tried

---@class rehearse.sink_check
---@field loaded sink.loaded
---@field rights host.gate.rights
---@field results rehearse.sink_check.result[]
---@field item sink.item
---@field other sink.item of another application
---@field value host.secret? that should be at the current place
---@field touched sink.item[] the items at which something was stored
local Check = class "rehearse.sink_check"

local function call(self, name, ...) return self.loaded:call(name, self.rights, ...) end

local function new_item(id, name)
  return { slot = "current", kind = "application", id = id, name = name, client_id = id, tenant = TENANT,
    policy = "rehearsal",
    marker = "ml:rehearsal:" .. crypto.hex(crypto.random(4)), rotation = crypto.hex(crypto.random(4)) }
end

local function with(item, changes)
  local copy = {}
  for name, value in pairs(item) do copy[name] = value end
  for name, value in pairs(changes) do copy[name] = value end
  return copy
end

local function read(self, item) return call(self, "read", item) end

local function store(self, item, value, before)
  table.insert(self.touched, item)
  call(self, "store", item, value, before)
end

local function broken(text, ...) fail.raise { kind = "refused", what = "try the sink", why = text:format(...) } end

local function holds(stored, value)
  return stored ~= nil and stored.value ~= nil and secret.equals(stored.value, value)
end

local function expect_held(self, item, value, text)
  local stored = read(self, item)
  if not holds(stored, value) then broken("%s", text) end
  return stored
end

-- Note the outcome of one check. `fn` returns a text when it could not be tried.
local function try(self, text, fn)
  local ok, result = pcall(fn, self)
  if not ok and (not fail.is(result) or fail.is(result, "interrupted")) then error(result, 0) end
  local why = not ok and ("%s (%s)"):format(result.why, result.what) or result
  if not ok and result.what == "try the sink" then why = result.why end
  local outcome = nil
  if not ok then outcome = false elseif not result then outcome = true end
  table.insert(self.results, { check = text, holds = outcome, why = why or nil })
  return outcome == true
end

---------------------------------------------------------------------------
-- The checks

local function store_first(self)
  self.value = secret.generate(LENGTH)
  store(self, self.item, self.value, read(self, self.item))
  local stored = expect_held(self, self.item, self.value, "read does not return the value that was stored")
  if stored.id ~= self.item.id then broken("read returns another id than was stored") end
  if stored.marker ~= self.item.marker then broken("read returns another marker than was stored") end
end

local function store_again(self)
  store(self, self.item, self.value, read(self, self.item))
  expect_held(self, self.item, self.value, "after the second store, read does not return the value")
end

local function replace(self)
  local before, value = read(self, self.item), secret.generate(LENGTH)
  self.stale, self.item = before, with(self.item, { marker = self.item.marker .. "2" })
  store(self, self.item, value, before)
  local stored = expect_held(self, self.item, value, "read does not return the value that replaced the first one")
  self.value = value
  if stored.marker ~= self.item.marker then broken("read still returns the marker of the value before") end
end

local function refuse_stale(self)
  if not self.loaded.can.compare then
    return "it has no can.compare: of two writers at once, one sees when it reads back that the other was later"
  end
  local value <close> = secret.generate(LENGTH)
  local ok, failure = pcall(store, self, self.item, value, self.stale)
  if ok then broken("a store by an old `before` was accepted: it wrote over what was stored since") end
  if not fail.is(failure, "conflict") then broken("a store by an old `before` fails as %s, not as conflict: %s",
    fail.is(failure) and failure.kind or "an error", tostring(failure)) end
  expect_held(self, self.item, self.value, "a store that was refused has changed the value")
end

local function keep_pending_apart(self)
  if not self.loaded.can.pending then return "it has no can.pending" end
  local item, value <close> = with(self.item, { slot = "pending" }), secret.generate(LENGTH)
  store(self, item, value, read(self, item))
  expect_held(self, self.item, self.value, "the pending value has replaced the current one")
  local pending = expect_held(self, item, value, "read does not return the pending value")
  call(self, "remove", item, pending)
  local left = read(self, item)
  if left and left.value then broken("the pending value is still there after `remove`") end
  expect_held(self, self.item, self.value, "removing the pending value has changed the current one")
end

-- The values in a slot, by marker.
local function values_by_marker(stored)
  local found = {}
  for _, one in ipairs { stored or {}, table.unpack(stored and stored.others or {}) } do
    if one.value then found[one.marker or ""] = one end
  end
  return found
end

-- Store two pending values of a user by the same reading of an empty slot, as two installations do.
local function store_pending_twice(self, first, second)
  local before = read(self, first)
  local one <close> = secret.generate(LENGTH)
  local two <close> = secret.generate(LENGTH)
  store(self, first, one, before)
  local ok, failure = pcall(store, self, second, two, before)
  if not ok and not fail.is(failure, "conflict") then error(failure, 0) end
  local found = values_by_marker(read(self, first))
  if not holds(found[first.marker], one) then broken("the second of two pending values hides the first one") end
  if ok and not holds(found[second.marker], two) then broken("the first of two pending values hides the second one") end
  if not ok and found[second.marker] then broken("a pending value was stored, although the store was refused") end
  return found
end

local function keep_passwords(self)
  local why = sink_contract.why_not_for_passwords(self.loaded.can)
  if why then return "it cannot keep users' passwords: " .. why end
  local first = with(self.item, { kind = "user", slot = "pending", id = crypto.uuid(), name = "rehearsal@example.com" })
  first.client_id = nil
  local ok, failure = pcall(call, self, "where", first)
  if not ok then return "its arguments give no place for a user: " .. tostring(failure) end
  local second = with(first, { marker = first.marker .. "2" })
  local found = store_pending_twice(self, first, second)
  local apart = read(self, with(first, { slot = "pending-2" }))
  if apart and apart.value then broken("the slots pending and pending-2 are one place") end
  call(self, "remove", first, found[first.marker])
  local left = values_by_marker(read(self, first))
  if left[first.marker] then broken("the pending value of a user is still there after `remove`") end
  if found[second.marker] and not left[second.marker] then broken("`remove` has removed another pending value, too") end
  if left[second.marker] then call(self, "remove", second, left[second.marker]) end
end

-- Store for an application of this name: it is refused, or it leaves the value of the other application alone.
local function store_for_hostile_name(self, name)
  local item = with(self.other, { name = name })
  local ok, where = pcall(call, self, "where", item)
  if ok and where == call(self, "where", self.item) then return end -- the place is the same for every application
  local value <close> = secret.generate(LENGTH)
  local stored, failure = pcall(function()
    store(self, item, value, self.loaded.can.read_back and read(self, item) or nil)
  end)
  if not stored and (not fail.is(failure) or failure.kind == "config") then
    broken("it ends with an error for the name %q: %s", name, tostring(failure))
  end
  if not self.loaded.can.read_back then return end
  expect_held(self, self.item, self.value, ("the name %q reaches the place of another application"):format(name))
  if stored then expect_held(self, item, value, ("read does not find what was stored for the name %q"):format(name)) end
end

local function survive_hostile_names(self)
  for _, name in ipairs(HOSTILE_NAMES) do store_for_hostile_name(self, name) end
end

-- Store while the answer to the first changing request is lost; `sent`: is the request carried out?
local function store_with_lost_answer(self, sent)
  local before, value, cut = read(self, self.item), secret.generate(LENGTH), false
  local _ <close> = http.disturb(function(request)
    if cut or not request:traits() then return nil end
    cut = true
    return sent and "after" or "before"
  end)
  local ok, failure = pcall(store, self, self.item, value, before)
  if not ok and not fail.is(failure) then error(failure, 0) end
  if not cut then return "it sends no request that changes something" end
  local found = read(self, self.item)
  if ok and not holds(found, value) then broken("store returned, and read does not return the value") end
  if not holds(found, value) and not holds(found, self.value) then
    broken("afterwards there is neither the value before nor the new one")
  end
  store(self, self.item, value, found)
  expect_held(self, self.item, value, "storing again does not store the value")
  self.value = value
end

local function remove(self)
  call(self, "remove", self.item, read(self, self.item))
  local left = read(self, self.item)
  if left and left.value then broken("the value is still there after `remove`") end
  store(self, self.item, self.value, left)
  expect_held(self, self.item, self.value, "a place whose value was removed cannot be used again")
end

local function store_unread(self)
  store(self, self.item, self.value or secret.generate(LENGTH))
end

local function check_place_is_free(self)
  local stored = read(self, self.item)
  if not stored or not stored.value then return end
  fail.raise {
    kind = "refused", what = ("try the sink %s at %s"):format(self.loaded.name, call(self, "where", self.item)),
    why = "a value is stored there, and trying would replace it",
    fix = "Choose another place for the trial, such as one whose name has {id} in it.",
  }
end

-- Remove what was stored.
local function clean_up(self)
  if not self.loaded.can.read_back then return end
  for _, item in ipairs(self.touched) do
    local ok, stored = pcall(read, self, item)
    if ok and stored and stored.value then pcall(call, self, "remove", item, stored) end
  end
end

local function check_readable(self)
  check_place_is_free(self)
  if not try(self, "a value is stored and read back, with its id and marker", store_first) then return end
  try(self, "storing the same value again changes nothing that a reader sees", store_again)
  try(self, "another value replaces it", replace)
  try(self, "a store by an outdated reading is refused", refuse_stale)
  try(self, "a pending value never changes the current one", keep_pending_apart)
  try(self, "of two pending passwords of a user, none hides the other", keep_passwords)
  try(self, "the application's name, however hostile, reaches no other place", survive_hostile_names)
  try(self, "a request that is lost leaves the old value or the new one",
    function() return store_with_lost_answer(self, false) end)
  try(self, "an answer that is lost leaves the old value or the new one",
    function() return store_with_lost_answer(self, true) end)
  try(self, "a removed value is gone, and its place can be used again", remove)
end

local function check_unreadable(self)
  try(self, "a value is stored", store_unread)
  try(self, "storing it again succeeds", store_unread)
  try(self, "the application's name, however hostile, ends in no error", survive_hostile_names)
end

--- Try a sink. Raises a failure when the place is in use. Waits.
---@param loaded sink.loaded
---@param script_rights host.gate.rights
---@return rehearse.sink_check.result[]
function M.run(loaded, script_rights)
  local self = Check { loaded = loaded, rights = script_rights, results = {}, touched = {},
    item = new_item(crypto.uuid(), "rehearsal"), other = new_item(crypto.uuid(), "") }
  local _ <close> = setmetatable({}, { __close = function() scheduler.uninterrupted(clean_up, self) end })
  if loaded.can.read_back then check_readable(self) else check_unreadable(self) end
  return self.results
end

return M
