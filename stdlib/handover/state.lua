--- The state of a hand-over: which items are done, which client secret Devolutions has, which one waits to be
--- confirmed, and what to put into which form. The state is read from the journal, so no sign-in is needed.
---
--- A row of kind "handover" records the hand-over of one application; a row of kind "checklist" records an item that a
--- person ticked.

local checklist = require "devolutions.checklist"
local form = require "devolutions.form"
local hint = require "log.hint"
local in_use = require "journal.in_use"
local lifetime = require "journal.lifetime"
local rows = require("journal.rotations").client_secrets
local shell_quote = require "base.shell_quote"
local time = require "time"

local M = {}

---@class handover.row: host.journal.row id: the client id; state: "known"; "destroyed" once the application is
--- deleted, and "closed" when no client secret had been handed over
---@field body handover.body

---@class handover.body
---@field workflow string id
---@field name string of the provider
---@field description string?
---@field tenant string GUID
---@field client_id string
---@field application string object id
---@field consumer "cloud"|"server"|"none" what uses the client secret
---@field address string? of the Devolutions instance
---@field entry string? the place of the entry that holds the secret
---@field linked boolean does the provider read that entry?
---@field elevation boolean? may the application elevate accounts?
---@field roles string[] directory roles that the application holds
---@field managed string[] which accounts the provider manages: groups and user names
---@field renew_before number? seconds before its expiry date from which a client secret is replaced

---@class handover.item: devolutions.checklist.item
---@field number integer
---@field state "done"|"open"
---@field by string?
---@field at number?
---@field how string?
---@field note string?

---@class handover.has
---@field id string id of the journal's row
---@field short string
---@field ends number?
---@field expired boolean
---@field at number? since when this is known
---@field by string? who said so, or how it is known

---@class handover.secret
---@field id string? id of the journal's row: of the secret that waits to be confirmed, else of the one in use
---@field marker string?
---@field short string? "…c7e1", as the portal's column Secret ID ends
---@field hint string?
---@field ends number?
---@field renew_at number? when the next secret is to be made
---@field state "none"|"to give"|"given"|"in use"
---@field has handover.has? what the consumer has
---@field waiting { short: string, ends: number?, since: number? }? the secret that the consumer should get

---@class handover.state
---@field consumer "cloud"|"server"|"none"
---@field address string?
---@field name string
---@field tenant string
---@field client_id string
---@field managed string[]
---@field maker string command that makes the application, and each next client secret
---@field destroyed boolean
---@field items handover.item[]
---@field secret handover.secret
---@field form devolutions.form? nil when nothing is to be filled in
---@field next string? key of the next item to do
---@field open integer how many required items are not done
---@field complete boolean are all required items done?

--- The `where` of a secret that a policy handed over and nobody has seen yet: only the journal has it.
M.HERE = "journal"

---------------------------------------------------------------------------
-- Rows of hand-overs

--- Record a hand-over. Durable with the next commit.
---@param journal host.journal.journal
---@param body handover.body
function M.record(journal, body)
  journal:put("handover", body.client_id, "known", body, time.now())
end

-- Was the consumer ever given a client secret? If not, nothing in Devolutions can use one.
local function was_secret_given(journal, client_id)
  for _, row in ipairs(rows:all(journal, client_id)) do
    local body = row.body
    if body.confirmed_at or body.stored_at and body.where ~= M.HERE then return true end
  end
  return false
end

--- The row that the hand-over gets when its application is deleted: "destroyed" while Devolutions still has a provider
--- for it. `record_application_gone` records the row.
---@param journal host.journal.journal
---@param row handover.row
---@return handover.row
function M.without_application(journal, row)
  local state = was_secret_given(journal, row.id) and "destroyed" or "closed"
  return { id = row.id, kind = row.kind, state = state, body = row.body, created = row.created, updated = row.updated }
end

--- Record that the application was deleted. Durable with the next commit.
---@param journal host.journal.journal
---@param row handover.row of `without_application`
function M.record_application_gone(journal, row)
  journal:put("handover", row.id, row.state, row.body, time.now())
end

--- The kind of consumer of a profile's client secrets, and its address.
---@param profile profile
---@return "cloud"|"server"|"none" consumer, string? address
function M.consumer(profile)
  local devolutions = profile.devolutions or {}
  if devolutions.cloud then return "cloud", devolutions.cloud end
  if devolutions.server then return "server", devolutions.server end
  return "none"
end

--- A hand-over before anything was made for a provider, which shows what can already be prepared in Devolutions.
---@param profile profile
---@return handover.row not on record
function M.preview(profile)
  local consumer, address = M.consumer(profile)
  return {
    id = "", kind = "handover", state = "known",
    body = { name = "none yet", tenant = profile.tenant, client_id = "", consumer = consumer, address = address },
  }
end

local SETUP, NAME = "setup/entra-pam-provider", "Devolutions PAM"

--- The command that makes an application and each next client secret of it.
---@param workflow string? id
---@param name string? of the provider
---@param client_id string? of an application that was adopted
---@return string
function M.setup_command(workflow, name, client_id)
  workflow = workflow or SETUP
  local is_policy = workflow:find "^policies/" ~= nil
  local command = hint.text(is_policy and "{moonlatch} rotate %s" or "{moonlatch} apply %s", workflow)
  if client_id then return ("%s --client-id %s"):format(command, client_id) end
  return workflow == SETUP and name and name ~= NAME and ("%s --name %s"):format(command, shell_quote(name)) or command
end

local function setup_command_of(journal, body)
  for _, adopted in ipairs(journal:list "adopted") do
    if body.application and adopted.body.id == body.application then
      return M.setup_command(body.workflow, body.name, body.client_id)
    end
  end
  return M.setup_command(body.workflow, body.client_id ~= "" and body.name or nil)
end

--- The command that makes the client secret of a row, or goes on with it.
---@param journal host.journal.journal
---@param row rotation.row of a client secret
---@return string
function M.maker_of_secret(journal, row)
  local handover = journal:get("handover", row.body.app_id)
  return handover and setup_command_of(journal, handover.body) or M.setup_command(row.body.workflow)
end

--- The command that replaces the client secret of a row by a new one.
---@param journal host.journal.journal
---@param row rotation.row of a client secret
---@return string
function M.renewal_of_secret(journal, row)
  local maker = M.maker_of_secret(journal, row)
  local is_policy = maker:find(hint.text "{moonlatch} rotate ", 1, true) == 1
  return maker .. (is_policy and (" --now '%s'"):format(row.body.name) or " --renew")
end

--- All hand-overs on record, oldest first; or those of one client id or of one provider's name.
---@param journal host.journal.journal
---@param word string?
---@return handover.row[]
function M.rows(journal, word)
  local list = {}
  for _, row in ipairs(journal:list("handover", "closed")) do
    if not word or row.id == word:lower() or row.body.name:lower() == word:lower() then list[#list + 1] = row end
  end
  return list
end

--- The id of the row that says whether an item is ticked.
---@param state { address: string?, client_id: string }
---@param item devolutions.checklist.item
---@return string
function M.item_id(state, item)
  return ("%s/%s"):format(item.scope == "instance" and state.address or state.client_id, item.key)
end

---------------------------------------------------------------------------
-- The client secret

--- How far the delivery of a secret has come. "none": the secret is not proven yet, or it is gone.
---@param row rotation.row
---@return "none"|"to give"|"given"|"in use"
function M.delivery_stage(row)
  local state = row.state
  if state == "proven" or state == "handed_over" and row.body.where == M.HERE then return "to give" end
  if state == "stored" or state == "handed_over" then return "given" end
  return (state == "confirmed" or state == "retiring") and "in use" or "none"
end

---@param list rotation.row[]
---@param renew_before number?
---@param now number
---@return handover.secret
local function handover_secret(list, renew_before, now)
  local found = in_use.sort(list)
  local has, waiting = found.has, found.waiting
  local row = waiting or has
  local secret = { state = waiting and M.delivery_stage(waiting) or has and "in use" or "none" }
  if row then
    secret.id, secret.marker, secret.short = row.id, row.body.marker, in_use.short_key_id(row)
    secret.hint, secret.ends = row.body.hint, row.body.ends
    secret.renew_at = lifetime.due_at(row, { renew_before = renew_before })
  end
  secret.has = has and {
    id = has.id, short = in_use.short_key_id(has), ends = has.body.ends, expired = in_use.is_expired(has, now),
    at = has.body.confirmed_at,
    by = has.body.confirmed_who or has.body.confirmed_by,
  } or nil
  secret.waiting = waiting and {
    short = in_use.short_key_id(waiting), ends = waiting.body.ends, since = waiting.body.known_at,
  } or nil
  return secret
end

---------------------------------------------------------------------------
-- The items

local function describe_consumer_secret(has)
  if not has.expired then return "it has the client secret " .. has.short end
  return ("it has the client secret %s, which expired on %s"):format(has.short, time.day(has.ends))
end

-- Set the state of the item `provider`, which follows from the secret: it is done while the consumer has the newest
-- secret and that has not expired.
local function set_provider_item(item, secret)
  local has, waiting = secret.has, secret.waiting
  item.state = has and not waiting and not has.expired and "done" or "open"
  if item.state == "done" then item.by, item.at = has.by, has.at
  elseif secret.state == "none" then item.note = "there is no client secret to give yet: apply makes and proves it"
  elseif has then
    item.note = ("%s; %s"):format(describe_consumer_secret(has),
      waiting and waiting.short .. " is to take its place" or "apply makes the next one")
  end
end

-- Was the item `proof` ticked for another client secret? A reset proves only the client secret that was in use then.
local function is_proof_outdated(state, item, row)
  local has = state.secret.has
  return item.key == "proof" and row.state == "done" and not (has and row.body.secret == has.id)
end

local function set_checklist_item(journal, state, item)
  local row = journal:get("checklist", M.item_id(state, item))
  if row and is_proof_outdated(state, item, row) then
    item.state, item.note = "open", ("last seen on %s, with another client secret"):format(time.day(row.body.at))
  elseif row then
    item.state, item.by, item.at, item.how = row.state, row.body.by, row.body.at, row.body.how
  elseif checklist.FORMER[item.key] and state.former then
    item.state, item.at, item.note = "done", state.former.updated, "said together with others, by an earlier version"
  else
    item.state = "open"
  end
end

local function handover_items(journal, state)
  local list = state.destroyed and checklist.removal_items(state.consumer)
    or checklist.items(state.consumer, state.address)
  for i, item in ipairs(list) do
    item.number = i
    if item.key == "provider" then set_provider_item(item, state.secret)
    else set_checklist_item(journal, state, item) end
  end
  return list
end

-- Count the open items and set the next one: the first required item that is open. A renewal comes first, because the
-- other items worked until now.
local function count_open_items(state)
  if state.secret.has and state.secret.waiting and not state.destroyed then state.next = "provider" end
  state.open = 0
  for _, item in ipairs(state.items) do
    if item.required and item.state == "open" then
      state.open, state.next = state.open + 1, state.next or item.key
    end
  end
  state.complete = state.open == 0
end

local function form_purpose(state)
  if state.destroyed then return not state.complete and "remove" or nil end
  if state.secret.waiting then return state.secret.has and "renew" or "add" end
  return not state.secret.has and "add" or nil
end

--- The form of a hand-over for one purpose.
---@param body handover.body
---@param purpose "add"|"renew"|"remove"
---@param short string? of the client secret
---@return devolutions.form
function M.form(body, purpose, short)
  return form.for_purpose({
    consumer = body.consumer, address = body.address, name = body.name, description = body.description,
    tenant = body.tenant, client_id = body.client_id, entry = body.entry, linked = body.linked,
    elevation = body.elevation, short = short,
  }, purpose)
end

---------------------------------------------------------------------------

--- The state of one hand-over. Contains no secret.
---@param journal host.journal.journal
---@param row handover.row
---@param now number
---@return handover.state
function M.read(journal, row, now)
  local body = row.body
  local former = body.address and journal:get("checklist", body.address)
  local state = {
    consumer = body.consumer, address = body.address, name = body.name, tenant = body.tenant,
    client_id = body.client_id, managed = body.managed or {},
    maker = setup_command_of(journal, body), destroyed = row.state == "destroyed",
    secret = handover_secret(rows:all(journal, body.client_id), body.renew_before, now),
    former = former and former.state == "confirmed" and former or nil,
  }
  state.items, state.former = handover_items(journal, state), nil
  count_open_items(state)
  local purpose = state.client_id ~= "" and form_purpose(state)
  state.form = purpose and M.form(body, purpose, state.secret.short) or nil
  return state
end

return M
