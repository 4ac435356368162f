--- Privileged access (PAM) in Devolutions Cloud or Devolutions Server, as a person sees it. It has no public API, so it
--- has no address here: acts of people change it (POST /emulator/cloud, /emulator/server).
---
--- The acts have the names in the vendor's documentation. An assumption, because no page tells: a deleted provider
--- leaves its accounts behind, and their resets fail.

local form = require "emulator.pam.form"
local json = require "json"
local service = require "emulator.pam.service"
local time = require "time"

local M = {}

--- What only a live instance can tell: switches, each tested both ways.
M.FLAGS = {
  -- Does *Test connection* of a provider also ask Graph, and so notice a missing permission?
  test_asks_graph = false,
  -- Does the PAM service make that test, so that it has to be installed first?
  test_needs_service = false,
  -- Does the PAM service read the user before it sets the password?
  reads_user_first = false,
  -- Seconds between two sign-ins of the PAM service that has nothing to do; false: it does not sign in.
  heartbeat = false,
  -- Seconds between two looks of the PAM service for tasks.
  poll = 60,
  -- The address from which the PAM service signs in; Devolutions Server has 203.0.113.90.
  address = "203.0.113.88",
  -- The address from which Test connection signs in; false: the same.
  test_address = false,
}

---@class emulator.pam
---@field address string "https://contoso.devolutions.app"
---@field vaults table<string, table> PAM vaults by name
---@field providers table<string, table> by name
---@field accounts table<string, table> entries by user name
---@field tasks table[] of the report Tasks, oldest first
---@field tenant emulator.tenant
---@field ask fun(peer: "login"|"graph", request: table): integer, table sends a request from the service's machine
---@field linked fun(entry: string): host.secret? the value in an entry of the server

-- Methods that both editions have.
local Pam = { __name = "emulator.pam" }
for name, method in pairs(service) do Pam[name] = method end

---@param options { edition: "cloud"|"server", address: string, seed: integer, tenant: emulator.tenant, ask: function,
--- linked: (fun(entry: string): host.secret?)? }
---@return emulator.pam
function M.new(options)
  local methods = {}
  for _, part in ipairs { Pam, (require("emulator.pam." .. options.edition)) } do
    for name, method in pairs(part) do methods[name] = method end
  end
  local self = setmetatable({
    address = options.address, seed = options.seed, tenant = options.tenant, ask = options.ask,
    linked = options.linked, flags = {}, vaults = {}, providers = {}, accounts = {}, tasks = {}, tokens = {},
  }, { __name = Pam.__name, __index = methods })
  for name, default in pairs(M.FLAGS) do self.flags[name] = default end
  if options.edition == "server" then self.flags.address = "203.0.113.90" end
  self:open()
  return self
end

--- Change a switch.
---@param name string
---@param value any
function Pam:set_flag(name, value)
  if self.flags[name] == nil then form.refuse("unknown flag %q of the emulated PAM", tostring(name)) end
  self.flags[name] = value
end

---------------------------------------------------------------------------
-- Vaults

local ROLES = { Contributor = true, ["Privileged operator"] = true, ["Privileged reader"] = true }

--- Administration > Vaults > Add PAM vault. `every` is the rotation policy Periodical.
---@param options { name: string, every: string|number|nil }
function Pam:add_vault(options)
  self:need_menu()
  form.given(options, "name")
  local every = options.every and time.duration(options.every)
  self.vaults[options.name] = { name = options.name, roles = {}, every = every }
end

--- The vault's Permissions > Edit: give an application identity or a person a role in the vault, or none.
---@param vault string
---@param who string
---@param role "Contributor"|"Privileged operator"|"Privileged reader"|nil
function Pam:give_role(vault, who, role)
  if role and not ROLES[role] then form.refuse("a vault has no role %q", role) end
  form.there(self.vaults, "PAM vault", vault).roles[who] = role
end

---------------------------------------------------------------------------
-- Providers

---@class emulator.pam.provider a provider, as its form has it
---@field name string
---@field description string?
---@field tenant string field Tenant ID
---@field client_id string field Client ID
---@field client_secret string|host.secret|nil field Secret key
---@field linked string? field Linked credential, of Server only: name of an entry

local function take_secret(self, provider, fields)
  if fields.linked and not self.linked then form.refuse "the form has no field Linked credential" end
  if fields.client_secret then provider.secret, provider.linked = form.pasted(fields.client_secret), nil end
  if fields.linked then provider.secret, provider.linked = nil, fields.linked end
end

--- Providers > Add Provider (+) > Entra ID user: fill in the form, Add.
---@param fields emulator.pam.provider
function Pam:add_provider(fields)
  self:need_menu()
  form.given(fields, "name", "tenant", "client_id", not fields.linked and "client_secret" or nil)
  local provider = { name = fields.name, description = fields.description, tenant = fields.tenant,
    client_id = fields.client_id }
  take_secret(self, provider, fields)
  self.providers[fields.name] = provider
end

--- Providers > a provider > Edit: the given fields replace the present ones, the others stay.
---@param name string
---@param fields table
function Pam:edit_provider(name, fields)
  self:need_menu()
  local provider = form.there(self.providers, "provider", name)
  for _, field in ipairs { "description", "tenant", "client_id" } do
    provider[field] = fields[field] or provider[field]
  end
  take_secret(self, provider, fields)
  self.tokens[name] = nil
end

--- The button Test connection in a provider's form; with fields that were typed, and are not saved.
---@param name string
---@param fields table? as edit_provider takes them
---@return { ok: boolean, message: string }
function Pam:test_connection(name, fields)
  self:need_menu()
  local shown = {}
  for field, value in pairs(form.there(self.providers, "provider", name)) do shown[field] = value end
  take_secret(self, shown, fields or {})
  return self:try_provider(shown)
end

--- Delete a provider.
---@param name string
function Pam:delete_provider(name)
  form.there(self.providers, "provider", name)
  self.providers[name], self.tokens[name] = nil, nil
end

---------------------------------------------------------------------------
-- Accounts

--- Add an entry Entra ID user to a PAM vault; `every` replaces the vault's rotation policy.
---@param options { username: string, vault: string, provider: string, every: string|number|nil }
function Pam:add_account(options)
  self:need_menu()
  form.given(options, "username", "vault", "provider")
  form.there(self.providers, "provider", options.provider)
  local vault = form.there(self.vaults, "PAM vault", options.vault)
  local every = options.every and time.duration(options.every) or vault.every
  self.accounts[options.username] = { username = options.username, vault = options.vault, every = every,
    provider = options.provider, due = every and self.tenant.now() + every }
end

--- Delete an entry.
---@param username string
function Pam:delete_account(username)
  form.there(self.accounts, "entry", username)
  self.accounts[username] = nil
end

--- The entry's menu > Reset password: makes a task.
---@param username string
---@return integer number of the task
function Pam:reset_password(username)
  self:need_menu()
  return self:new_task(form.there(self.accounts, "entry", username), self.tenant.now())
end

---------------------------------------------------------------------------
-- The present state

-- Lists in the order of their names, each row described.
local function each(list, describe)
  local names, rows = {}, json.array {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do rows[i] = describe(list[name]) end
  return rows
end

-- The key id of the secret that the provider holds. Only the emulator can tell: nobody sees that in a real instance.
local function held(self, provider)
  local value = self:secret_of(provider)
  if not value then return { state = "none" } end
  local ok, why, key = self.tenant:check_secret(provider.client_id, value)
  return { state = ok and "in force" or why, key = key, short = key and "…" .. key:sub(-4) }
end

--- The whole state, without secrets.
---@return table
function Pam:state()
  local state = self:surroundings(each)
  state.address, state.tasks = self.address, json.array(self.tasks)
  state.vaults = each(self.vaults, function(one) return { name = one.name, roles = one.roles, every = one.every } end)
  state.providers = each(self.providers, function(one)
    return { name = one.name, description = one.description, tenant = one.tenant, client_id = one.client_id,
      linked = one.linked, secret = held(self, one) }
  end)
  state.accounts = each(self.accounts, function(one)
    return { username = one.username, vault = one.vault, provider = one.provider, every = one.every,
      in_force = one.password ~= nil and self.tenant:check_password(one.username, one.password) }
  end)
  return state
end

return M
