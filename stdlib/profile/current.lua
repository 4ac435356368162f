--- The profile in use: the tenant, the way to sign in, and the places of keys, secrets and the journal.

local fail = require "fail"
local secret = require "host.secret"

local M = {}

---@class profile
---@field is_private boolean? is it that of the emulator that --emulator starts and stops?
---@field name string
---@field file string the path of the configuration file
---@field kind "real"|"emulator"
---@field tenant string GUID or domain
---@field login string "https://login.microsoftonline.com"
---@field graph string "https://graph.microsoft.com/v1.0"
---@field ca string? PEM file that replaces the system's roots
---@field strict_certificates boolean must the certificates of login and Graph comply with RFC 5280? (true)
---@field proxy { url: string, user: string?, password: profile.source? }?
---@field clock string? the emulator's clock file
---@field sign_in profile.sign_in
---@field key profile.source? where the sealing key comes from
---@field devolutions profile.devolutions?
---@field state string folder of the journal
---@field binding string "<login host>/<tenant>": what the journal belongs to
---@field peers table<string, profile.peer> the services that scripts may reach besides, by name
---@field write_budget { writes: number, seconds: number }? the most changes at Graph in this time; nil: no limit

---@class profile.sign_in
---@field method "browser"|"device_code"|"client_secret"|"certificate"|"workload_identity"|"managed_identity"|"token"
---@field client_id string? optional with "managed_identity", unused with "token"
---@field scopes string[]? the permissions a person signs in for when no script names any ("Directory.Read.All")
---@field secret profile.source? with "client_secret"
---@field client_auth "post"|"basic"|nil with "client_secret": in the form, or in a header
---@field certificate { path: string, passphrase: profile.source? }? with "certificate": key and certificate
---@field token_file string? with "workload_identity"
---@field token { from: "stdin"|"fd", fd: integer? }? with "token"
---@field redirect string? with "browser": "http://localhost"; without a port, any free one
---@field login_hint string? with "browser": who is to sign in
---@field open boolean? with "browser": false opens no browser
---@field object_id string? with "managed_identity": one of several
---@field resource_id string? with "managed_identity": one of several
---@field endpoint string? of an emulator's managed identity

---@class profile.devolutions either a server or a cloud
---@field server string? "https://dvls.contoso.com"
---@field cloud string? "https://contoso.devolutions.app"
---@field ca string? PEM file
---@field strict_certificates boolean as above, for this server
---@field app_key string? of the server's application identity
---@field app_secret profile.source?
---@field vault string? where the credential entry goes
---@field path string? folder in the vault
---@field linked boolean does the consumer read this very entry?

---@class profile.options
---@field config string? path of the configuration file
---@field name string? of the profile in it

local current ---@type profile?
local open_session ---@type function?

-- The secrets that can be read only once, or that a person types. They are kept while the profile is in use.
local read_secrets = {} ---@type table<profile.source, host.secret>

--- Read the configuration and use one of its profiles from now on.
---@param options profile.options
---@return profile
function M.load(options)
  M.use(require("profile.file").load(options))
  return current
end

--- Use this profile from now on (nil: none).
---@param profile profile?
function M.use(profile)
  for source, value in pairs(read_secrets) do
    value:close()
    read_secrets[source] = nil
  end
  current, open_session = profile, nil
end

--- Set the function that loads a profile when a profile is asked for and none is in use.
---@param fn function?
function M.load_on_demand(fn)
  open_session = fn
end

-- Raise that there is no profile. Scripts meet this error when their file makes a call while the file is loaded.
local function raise_no_profile()
  fail.raise {
    kind = "usage", what = "call a service", why = "no session is open: a file that is loaded may call no service",
    fix = "Move the call into `run`, a step, or a function that one of these calls.",
  }
end

--- The profile in use. Raises "usage" when there is none.
---@return profile
function M.current()
  if not current and open_session then
    local open = open_session
    open_session = nil
    open()
  end
  if not current then raise_no_profile() end
  return current
end

local READ_ONCE = { environment = true, fd = true, prompt = true }

local function remember_secret(source, value)
  read_secrets[source] = value
  return secret.copy(value)
end

--- Read the value of a source. Raises "config". May wait for a person.
---@param source profile.source
---@param what string "the client secret", for messages and the prompt
---@return host.secret
function M.secret(source, what)
  if read_secrets[source] then return secret.copy(read_secrets[source]) end
  local value = require("profile.source").read(source, what)
  return READ_ONCE[source.from] and remember_secret(source, value) or value
end

--- The key that seals a profile's journal, sign-in and secrets. Raises "config". May wait for a person.
---@param profile profile? the profile in use
---@return host.secret
function M.key(profile)
  profile = profile or M.current()
  local source = profile.key
  if source and read_secrets[source] then return secret.copy(read_secrets[source]) end
  local key = require("profile.key").read(profile)
  if profile ~= current or source.from == "file" then return key end
  return remember_secret(source, key)
end

return M
