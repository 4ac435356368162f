--- What only Devolutions Cloud has: the licence, application identities, and Devolutions Cloud Services on a machine
--- inside the network.
---
--- Assumptions, because no page tells: without a licence for PAM every act below Privileged Access is refused; the
--- installer accepts only a host, key and secret that fit together; a task is taken only by a running service whose
--- application identity has both system permissions, a PAM service in Cloud, and the role Contributor on the vault;
--- until there is one the task stays Pending.

local crypto = require "base.crypto"
local form = require "emulator.pam.form"
local random = require "emulator.random"
local secret = require "secret.emulator"

local M = {}

local TASKS, PROVIDERS = "Manage privileged access tasks", "Manage privileged access providers"
local PERMISSIONS = { [TASKS] = true, [PROVIDERS] = true }

--- Set the state of a new organisation.
function M:open()
  self.licence, self.made = false, 0
  self.identities, self.installed, self.services = {}, {}, {}
end

--- Refuse without a licence: then the menu is missing (forum.devolutions.net, topic 51848).
function M:need_menu()
  if self.licence then return end
  form.refuse "the menu Privileged Access is not there: no licence for PAM is assigned"
end

--- Administration > Licenses: put PAM into the subscription and assign it; or remove it.
---@param assigned boolean? true
function M:set_licence(assigned)
  self.licence = assigned ~= false
end

local function new_id(self)
  self.made = self.made + 1
  return random.guid(self.seed, "cloud", self.made)
end

--- Administration > Application identities > Add; key and secret are shown once.
---@param name string
---@return { key: string, secret: string }
function M:add_identity(name)
  local identity = { name = name, key = new_id(self) .. ";" .. new_id(self), permissions = {} }
  self.identities[name] = identity
  return { key = identity.key, secret = self:regenerate_identity(name) }
end

--- Give an application identity a new secret; services that were installed with the old one stop.
---@param name string
---@return string
function M:regenerate_identity(name)
  local text = crypto.base64(crypto.random(32))
  form.there(self.identities, "application identity", name).secret = secret.from(text)
  return text
end

--- System permissions > Edit > System: give an application identity a permission, or remove it.
---@param name string
---@param permission string
---@param allowed boolean? true
function M:permit(name, permission, allowed)
  if not PERMISSIONS[permission] then form.refuse("there is no system permission %q", tostring(permission)) end
  form.there(self.identities, "application identity", name).permissions[permission] = allowed ~= false
end

--- Run the installer of Devolutions Cloud Services; its Test connection has to succeed.
---@param options { host: string, key: string, secret: string|host.secret, pam: boolean?, machine: string? }
function M:install_services(options)
  form.given(options, "host", "key", "secret")
  local one = { machine = options.machine or "PAM01", host = options.host, key = options.key, running = true,
    secret = form.pasted(options.secret), pam = options.pam ~= false }
  if not self:identity_of(one) then form.refuse "Test connection failed: check the host, the key and the secret" end
  self.installed[#self.installed + 1] = one
end

--- Start or stop the Windows service on a machine.
---@param running boolean
---@param machine string? all of them
function M:run_services(running, machine)
  for _, one in ipairs(self.installed) do
    if not machine or one.machine == machine then one.running = running end
  end
end

--- Administration > Application services > Add > PAM service.
---@param options { name: string, identity: string }
function M:add_service(options)
  form.given(options, "name", "identity")
  form.there(self.identities, "application identity", options.identity)
  self.services[options.name] = { name = options.name, identity = options.identity }
end

--- Remove a PAM service.
---@param name string
function M:remove_service(name)
  form.there(self.services, "PAM service", name)
  self.services[name] = nil
end

---------------------------------------------------------------------------
-- The services that take tasks

--- The application identity of an installation, when Cloud accepts its key and secret.
---@param one table
---@return table?
function M:identity_of(one)
  for _, identity in pairs(self.identities) do
    if identity.key == one.key and secret.equals(identity.secret, one.secret) and one.host == self.address then
      return identity
    end
  end
end

local function is_known(self, identity)
  for _, service in pairs(self.services) do
    if service.identity == identity.name then return true end
  end
  return false
end

--- The application identity of a service that takes tasks, from this vault if one is named.
---@param vault string?
---@return table?
function M:worker(vault)
  for _, one in ipairs(self.installed) do
    local identity = one.running and one.pam and self:identity_of(one)
    local able = identity and identity.permissions[TASKS] and identity.permissions[PROVIDERS]
      and is_known(self, identity)
    if able and (not vault or self.vaults[vault].roles[identity.name] == "Contributor") then return identity end
  end
end

--- The state besides vaults, providers, accounts and tasks.
---@param each fun(list: table, describe: fun(one: table): table): table[]
---@return table
function M:surroundings(each)
  return {
    licence = self.licence,
    identities = each(self.identities, function(one)
      return { name = one.name, key = one.key, permissions = one.permissions }
    end),
    installed = each(self.installed, function(one)
      local identity = self:identity_of(one)
      return { machine = one.machine, host = one.host, pam = one.pam, running = one.running,
        identity = identity and identity.name }
    end),
    services = each(self.services, function(one) return { name = one.name, identity = one.identity } end),
  }
end

return M
