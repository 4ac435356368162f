--- The text of a configuration file and of a profile, as `moonlatch init` writes them.

local devolutions_address = require "base.devolutions_address"

local M = {}

local FILE_HEAD = [[
-- Profiles for moonlatch: the tenant, the way to sign in, and the key that seals journal and secrets.
-- This file is Lua that only describes; it holds no secrets. It was written without looking at the
-- tenant: `moonlatch login` checks the profile against the tenant.
return {
  profiles = {
]]

local FILE_TAIL = [[
  },
}
]]

local PROFILE_TEXT = [[
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

      -- A proxy that leads to the services (variables such as HTTPS_PROXY are not read). Where the proxy wants a
      -- login, it is { url = "http://…", user = "…", password = { from = "sealed" } }.
      -- proxy = "http://proxy.contoso.com:3128",

      -- The key that seals the journal, the sign-in and sealed secrets. Without it they cannot be
      -- opened by anybody: keep a copy, apart from the state folder.
      key = %s,

      -- Where the client secret goes. One of:
      %s
      %s
    },
]]

local CLIENT_COMMENT = '-- client_id = "…", -- your own public client, '
  .. "where Microsoft Graph Command Line Tools is not allowed"
local SERVER_LINE = 'devolutions = { server = %q, app_key = "…", app_secret = { from = "sealed" }, vault = "…" },'
local CLOUD_LINE = "devolutions = { cloud = %q },"

local KEY_TEXTS = {
  keyring = '{ from = "keyring" }', passphrase = '{ from = "passphrase" }',
  file = '{ from = "file", path = %q }', credentials_directory = '{ from = "credentials_directory", name = %q }',
}

-- Two lines: the setting for the kind of Devolutions that the address belongs to, and the setting for the other kind as
-- a comment.
local function devolutions_profile_lines(url)
  local server = SERVER_LINE:format "https://dvls.contoso.com"
  local cloud = CLOUD_LINE:format "https://contoso.devolutions.app"
  if not url then return "-- " .. server, "-- " .. cloud end
  if devolutions_address.is_cloud(url) then return CLOUD_LINE:format(url), "-- " .. server end
  return SERVER_LINE:format(url), "-- " .. cloud
end

---@class profile.template.settings
---@field name string
---@field tenant string
---@field cloud string
---@field client_id string?
---@field key "keyring"|"passphrase"|"file"|"credentials_directory"
---@field devolutions string? address of a Devolutions Server or of Devolutions Cloud

--- The text of a profile, as a member of `profiles`.
---@param settings profile.template.settings
---@return string
function M.profile(settings)
  local client = settings.client_id and ("client_id = %q,"):format(settings.client_id) or CLIENT_COMMENT
  return PROFILE_TEXT:format(settings.name, settings.tenant, settings.cloud, client,
    KEY_TEXTS[settings.key]:format(settings.name .. ".key"), devolutions_profile_lines(settings.devolutions))
end

--- The text of a configuration file with one profile.
---@param settings profile.template.settings
---@return string
function M.file(settings) return FILE_HEAD .. M.profile(settings) .. FILE_TAIL end

return M
