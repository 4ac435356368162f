--- The rules for a configuration file: its members, their types and defaults, and what each may be. The profile is
--- checked by them, and the manual page of the configuration is made of them.

local hint = require "log.hint"
local nearest = require "base.nearest"
local profile_peers = require "profile.peers"
local schema = require "base.schema"
local sign_in = require "profile.sign_in"
local source = require "profile.source"
local vault_folder = require "base.vault_folder"

local M = {}

--- The login and Graph hosts of each cloud (Microsoft Learn, "National cloud deployments"; the login hosts are those of
--- MSAL). GCC uses the hosts of the global cloud.
M.clouds = {
  global = { login = "https://login.microsoftonline.com", graph = "https://graph.microsoft.com" },
  gcc = { login = "https://login.microsoftonline.com", graph = "https://graph.microsoft.com" },
  gcc_high = { login = "https://login.microsoftonline.us", graph = "https://graph.microsoft.us" },
  dod = { login = "https://login.microsoftonline.us", graph = "https://dod-graph.microsoft.us" },
  china = { login = "https://login.partner.microsoftonline.cn", graph = "https://microsoftgraph.chinacloudapi.cn" },
}

local function check_profile_url(value)
  if value:match("^%a+://[^/]*@") then
    return "the URL carries a user or a password",
      'Write the URL without them. A proxy has members for them: proxy = { url = "https://…", user = "…", '
        .. 'password = { from = "sealed" } }.'
  end
  if not (value .. "/"):match("^https?://[^/%s?#@]+/[^%s?#]*$") then
    return ('"%s" is not a URL of the form https://host'):format(value),
      'Write it as "https://host" or "https://host/path".'
  end
end

local url_rule = { type = "string", check = check_profile_url, example = '"https://…"' }

local function check_proxy(proxy)
  if type(proxy) == "string" then return check_profile_url(proxy) end
  if not proxy.user:match("^[^:%c]+$") then
    return "user is empty, or has a colon or a control character",
      'Write the name that the proxy knows: user = "name".'
  end
end

local proxy_rule = {
  type = { "string", "table" }, check = check_proxy,
  members = {
    url = { type = "string", required = true, check = check_profile_url },
    user = { type = "string", required = true }, password = source.required_rule,
  },
}

local devolutions_rule = {
  type = "table",
  members = {
    server = url_rule, cloud = url_rule, ca = { type = "string" },
    strict_certificates = { type = "boolean", default = true },
    app_key = { type = "string" }, app_secret = source.rule,
    vault = { type = "string", check = vault_folder.check_vault_name },
    path = { type = "string", check = vault_folder.check },
    linked = { type = "boolean", default = false },
  },
  check = function(devolutions)
    if (devolutions.server == nil) == (devolutions.cloud == nil) then
      return "it needs either server or cloud",
        'Write server = "https://…" for Devolutions Server, or cloud = "https://ORGANISATION.devolutions.app".'
    end
    if devolutions.server and not (devolutions.app_key and devolutions.app_secret) then
      return "server needs app_key and app_secret",
        hint.text('Add app_key = "…" and app_secret = { from = "sealed" } (Devolutions Server > Administration > '
          .. "Application identities), then: {moonlatch} login --secret devolutions-secret")
    end
  end,
}

local NAME_TENANT = 'Name the tenant by its domain or GUID (Entra admin center > Overview): tenant = "contoso.com".'

local function check_tenant(value)
  if not value:match("^[%w][%w.-]*$") then return ('"%s" is neither a domain nor a GUID'):format(value), NAME_TENANT end
  if value == "common" or value == "organizations" or value == "consumers" then
    return ('"%s" stands for many tenants'):format(value), NAME_TENANT
  end
end

-- What is wrong with the names that a profile gives programs or folders; nil when they are right.
local function check_program_and_folder_names(names)
  for name in pairs(names) do
    if type(name) ~= "string" or not name:match("^[%w_-]+$") or #name > 64 then
      return ("'%s' cannot be a name here"):format(tostring(name)), "Use letters, digits, - and _, at most 64 of them."
    end
  end
end

local PROGRAM_FORM = 'Write { "/path/of/the/program", "argument" }.'

local function check_program(words)
  if type(words[1]) ~= "string" or not words[1]:match("^/") then
    return "it does not begin with the program's absolute path", PROGRAM_FORM
  end
  if #words > 64 then return "it has more than 64 words", "Put the words into a program of your own, and name that." end
  for key, word in pairs(words) do
    if key == "confirms" and type(word) ~= "boolean" then return "confirms is true or false", PROGRAM_FORM end
    if key ~= "confirms" and (math.type(key) ~= "integer" or type(word) ~= "string") then
      return ("%s is no word of the program"):format(tostring(key)),
        PROGRAM_FORM .. " Besides, there is only confirms = true: its exit status 0 shows that the consumer has the "
          .. "secret that it was given."
    end
  end
end

local program_rule = { type = "table", check = check_program }

-- Which accounts a PAM manages, and how often it has to change their passwords: for the doctor.
local managed_rule = {
  type = "table",
  members = {
    select = { type = "table", each = { type = "string" }, check = function(names)
      if #names == 0 then return "it names no accounts", 'Name a group or users: select = { "PAM managed tier 0" }.' end
    end },
    every = schema.duration(),
  },
}

local function check_positive_number(value)
  if value <= 0 then return "it is not more than 0", "Write a number above 0." end
end

local write_budget_rule = {
  type = { "boolean", "table" }, default = true,
  members = {
    writes = { type = "number", required = true, check = check_positive_number },
    seconds = { type = "number", required = true, check = check_positive_number },
  },
}

local function check_cloud(cloud)
  if type(cloud) == "table" or M.clouds[cloud] then return nil end
  local meant = nearest(cloud, M.clouds)
  return ('"%s" is not a known cloud'):format(cloud), meant and ('Did you mean "%s"?'):format(meant)
    or 'Write "global", "gcc", "gcc_high", "dod" or "china"; or name another cloud: cloud = { login = "https://…", '
      .. 'graph = "https://…" }.'
end

local cloud_rule = {
  type = { "string", "table" }, default = "global", check = check_cloud,
  members = {
    login = { type = "string", required = true, check = check_profile_url, example = '"https://…"' },
    graph = { type = "string", required = true, check = check_profile_url, example = '"https://…"' },
    ca = { type = "string" },
    strict_certificates = { type = "boolean", default = true },
  },
}

-- Members that would hold a secret, and where the secret goes.
local MISPLACED_SECRETS = {
  client_secret = function()
    return hint.text('Write in its place: sign_in = { method = "client_secret", client_id = "…", secret = { from = '
      .. '"sealed" } }, then: {moonlatch} login --secret client-secret. A configuration never contains a secret.')
  end,
  app_secret = 'Write in devolutions: app_secret = { from = "sealed" }. A configuration never contains a secret.',
  password = "A configuration never contains a secret, and Moonlatch signs nobody in by a password: see `sign_in`.",
}

--- The rule for a profile.
---@type base.schema.rule
M.profile = {
  type = "table",
  misplaced = MISPLACED_SECRETS,
  members = {
    tenant = { type = "string", required = true, check = check_tenant, example = '"contoso.onmicrosoft.com"' },
    cloud = cloud_rule,
    proxy = proxy_rule,
    emulator = { type = { "boolean", "table" }, default = false, members = { clock = { type = "string" } } },
    sign_in = sign_in.rule(source.rule),
    key = source.key_rule,
    devolutions = devolutions_rule,
    state = { type = "string" },
    managed = managed_rule,
    write_budget = write_budget_rule,
    peers = profile_peers.rule,
    programs = { type = "table", default = {}, each = program_rule, check = check_program_and_folder_names },
    folders = { type = "table", default = {}, each = { type = "string" }, check = check_program_and_folder_names },
  },
}

--- The rule for the whole file. The profiles in it are checked one by one, by the rule for a profile.
---@type base.schema.rule
M.file = {
  type = "table",
  fix = function()
    return hint.text('The file returns a table: return { profiles = { contoso = { tenant = "contoso.com" } } }. '
      .. "`{moonlatch} init` writes one.")
  end,
  members = {
    default = { type = "string" },
    profiles = { type = "table", required = true, each = { type = "table" } },
  },
}

return M
