--- The credentials of all applications of the tenant that expire within a span. Those that expired before are counted
--- only: a tenant has many of these, and nobody knows which are still meant to be used.

local on_machine = require "expiry.on_machine"
local hint = require "log.hint"
local layout = require "terminal.layout"
local oauth = require "oauth.sign_in"
local tenant_credentials = require "applications.tenant_credentials"
local time = require "time"

local M = {}

--- The calls that this module makes.
---@type script.needs
M.NEEDS = { graph = { "GET /applications", "GET /servicePrincipals" }, scopes = { "Application.Read.All" } }

local KINDS = { secret = "client secret" }

local function item_of(one)
  return {
    key = ("application/%s/%s"):format(one.of.id, one.key), kind = KINDS[one.kind] or one.kind, use = "in the tenant",
    name = one.of.name, short = "…" .. one.key:sub(-4), ends = one.ends, source = "tenant/applications",
    app_id = one.of.client_id, key_id = one.key,
    fix = hint.text("Ask its owner to replace it, or take it into rotation: {moonlatch} new policy NAME --app %s",
      one.of.client_id),
  }
end

local function known_keys(items)
  local keys = {}
  for _, item in ipairs(items) do keys[(item.key_id or ""):lower()] = true end
  return keys
end

-- Does a credential expire within the span? Counts those that expired already.
local function wanted(items, span, counts)
  local known, now = known_keys(items), time.now()
  return function(one)
    if not one.ends or known[one.key] then return false end
    if one.ends <= now then counts.expired = counts.expired + 1 end
    return one.ends > now and one.ends <= now + span
  end
end

local function note_expired(left_out, count)
  if count == 0 then return end
  left_out[#left_out + 1] = hint.text("%s of other applications that expired already ({moonlatch} applications)",
    layout.count(count, "credential"))
end

local function add_credentials(items, left_out, span)
  local counts = { expired = 0 }
  local found = tenant_credentials.read {
    tenant = oauth.principal().tenant:lower(), held = false, federated = false, is_wanted = wanted(items, span, counts),
  }
  for _, one in found.list:each() do items[#items + 1] = item_of(one) end
  note_expired(left_out, counts.expired)
end

--- The items of credentials that were read already, of those that are not among the items and expire within the span.
---@param list applications.credential_list
---@param items expiry.item[] those that are known already
---@param span number seconds
---@return expiry.item[] more
---@return integer expired how many expired before
function M.items(list, items, span)
  local more, counts = {}, { expired = 0 }
  local is_wanted = wanted(items, span, counts)
  for _, one in list:each() do
    if is_wanted(one) then more[#more + 1] = item_of(one) end
  end
  return more, counts.expired
end

--- Add the credentials of the tenant's applications that expire within a span. Waits.
---@param items expiry.item[] those that are known already
---@param unknown expiry.unknown[]
---@param left_out string[]
---@param span number seconds
function M.add(items, unknown, left_out, span)
  on_machine.look(unknown, "tenant/applications", "which credentials of the tenant's applications expire",
    add_credentials, items, left_out, span)
end

return M
