--- The text of a configuration file and of a profile, as `moonlatch init` writes them.

local devolutions_address = require "base.devolutions_address"

local M = {}

local HEAD = [[
-- Profiles for moonlatch: which tenant, how to sign in, what seals what is kept.
-- This file is Lua that only describes; it holds no secrets. Nothing in it was
-- checked against the tenant when it was written: `moonlatch login` does that.
return {
  profiles = {
]]

local TAIL = [[
  },
}
]]

local PROFILE = [[
    [%q] = {
      tenant = %q, -- a domain of it, or its GUID
      cloud = %q, -- "global", "gcc", "gcc_high", "dod", "china"; or { login = "https://…", graph = "https://…" }

      -- Who signs in. A person, in a browser on any machine; or with "browser" in the one of this machine,
      -- which is opened where there is a desktop (open = false: only its address is shown):
      sign_in = {
        method = "device_code",
        %s
      },
      -- An application, for runs that nobody watches; "workload_identity" and "managed_identity" need no secret:
      -- sign_in = { method = "certificate", client_id = "…", certificate = { path = "app.pem" } },
      -- sign_in = { method = "client_secret", client_id = "…", secret = { from = "sealed" } },
      -- A secret is from = "sealed" (asked for by `moonlatch login`, kept here under the key below), "keyring",
      -- "file", "mounted" (a file in a volume of Kubernetes, by its path; a certificate also by the folder with
      -- tls.key and tls.crt), "credentials_directory", "environment", "fd" or "prompt".

      -- The key that seals the journal, the sign-in and sealed secrets. Without it they cannot be
      -- opened by anybody: keep a copy, apart from the state folder.
      key = %s,

      -- Where the client secret goes. One of:
      %s
      %s
    },
]]

local CLIENT = '-- client_id = "…", -- your own public client, where Microsoft Graph Command Line Tools is not allowed'
local SERVER = 'devolutions = { server = %q, app_key = "…", app_secret = { from = "sealed" }, vault = "…" },'
local CLOUD = "devolutions = { cloud = %q },"

local KEY = {
  keyring = '{ from = "keyring" }', passphrase = '{ from = "passphrase" }',
  file = '{ from = "file", path = %q }', credentials_directory = '{ from = "credentials_directory", name = %q }',
}

-- The present kind of Devolutions, and the other kind as a comment.
local function devolutions_texts(url)
  local server, cloud = SERVER:format "https://dvls.contoso.com", CLOUD:format "https://contoso.devolutions.app"
  if not url then return "-- " .. server, "-- " .. cloud end
  if devolutions_address.is_cloud(url) then return CLOUD:format(url), "-- " .. server end
  return SERVER:format(url), "-- " .. cloud
end

---@class profile.template.settings
---@field name string
---@field tenant string
---@field cloud string
---@field client_id string?
---@field key "keyring"|"passphrase"|"file"|"credentials_directory"
---@field devolutions string? address of a Devolutions Server or of Devolutions Cloud

--- A profile, as a member of `profiles`.
---@param settings profile.template.settings
---@return string
function M.profile(settings)
  local client = settings.client_id and ("client_id = %q,"):format(settings.client_id) or CLIENT
  return PROFILE:format(settings.name, settings.tenant, settings.cloud, client,
    KEY[settings.key]:format(settings.name .. ".key"), devolutions_texts(settings.devolutions))
end

--- A configuration with one profile.
---@param settings profile.template.settings
---@return string
function M.file(settings) return HEAD .. M.profile(settings) .. TAIL end

return M
