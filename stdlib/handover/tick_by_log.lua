--- Tick the items of a hand-over that Entra's logs show to be done: the provider has reset passwords of the managed
--- accounts, and with the client secret that is in use. Devolutions does that only when everything before is in place:
--- the licence, the vault, the services and their permissions.

local commit = require "journal.commit"
local graph_clock = require "graph.clock"
local last_reset = require "evidence.last_reset"
local refresh = require "evidence.refresh"
local rows = require("journal.rotations").client_secrets
local states = require "handover.state"
local store = require "evidence.store"

--- Who ticked an item, where no person did.
local BY = "Entra's log"

local READING = 15 -- seconds that reading the audit log may take
local NEAR, SKEW = 600, 5 -- seconds after a sign-in of our own, and before, within which a reset may be ours
local TOKEN = 2 * 3600 -- seconds for which a sign-in may serve resets, at most: a token lives for an hour or more

---@class handover.logged
---@field accounts entra.account[] the managed accounts
---@field principal string object id of the provider's service principal

-- Of which a reset tells nothing: `provider` follows from the client secret, and people need no reset.
local NOT_SHOWN = { provider = true, people = true }

-- The open items that a reset may show; without those of which a person said that they are not done.
local function open_items(journal, state)
  local open = {}
  for _, item in ipairs(state.items) do
    local row = journal:get("checklist", states.item_id(state, item))
    local is_undone = row ~= nil and row.state == "open"
    if item.state == "open" and not is_undone and not NOT_SHOWN[item.key] then open[#open + 1] = item end
  end
  return open
end

-- Did we sign in as the application shortly before, as a setup with --prove-on does?
local function is_ours(coverage, at)
  for _, own in ipairs(coverage.own) do
    if own.at >= at - NEAR and own.at <= at + SKEW then return true end
  end
  return false
end

-- Was a reset made with this secret, and by its consumer? Only when others' sign-ins with it began before, and none
-- with another secret can have served the reset.
local function is_made_with(uses, key_id, at)
  local is_used = false
  for _, use in ipairs(uses) do
    local is_own_secret = use.key_id == key_id:lower()
    if not use.ours and is_own_secret then is_used = is_used or use.first_success ~= nil and use.first_success <= at end
    if not use.ours and not is_own_secret and use.first <= at and use.last >= at - TOKEN then return false end
  end
  return is_used
end

local function provider_resets(journal, logged)
  local moments = {}
  for _, account in ipairs(logged.accounts) do
    local found = last_reset.of(account, store.changes(journal, { target = account.id }),
      { providers = { [logged.principal:lower()] = true } })
    moments[#moments + 1] = found.provider_at
  end
  table.sort(moments)
  return moments
end

local function tick(journal, state, item, at, secret_id)
  local now, name = graph_clock.now(), item.scope == "instance" and state.address or state.name
  journal:put("checklist", states.item_id(state, item), "done",
    { by = BY, at = at, how = "log", name = name, secret = secret_id }, now)
  journal:audit("checklist", { item = item.key, of = state.client_id, state = "done", by = BY, how = "log" }, now)
  commit.commit(journal)
end

-- The last reset that the consumer made with the secret in use; nil when none is known.
local function proving_reset(journal, state, moments)
  local has = rows:get(journal, state.secret.has.id)
  if not has or not has.body.key_id then return nil end
  local uses, coverage = store.uses(journal, state.client_id), store.coverage(journal, state.client_id)
  for i = #moments, 1, -1 do
    if not is_ours(coverage, moments[i]) and is_made_with(uses, has.body.key_id, moments[i]) then return moments[i] end
  end
end

-- Tick what the resets of the provider show: `account` when each account was reset, everything else by one reset.
local function tick_shown_items(journal, state, open, logged)
  local moments = provider_resets(journal, logged)
  local proof = proving_reset(journal, state, moments)
  for _, item in ipairs(open) do
    if proof and (item.key ~= "account" or #moments == #logged.accounts) then
      tick(journal, state, item, proof, item.key == "proof" and state.secret.has.id or nil)
    end
  end
end

--- Tick what Entra's logs show of a hand-over. An item that a person took back stays open. Waits; reads the audit log
--- only while an item is open of which it may tell something.
---@param journal host.journal.journal
---@param state handover.state
---@param logged handover.logged
return function(journal, state, logged)
  local open = open_items(journal, state)
  if not state.secret.has or #open == 0 then return end
  local objects = {}
  for i, account in ipairs(logged.accounts) do objects[i] = account.id end
  refresh.run(journal, { objects = objects }, READING)
  tick_shown_items(journal, state, open, logged)
end
