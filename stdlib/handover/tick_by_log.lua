--- Tick the items of a hand-over that Entra's logs show to be done: the provider has reset passwords of the managed
--- accounts, and with the client secret that is in use.

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
local TOKEN = 2 * 3600 -- seconds for which a sign-in may serve resets, at most: a token lives for an hour or more

---@class handover.logged
---@field accounts entra.account[] the managed accounts
---@field principal string object id of the provider's service principal

local function open_items(journal, state)
  local open = {}
  for _, item in ipairs(state.items) do
    local row = journal:get("checklist", states.item_id(state, item))
    local is_undone = row ~= nil and row.state == "open" -- a person said that it is not done
    if item.state == "open" and not is_undone then open[item.key] = item end
  end
  return open
end

-- Was a reset made with this secret? Only when sign-ins with it began before, and none with another one can have served
-- the reset.
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
      { provider = logged.principal:lower() })
    moments[#moments + 1] = found.provider_at
  end
  table.sort(moments)
  return moments
end

local function tick(journal, state, item, at, secret_id)
  local now = graph_clock.now()
  journal:put("checklist", states.item_id(state, item), "done",
    { by = BY, at = at, how = "log", name = state.name, secret = secret_id }, now)
  journal:audit("checklist", { item = item.key, of = state.client_id, state = "done", by = BY, how = "log" }, now)
  commit.commit(journal)
end

-- Tick `proof` and `account`, when the resets of the provider show them.
local function tick_shown_items(journal, state, open, logged)
  local has = rows:get(journal, state.secret.has.id)
  local moments = provider_resets(journal, logged)
  local last, uses = moments[#moments], store.uses(journal, state.client_id)
  if open.proof and last and has and has.body.key_id and is_made_with(uses, has.body.key_id, last) then
    tick(journal, state, open.proof, last, has.id)
  end
  if open.account and #moments > 0 and #moments == #logged.accounts then
    tick(journal, state, open.account, moments[1])
  end
end

--- Tick what Entra's logs show of a hand-over. An item that a person took back stays open. Waits; reads the audit log
--- only while an item is open of which it may tell something.
---@param journal host.journal.journal
---@param state handover.state
---@param logged handover.logged
return function(journal, state, logged)
  local open = open_items(journal, state)
  if not state.secret.has or not (open.proof or open.account) then return end
  local objects = {}
  for i, account in ipairs(logged.accounts) do objects[i] = account.id end
  refresh.run(journal, { objects = objects }, READING)
  tick_shown_items(journal, state, open, logged)
end
