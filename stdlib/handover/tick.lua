--- Tick an item of a hand-over, or take a tick back.

local client_secret = require "rotation.client_secret"
local commit = require "journal.commit"
local confirm_and_retire = require "rotation.confirm_and_retire"
local deliver = require "handover.deliver"
local fail = require "fail"
local hint = require "log.hint"
local nearest = require "base.nearest"
local retirement = require "rotation.retirement"
local states = require "handover.state"
local time = require "time"

local function find_item_to_tick(state, key)
  local keys = {}
  for i, item in ipairs(state.items) do
    if item.key == key or tostring(item.number) == key then return item end
    keys[i] = item.key
  end
  local meant = nearest(key, keys)
  fail.raise {
    kind = "usage", what = ("tick the item '%s' of '%s'"):format(key, state.name), why = "there is no such item",
    fix = (meant and ("Did you mean '%s'? "):format(meant) or "")
      .. ("The items are %s."):format(table.concat(keys, ", ")),
  }
end

local function raise_proof_before_secret(state)
  fail.raise {
    kind = "refused", what = ("tick the item 'proof' of '%s'"):format(state.name),
    why = "nobody said that the client secret was pasted, so no reset can have shown that it works",
    fix = hint.text("Confirm that the client secret was pasted ({moonlatch} handover --confirm), then run the same "
      .. "command again."),
  }
end

local function raise_no_application_yet(item)
  fail.raise {
    kind = "refused", what = ("tick the item '%s'"):format(item.key),
    why = "the item is about one provider, and no application for a provider was made yet",
    fix = hint.text "Make the application first: {moonlatch} apply setup/entra-pam-provider",
  }
end

-- Tick the item `provider`, which confirms its client secret. Taking the tick back takes the confirmation back.
local function tick_provider(journal, state, item, done, by)
  if done then return deliver.confirm(journal, deliver.secret_row(journal, state), by) end
  if item.state == "done" then confirm_and_retire.take_back(journal, state.secret.has.id) end
end

-- The body of the row. The item `proof` names the client secret that was in use then.
local function tick_body(state, item, by, now, how)
  local has = item.key == "proof" and state.secret.has or nil
  return { by = by, at = now, how = how, name = item.scope == "instance" and state.address or state.name,
    secret = has and has.id }
end

--- Record that an item is done, or that it is not. Durable when the call returns. The item `provider` confirms its
--- client secret; taking the tick back takes the confirmation back.
---@param journal host.journal.journal
---@param state handover.state changed accordingly; read the state again for everything else
---@param key string of the item, or its number
---@param done boolean
---@param by string the person
---@param how "terminal"|"page"|"command"
---@return handover.item
return function(journal, state, key, done, by, how)
  local item = find_item_to_tick(state, key)
  if item.key == "provider" then
    tick_provider(journal, state, item, done, by)
    return item
  end
  if item.key == "proof" and done and not state.secret.has then raise_proof_before_secret(state) end
  if item.scope == "provider" and state.client_id == "" then raise_no_application_yet(item) end
  local id, now, new = states.item_id(state, item), time.now(), done and "done" or "open"
  journal:put("checklist", id, new, tick_body(state, item, by, now, how), now)
  journal:audit("checklist", { item = item.key, of = id, state = new, by = by, how = how }, now)
  if item.key == "gone_provider" and done then retirement.consumer_gone(journal, client_secret, state.client_id) end
  commit.commit(journal)
  item.state, item.by, item.at, item.how, item.note = new, by, now, how, nil
  return item
end
