--- Deliver the client secret or the certificate of one application to the sinks of its policy: all of them get it. A
--- sink that fails does not keep the others from it; the run then fails, and the next run goes on with the sinks that
--- are missing.

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local owned = require "entra.owned"
local partly_stored = require "sink.partly_stored"
local places = require "sink.places"
local rotations = require "journal.rotations"
local scripted = require "sink.scripted"
local sink = require "sink"
local sink_handover = require "sink.handover"
local states = require "handover.state"

---@class rotate.delivery
---@field owner rotate.applications
---@field target table the application
---@field credential "client secret"|"certificate"
---@field rows rotation.Rows
---@field run workflow.Run
---@field sinks rotate.delivery.sink[] in the order of the policy
---@field place sink.Places? those that can be read back
---@field entry sink.entry?
local Delivery = class "rotate.delivery"

---@class rotate.delivery.sink
---@field place rotation.place? when it can be read back
---@field loaded sink.loaded

local function rights_of(self, loaded)
  local all = self.owner.options.rights
  return all and all[loaded.rights_name]
end

local function sink_item(self)
  return {
    kind = "application", credential = self.credential, id = self.target.appId, client_id = self.target.appId,
    name = self.target.displayName,
    tenant = self.owner.tenant.me.tenant,
    policy = self.owner.terms.name, slot = "current",
  }
end

local function open_entry(self, loaded)
  local args = loaded.args
  self.entry = sink.entry(self.run, { name = self.target.displayName, vault = args.vault, path = args.path,
    rights = rights_of(self, loaded) })
  self.entry:opened()
  return self.entry
end

local function open_script(self, loaded)
  if not loaded.can.read_back then return nil end
  local place = scripted { loaded = loaded, rights = rights_of(self, loaded), item = sink_item(self) }
  place:fetch()
  return place
end

local function open_sink(self, loaded)
  local place
  if loaded.kept_by == "entries" then place = open_entry(self, loaded)
  elseif not loaded.kept_by then place = open_script(self, loaded) end
  return { place = place, loaded = loaded }
end

---------------------------------------------------------------------------
-- Storing

local function where_of(self, one, item)
  if one.place then return one.place:where() end
  return one.loaded.kept_by == "person" and states.HERE or one.loaded:call("where", rights_of(self, one.loaded), item)
end

local function item_of_row(self, secret)
  local item, row = sink_item(self), secret.row
  if row then item.marker, item.rotation = row.body.marker, tostring(row.id) end
  return item
end

local function store_in_place(self, secret, one)
  local row = secret.row
  one.place:hold {
    tenant = self.owner.tenant.me.tenant, client_id = self.target.appId, value = secret.value,
    application = self.target.displayName, marker = row and row.body.marker, credential = secret,
    ends = row and row.body.ends and math.floor(row.body.ends), rotation = row and tostring(row.id),
  }
  self.run:ensure(one.place)
  secret.is_in_some_place = self.sinks[2] ~= nil
end

-- The sinks that got the value and cannot be read back. A row of an earlier version has no such list: then all did.
local function delivered_before(secret)
  local row = secret.row
  return row and (row.body.delivered or not secret:is_placed() and {}) or row == nil and {} or nil
end

-- Give the value to a sink that cannot be read back, once.
local function give_to_script(self, secret, one)
  local item, before = item_of_row(self, secret), delivered_before(secret)
  local where = where_of(self, one, item)
  if not before or before[where] then return end
  self.run:change {
    kind = "hand-over", name = self.target.displayName, made = where,
    act = function()
      one.loaded:call("store", rights_of(self, one.loaded), item, secret.value)
      before[where] = true
      self.rows:put(self.run.journal, secret.row, secret.row.state, { delivered = before })
    end,
  }
end

-- A script gets nothing of a client secret that a person made: the journal does not have the value.
local function give_to_sink(self, secret, one)
  local kept_by = one.loaded.kept_by
  if not kept_by and secret.row and not secret:is_held() then return end
  if one.place then return store_in_place(self, secret, one) end
  if not kept_by then return give_to_script(self, secret, one) end
end

-- Another installation writes the same places: do not write the others, too.
local STOPS = { conflict = true, interrupted = true, journal = true }

-- Give the value to all sinks. Returns the places, for people.
local function give_to_all(self, secret)
  local done, missing, first = {}, {}, nil
  for _, one in ipairs(self.sinks) do
    local ok, failure = pcall(give_to_sink, self, secret, one)
    if not ok and (not fail.is(failure) or STOPS[failure.kind]) then error(failure, 0) end
    local where = where_of(self, one, item_of_row(self, secret))
    table.insert(ok and done or missing, where)
    if not ok and self.sinks[2] then log.warn(("%s: %s"):format(where, failure.why)) end
    first = first or not ok and failure or nil
  end
  if first then
    partly_stored.raise {
      what = ("store the %s of '%s'"):format(self.credential, self.target.displayName), done = done, missing = missing,
      failure = first, rest = ("Then run the same command again: it stores the %s where it is missing. Until then no "
        .. "old %s is removed."):format(self.credential, self.credential),
    }
  end
  return table.concat(done, " and ")
end

---------------------------------------------------------------------------
-- What a person has to do

local LATER = "a person will have to say when the new one is in use; rotate says how"

local function await_delivery_by_person(self, secret, where)
  if not secret.row then return self.run:note(LATER) end
  self.run:await {
    what = ("give the %s of '%s' to its consumer"):format(self.credential, self.target.displayName),
    why = ("Until somebody confirms that it is in use, the %s before it is never retired."):format(self.credential),
    how = {
      "it is in " .. where,
      hint.text("to see it, on a terminal: {moonlatch} journal show %s --reveal", secret.row.id),
      hint.text("when it is in use: {moonlatch} journal confirm %s", secret.row.id),
    },
  }
end

-- Hand the client secret over to a person. For a provider the hand-over shows Devolutions' form; for another consumer
-- it is unknown what the person has to do.
local function hand_secret_to_person(self, secret)
  sink_handover.hand_over(self.run, secret, {
    name = self.target.displayName, tenant = self.owner.tenant.me.tenant, client_id = self.target.appId,
    application = self.target.id, entry = self.entry,
    consumer = self.target.workflow ~= owned.SETUP and "none" or nil,
  })
end

local function await_person(self, secret, where)
  if secret:is_confirmed() then return end
  for _, one in ipairs(self.sinks) do
    if one.loaded.kept_by then return hand_secret_to_person(self, secret) end
  end
  await_delivery_by_person(self, secret, where)
end

-- The state of a credential that all sinks have.
local function placed_state(self)
  for _, one in ipairs(self.sinks) do
    if not one.place then return "handed_over" end
  end
  return "stored"
end

---------------------------------------------------------------------------

--- Raise a failure unless each sink that can be tried accepts a value, returns it, and gives it up. Waits.
---@param journal host.journal.journal
function Delivery:probe(journal)
  for _, one in ipairs(self.sinks) do
    if one.place then one.place:probe(journal) end
  end
end

local function is_known_marker(self)
  local known = {}
  for _, row in ipairs(self.rows:all(self.run.journal, self.target.appId)) do known[row.body.marker] = true end
  return function(marker) return known[marker] == true end
end

--- Store the value of a certificate in the pending place of each sink that has one, and read it back. The row notes
--- first that there may be such values. Raises a failure when a sink does not take it. Waits.
---@param certificate rotation.Credential with a sealed value, not sent to Entra yet
function Delivery:keep_pending(certificate)
  local journal, row = self.run.journal, certificate.row
  self.rows:put(journal, row, row.state, { pending = true })
  for _, one in ipairs(self.sinks) do
    if one.place then one.place:keep_pending(self.rows:value(journal, row), row, is_known_marker(self)) end
  end
end

-- Remove the pending values, once all sinks have the current one.
local function remove_pending(self, row)
  if not row or not row.body.pending or not self.run:acting() then return end
  for _, one in ipairs(self.sinks) do
    if one.place then one.place:remove_pending(row.body.marker) end
  end
  self.rows:put(self.run.journal, row, row.state, { pending = false })
end

local function confirm_or_await(self, secret, where)
  if secret.row and self.owner:confirms_by_storing() then
    return secret:confirm(("stored in %s, which, the configuration says, the consumer reads"):format(where))
  end
  await_person(self, secret, where)
end

--- Give the credential to all sinks, and record that they have it. Where that does not show that it is in use, a
--- person has to confirm it. Raises a failure when a sink did not take it. Waits.
---@param secret rotation.Credential
function Delivery:deliver(secret)
  local where = give_to_all(self, secret)
  if secret.row then secret:placed(placed_state(self), where, delivered_before(secret) or {}) end
  confirm_or_await(self, secret, where)
  remove_pending(self, secret.row)
end

--- Open the sinks for one application: connect, and read what is stored. Changes nothing. Waits.
---@param run workflow.Run
---@param owner rotate.applications
---@param target table the application
---@param credential "client secret"|"certificate"
---@return rotate.delivery
local function open(run, owner, target, credential)
  local self = Delivery {
    run = run, owner = owner, target = target, sinks = {}, credential = credential,
    rows = credential == "certificate" and rotations.certificates or rotations.client_secrets,
  }
  local readable = {}
  for i, one in ipairs(owner.sinks) do
    self.sinks[i] = open_sink(self, one.loaded)
    table.insert(readable, self.sinks[i].place)
  end
  self.place = places(readable, owner:confirms_by_storing())
  return self
end

return { open = open }
