--- A Devolutions Cloud instance as a person sees it: Cloud has no public API, so this has no
--- address, only acts of people (POST /emulator/cloud) and what is there afterwards.
---
--- What the acts are called and in which order they can be done is documented (facts on
--- Devolutions Cloud, 1 to 3). Assumptions, because no page tells: without a PAM licence every act
--- below Privileged Access is refused; the installer accepts nothing but a host, key and secret that
--- fit; a provider that is deleted leaves its accounts behind, and their resets fail.

local crypto = require "crypto"
local json = require "json"
local random = require "emulator.random"
local secret = require "secret"
local service = require "emulator.cloud.service"
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
}

---@class emulator.cloud
---@field address string "https://contoso.devolutions.app"
---@field licence boolean is PAM in the subscription, and assigned to the administrator?
---@field identities table<string, table> application identities by name
---@field vaults table<string, table> PAM vaults by name
---@field installed table[] Devolutions Cloud Services on machines
---@field services table<string, table> PAM services in Cloud, by name
---@field providers table<string, table> by name
---@field accounts table<string, table> entries by user name
---@field tasks table[] of the report Tasks, oldest first
---@field tenant emulator.tenant
---@field ask fun(peer: "login"|"graph", request: table): integer, table send a request from the service's machine
---@field at fun(moment: number, act: fun()) do something at a moment that has passed
local Cloud = { __name = "emulator.cloud" }
Cloud.__index = Cloud
for name, method in pairs(service) do Cloud[name] = method end

local ROLES = { Contributor = true, ["Privileged operator"] = true, ["Privileged reader"] = true }
local PERMISSIONS = { ["Manage privileged access tasks"] = true, ["Manage privileged access providers"] = true }

---@param options { address: string, seed: integer, tenant: emulator.tenant, ask: function, at: function,
--- flags: table? }
---@return emulator.cloud
function M.new(options)
  local self = setmetatable({
    address = options.address, seed = options.seed, tenant = options.tenant, ask = options.ask, at = options.at,
    flags = {}, made = 0, licence = false, identities = {}, vaults = {}, installed = {}, services = {},
    providers = {}, accounts = {}, tasks = {}, tokens = {},
  }, Cloud)
  for name, default in pairs(M.FLAGS) do self.flags[name] = default end
  for name, value in pairs(options.flags or {}) do self:set_flag(name, value) end
  return self
end

-- A person's mistake: the control page tells it.
local function refuse(text, ...)
  error(text:format(...), 0)
end

local function there(list, kind, name)
  return list[name] or refuse("there is no %s %q in Devolutions Cloud", kind, tostring(name))
end

local function given(options, ...)
  for _, name in ipairs { ... } do
    if options[name] == nil or options[name] == "" then refuse("the field %q is empty", name) end
  end
  return options
end

local function need_licence(self)
  if not self.licence then refuse "the menu Privileged Access is not there: no licence for PAM is assigned" end
end

local function as_secret(value)
  return secret.is(value) and value or secret.from(tostring(value))
end

local function new_id(self)
  self.made = self.made + 1
  return random.guid(self.seed, "cloud", self.made)
end

--- Change a switch.
---@param name string
---@param value any
function Cloud:set_flag(name, value)
  if self.flags[name] == nil then refuse("unknown flag %q of the emulated Devolutions Cloud", tostring(name)) end
  self.flags[name] = value
end

---------------------------------------------------------------------------
-- Administration

--- Administration - Licenses: put PAM into the subscription and assign it; or take it away.
---@param assigned boolean? true
function Cloud:set_licence(assigned)
  self.licence = assigned ~= false
end

--- Administration - Application identities - Add; key and secret are shown once.
---@param name string
---@return { key: string, secret: string }
function Cloud:add_identity(name)
  local identity = { name = name, key = new_id(self) .. ";" .. new_id(self), permissions = {} }
  self.identities[name] = identity
  return { key = identity.key, secret = self:regenerate_identity(name) }
end

--- Give an application identity a new secret; what was installed with the old one stops.
---@param name string
---@return string
function Cloud:regenerate_identity(name)
  local text = crypto.base64(crypto.random(32))
  there(self.identities, "application identity", name).secret = secret.from(text)
  return text
end

--- System permissions - Edit - System: give an application identity one, or take it away.
---@param name string
---@param permission string
---@param allowed boolean? true
function Cloud:permit(name, permission, allowed)
  if not PERMISSIONS[permission] then refuse("there is no system permission %q", tostring(permission)) end
  there(self.identities, "application identity", name).permissions[permission] = allowed ~= false
end

--- Administration - Vaults - Add PAM vault; `every` is the rotation policy Periodical.
---@param options { name: string, every: string|number|nil }
function Cloud:add_vault(options)
  need_licence(self)
  given(options, "name")
  local every = options.every and time.duration(options.every)
  self.vaults[options.name] = { name = options.name, roles = {}, every = every }
end

--- The vault's Permissions - Edit: give an application identity or a person a role there, or none.
---@param vault string
---@param who string
---@param role "Contributor"|"Privileged operator"|"Privileged reader"|nil
function Cloud:give_role(vault, who, role)
  if role and not ROLES[role] then refuse("a vault has no role %q", role) end
  there(self.vaults, "PAM vault", vault).roles[who] = role
end

--- Run the installer of Devolutions Cloud Services; its Test connection has to succeed.
---@param options { host: string, key: string, secret: string|host.secret, pam: boolean?, machine: string? }
function Cloud:install_services(options)
  given(options, "host", "key", "secret")
  local one = { machine = options.machine or "PAM01", host = options.host, key = options.key, running = true,
    secret = as_secret(options.secret), pam = options.pam ~= false }
  if not self:identity_of(one) then refuse "Test connection of the installer failed: check host, key and secret" end
  self.installed[#self.installed + 1] = one
end

--- Start or stop the Windows service on a machine.
---@param running boolean
---@param machine string? all of them
function Cloud:run_services(running, machine)
  for _, one in ipairs(self.installed) do
    if not machine or one.machine == machine then one.running = running end
  end
end

--- Administration - Application services - Add - PAM service.
---@param options { name: string, identity: string }
function Cloud:add_service(options)
  given(options, "name", "identity")
  there(self.identities, "application identity", options.identity)
  self.services[options.name] = { name = options.name, identity = options.identity }
end

--- Remove a PAM service from Cloud.
---@param name string
function Cloud:remove_service(name)
  there(self.services, "PAM service", name)
  self.services[name] = nil
end

---------------------------------------------------------------------------
-- Privileged Access

---@class emulator.cloud.form a provider as its form has it
---@field name string
---@field description string?
---@field tenant string field Tenant ID
---@field client_id string field Client ID
---@field client_secret string|host.secret|nil field Secret key

--- Providers - Add Provider (+) - Entra ID user: fill in the form, Add.
---@param form emulator.cloud.form
function Cloud:add_provider(form)
  need_licence(self)
  given(form, "name", "tenant", "client_id", "client_secret")
  self.providers[form.name] = { name = form.name, description = form.description, tenant = form.tenant,
    client_id = form.client_id, secret = as_secret(form.client_secret) }
end

--- Providers - a provider - Edit: what is given replaces what is there, the rest stays.
---@param name string
---@param form table
function Cloud:edit_provider(name, form)
  need_licence(self)
  local provider = there(self.providers, "provider", name)
  for _, field in ipairs { "description", "tenant", "client_id" } do
    provider[field] = form[field] or provider[field]
  end
  if form.client_secret then provider.secret = as_secret(form.client_secret) end
  self.tokens[name] = nil
end

--- The button Test connection of a provider's form.
---@param name string
---@return { ok: boolean, message: string }
function Cloud:test_connection(name)
  need_licence(self)
  return self:try_provider(there(self.providers, "provider", name))
end

--- Delete a provider.
---@param name string
function Cloud:delete_provider(name)
  there(self.providers, "provider", name)
  self.providers[name], self.tokens[name] = nil, nil
end

--- Add an entry Entra ID user to a PAM vault; `every` replaces the vault's rotation policy.
---@param options { username: string, vault: string, provider: string, every: string|number|nil }
function Cloud:add_account(options)
  need_licence(self)
  given(options, "username", "vault", "provider")
  there(self.providers, "provider", options.provider)
  local every = options.every and time.duration(options.every)
    or there(self.vaults, "PAM vault", options.vault).every
  self.accounts[options.username] = { username = options.username, vault = options.vault, every = every,
    provider = options.provider, due = every and self.tenant.now() + every }
end

--- Delete an entry.
---@param username string
function Cloud:delete_account(username)
  there(self.accounts, "entry", username)
  self.accounts[username] = nil
end

--- The entry's menu - Reset password: makes a task.
---@param username string
---@return integer number of the task
function Cloud:reset_password(username)
  need_licence(self)
  return self:new_task(there(self.accounts, "entry", username), self.tenant.now())
end

---------------------------------------------------------------------------
-- What is there

-- Lists in the order of their names, each row described.
local function each(list, describe)
  local names, rows = {}, json.array {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do rows[i] = describe(list[name]) end
  return rows
end

local function keys(set)
  local list = json.array {}
  for name, value in pairs(set) do list[#list + 1] = value and name or nil end
  table.sort(list)
  return list
end

-- Which secret the provider holds, for whoever sees both sides; nobody does on a real instance.
local function held(self, provider)
  local ok, why, key = self.tenant:check_secret(provider.client_id, provider.secret)
  return { state = ok and "in force" or why, key = key, short = key and "…" .. key:sub(-4) }
end

--- Everything in the instance, without a secret.
---@return table
function Cloud:state()
  return {
    address = self.address, licence = self.licence,
    identities = each(self.identities, function(one)
      return { name = one.name, key = one.key, permissions = keys(one.permissions) }
    end),
    vaults = each(self.vaults, function(one) return { name = one.name, roles = one.roles, every = one.every } end),
    installed = each(self.installed, function(one)
      local identity = self:identity_of(one)
      return { machine = one.machine, host = one.host, pam = one.pam, running = one.running,
        identity = identity and identity.name }
    end),
    services = each(self.services, function(one) return { name = one.name, identity = one.identity } end),
    providers = each(self.providers, function(one)
      return { name = one.name, description = one.description, tenant = one.tenant, client_id = one.client_id,
        secret = held(self, one) }
    end),
    accounts = each(self.accounts, function(one)
      return { username = one.username, vault = one.vault, provider = one.provider, every = one.every,
        in_force = one.password ~= nil and self.tenant:check_password(one.username, one.password) }
    end),
    tasks = json.array(self.tasks),
  }
end

return M
