--- The profile in use: which tenant, how to sign in, where things are kept.

local secret = require "host.secret"

local M = {}

---@class profile
---@field name string
---@field file string the configuration it came from
---@field kind "real"|"emulator"
---@field tenant string GUID or domain
---@field login string "https://login.microsoftonline.com"
---@field graph string "https://graph.microsoft.com/v1.0"
---@field ca string? PEM file that replaces the system's roots
---@field strict_certificates boolean must the certificates of login and Graph keep to RFC 5280's form? (true)
---@field proxy string?
---@field clock string? the emulator's clock file
---@field sign_in profile.sign_in
---@field key profile.source? of what is sealed
---@field devolutions profile.devolutions?
---@field state string folder of the journal
---@field binding string "<login host>/<tenant>": what the journal belongs to
---@field write_budget { writes: number, seconds: number }? how fast we may change things at Graph; nil: no limit

---@class profile.sign_in
---@field method "browser"|"device_code"|"client_secret"|"certificate"|"workload_identity"|"managed_identity"|"token"
---@field client_id string? optional with "managed_identity", unused with "token"
---@field scopes string[]? what a person signs in for when no script says it ("Directory.Read.All")
---@field secret profile.source? with "client_secret"
---@field client_auth "post"|"basic"|nil with "client_secret": in the form, or in a header
---@field certificate { path: string, passphrase: profile.source? }? with "certificate": key and certificate
---@field token_file string? with "workload_identity"
---@field token { from: "stdin"|"fd", fd: integer? }? with "token"
---@field redirect string? with "browser": "http://localhost"; without a port any that is free
---@field login_hint string? with "browser": who is to sign in
---@field open boolean? with "browser": false keeps the desktop's browser from being opened
---@field object_id string? with "managed_identity", of one of several
---@field resource_id string? the same
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
local opener ---@type function?

-- What can be had only once, or takes a person: kept while its profile is in use.
local held = {} ---@type table<table, host.secret> by source

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
  for source, value in pairs(held) do
    value:close()
    held[source] = nil
  end
  current, opener = profile, nil
end

--- Have `fn` called when a profile is needed for the first time; it is to load one.
---@param fn function?
function M.when_needed(fn)
  opener = fn
end

--- The profile in use.
---@return profile
function M.current()
  if not current and opener then
    local open = opener
    opener = nil
    open()
  end
  if not current then error("no profile is loaded: profile.load does that", 2) end
  return current
end

local ONCE = { environment = true, fd = true, prompt = true }

local function hold(source, value)
  held[source] = value
  return secret.copy(value)
end

--- The value a source names. Raises a "config" failure.
---@param source profile.source
---@param what string "the client secret", for messages and the prompt
---@return host.secret
function M.secret(source, what)
  if held[source] then return secret.copy(held[source]) end
  local value = require("profile.source").read(source, what)
  return ONCE[source.from] and hold(source, value) or value
end

--- The key that seals what a profile keeps. Raises a "config" failure.
---@param profile profile? the one in use
---@return host.secret
function M.key(profile)
  profile = profile or M.current()
  local source = profile.key
  if source and held[source] then return secret.copy(held[source]) end
  local key = require("profile.key").read(profile)
  if profile ~= current or source.from == "file" then return key end
  return hold(source, key)
end

return M
