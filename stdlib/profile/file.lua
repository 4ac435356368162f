--- Read the configuration file: check its members, and make a profile from them.

local fail = require "fail"
local hint = require "log.hint"
local lua_file = require "base.lua_file"
local nearest = require "base.nearest"
local path_fix = require "machine.path_fix"
local profile_peers = require "profile.peers"
local schema = require "base.schema"
local sign_in = require "profile.sign_in"
local source = require "profile.source"
local sys = require "host.sys"
local time = require "time"
local vault_folder = require "base.vault_folder"

local M = {}

local MOST_BYTES = 1 << 20 -- bytes of a configuration file

-- The login and Graph hosts of each cloud (Microsoft Learn, "National cloud deployments"; the login hosts are those of
-- MSAL). GCC uses the hosts of the global cloud.
local CLOUDS = {
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

local profile_rule = {
  type = "table",
  members = {
    tenant = { type = "string", required = true, check = check_tenant, example = '"contoso.onmicrosoft.com"' },
    cloud = { type = { "string", "table" }, default = "global" },
    proxy = proxy_rule,
    emulator = { type = { "boolean", "table" }, default = false },
    sign_in = sign_in.rule(source.rule),
    key = source.key_rule,
    devolutions = devolutions_rule,
    state = { type = "string" },
    managed = managed_rule,
    write_budget = { type = { "boolean", "table" }, default = true },
    peers = profile_peers.rule,
    programs = { type = "table", default = {}, each = program_rule, check = check_program_and_folder_names },
    folders = { type = "table", default = {}, each = { type = "string" }, check = check_program_and_folder_names },
  },
}

-- The number of changes that Graph allows an application in a tenant (Microsoft Learn: throttling-limits, 2026-02-06).
local WRITE_BUDGET = { writes = 3000, seconds = 150 }

local function check_positive_number(value)
  if value <= 0 then return "it is not more than 0", "Write a number above 0." end
end

local write_budget_rule = {
  type = "table",
  members = {
    writes = { type = "number", required = true, check = check_positive_number },
    seconds = { type = "number", required = true, check = check_positive_number },
  },
}

local cloud_rule = {
  type = "table",
  members = {
    login = { type = "string", required = true, check = check_profile_url, example = '"https://…"' },
    graph = { type = "string", required = true, check = check_profile_url, example = '"https://…"' },
    ca = { type = "string" },
    strict_certificates = { type = "boolean", default = true },
  },
}

local emulator_rule = { type = "table", members = { clock = { type = "string" } } }

local file_rule = {
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

-- The manual page of the configuration is made of these rules.
M.rules = { file = file_rule, profile = profile_rule, cloud = cloud_rule, emulator = emulator_rule,
  write_budget = write_budget_rule, clouds = CLOUDS }

---------------------------------------------------------------------------
-- Paths of the configuration

local function home_folder()
  local home = sys.getenv("HOME") or ""
  if home:sub(1, 1) == "/" then return home end
  fail.raise {
    kind = "config", what = "find your folders",
    why = home == "" and "the environment variable HOME is not set"
      or ("the environment variable HOME is no absolute path: '%s'"):format(home),
    fix = "Set HOME to your home folder; or name the files with --config FILE, and `state` in the profile.",
  }
end

local function xdg_folder(variable, below_home)
  local path = sys.getenv(variable)
  if path and path:sub(1, 1) == "/" then return path end -- XDG: a relative path is ignored
  return home_folder() .. below_home
end

--- The folder of the configuration: $XDG_CONFIG_HOME/moonlatch.
---@return string
function M.folder()
  return xdg_folder("XDG_CONFIG_HOME", "/.config") .. "/moonlatch"
end

--- The configuration file that is used when none is named.
---@return string
function M.file()
  return M.folder() .. "/moonlatch.lua"
end

--- The folder of journals and other state between runs: $XDG_STATE_HOME/moonlatch.
---@return string
function M.state_folder()
  return xdg_folder("XDG_STATE_HOME", "/.local/state") .. "/moonlatch"
end

-- A relative path in the file is relative to the file's folder.
local function absolute_path(path, folder)
  if path == nil or path:sub(1, 1) == "/" then return path end
  if path:sub(1, 2) == "~/" then return home_folder() .. path:sub(2) end
  return folder .. "/" .. path
end

-- Complete the sources of the profile's secrets: absolute paths, and names.
local function complete_sources(settings, binding, folder)
  local function path(value) return absolute_path(value, folder) end
  source.complete(settings.key, "key", binding, path)
  source.complete(settings.sign_in.secret, "client-secret", binding, path)
  local passphrase = settings.sign_in.certificate and settings.sign_in.certificate.passphrase
  source.complete(passphrase, "certificate-passphrase", binding, path)
  if type(settings.proxy) == "table" then
    source.complete(settings.proxy.password, "proxy-password", binding, path)
  end
  if settings.devolutions then source.complete(settings.devolutions.app_secret, "devolutions-secret", binding, path) end
end

---------------------------------------------------------------------------
-- From the file's text to a profile

local function host_of_url(url)
  return url:match("^%a+://(%[[^%]]*%])") or url:match("^%a+://([^:/]+)")
end

local function is_loopback_url(url)
  local host = host_of_url(url):lower()
  return host == "localhost" or host == "[::1]" or host:match("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function refuse_profile(file, where, why, fix)
  fail.raise { kind = "config", what = ("%s: %s"):format(file, where), why = why, fix = fix }
end

-- Check an address of a profile: an emulator's profile may name loopback addresses only; any other profile may not name
-- a loopback address, and needs https.
local function check_profile_address(file, where, url, kind)
  if url == nil then return end
  if kind == "emulator" and not is_loopback_url(url) then
    refuse_profile(file, where, ("an emulator's profile may only reach this machine, and %s is elsewhere"):format(url),
      "Remove `emulator` from the profile for a real tenant; for an emulator, write its address on this machine.")
  elseif kind == "real" and is_loopback_url(url) then
    refuse_profile(file, where, ("a real profile may not reach this machine (%s)"):format(url),
      "Add emulator = true when this is an emulator.")
  elseif kind == "real" and not url:match("^https:") then
    refuse_profile(file, where, ("%s is not protected by TLS"):format(url), "Write it with https:// at the beginning.")
  end
end

local function find_cloud(file, where, cloud)
  if type(cloud) == "table" then
    schema.check(file, where, cloud, cloud_rule)
    return cloud
  end
  if CLOUDS[cloud] then return CLOUDS[cloud] end
  local meant = nearest(cloud, CLOUDS)
  refuse_profile(file, where, ('"%s" is not a known cloud'):format(cloud),
    meant and ('Did you mean "%s"?'):format(meant)
      or 'Write "global", "gcc", "gcc_high", "dod" or "china"; or name another cloud: cloud = { login = "https://…", '
        .. 'graph = "https://…" }.')
end

local function without_trailing_slash(url) return (url:gsub("/+$", "")) end

local function graph_address(url)
  url = without_trailing_slash(url)
  return url:match("^%a+://[^/]+/.") and url or url .. "/v1.0"
end

local function emulator_settings(file, where, emulator)
  if emulator == true then return {} end
  if type(emulator) == "table" then
    schema.check(file, where, emulator, emulator_rule)
    return emulator
  end
end

-- The write budget; nil for no limit.
local function write_budget_of(file, where, budget)
  if budget == true then return WRITE_BUDGET end
  if type(budget) == "table" then
    schema.check(file, where, budget, write_budget_rule)
    return budget
  end
end

local function state_folder_of(settings, kind, binding, folder)
  if settings.state then return absolute_path(settings.state, folder) end
  if kind == "emulator" then return folder .. "/state" end
  return M.state_folder() .. "/" .. binding
end

-- Without HOME there may be no state folder. The failure is raised when the folder is needed: a command that only reads
-- needs none.
local function set_state_folder(profile, ...)
  local ok, state = pcall(state_folder_of, ...)
  if ok then
    profile.state = state
    return
  end
  setmetatable(profile, { __index = function(_, member) if member == "state" then error(state, 0) end end })
end

-- Check the endpoint of managed identities. The endpoint of a real machine is known, so only an emulator's profile may
-- name an endpoint.
local function check_identity_endpoint(file, where, profile)
  local endpoint = profile.sign_in.endpoint
  if endpoint and profile.kind == "real" then
    refuse_profile(file, where, "it is for an emulator's profile only",
      "Remove it: Moonlatch knows the endpoint of a machine, and reads the endpoint of a service in its environment.")
  end
  check_profile_address(file, where, endpoint, profile.kind)
end

local function check_profile_addresses(file, where, profile)
  check_identity_endpoint(file, where .. ".sign_in.endpoint", profile)
  check_profile_address(file, where .. ".cloud.login", profile.login, profile.kind)
  check_profile_address(file, where .. ".cloud.graph", profile.graph, profile.kind)
  local devolutions = profile.devolutions or {}
  check_profile_address(file, where .. ".devolutions.server", devolutions.server, profile.kind)
  if devolutions.cloud and not devolutions.cloud:match("^https:") then
    local why = ("%s is not protected by TLS"):format(devolutions.cloud)
    refuse_profile(file, where .. ".devolutions.cloud", why, "Write it with https:// at the beginning.")
  end
end

local function complete_managed(managed)
  return managed and { select = managed.select, every = managed.every and time.duration(managed.every) }
end

local function complete_devolutions(devolutions, folder)
  if not devolutions then return nil end
  devolutions.ca = absolute_path(devolutions.ca, folder)
  devolutions.path = devolutions.path and vault_folder.canonical(devolutions.path)
  devolutions.server = devolutions.server and without_trailing_slash(devolutions.server)
  devolutions.cloud = devolutions.cloud and without_trailing_slash(devolutions.cloud)
  return devolutions
end

local function proxy_settings(given) return type(given) == "string" and { url = given } or given end

local function complete_profile(file, name, settings)
  local folder, where = file:match("^(.*)/[^/]*$") or ".", "profiles." .. name
  schema.check(file, where, settings, profile_rule)
  local cloud = find_cloud(file, where .. ".cloud", settings.cloud)
  local emulator = emulator_settings(file, where .. ".emulator", settings.emulator)
  local kind, tenant = emulator and "emulator" or "real", settings.tenant:lower()
  local login = without_trailing_slash(cloud.login)
  local binding = login:match("^%a+://([^/]+)"):gsub(":", "_") .. "/" .. tenant
  sign_in.complete(settings.sign_in, function(path) return absolute_path(path, folder) end)
  complete_sources(settings, binding, folder)
  local profile = {
    name = name, file = file, kind = kind, tenant = tenant, login = login, graph = graph_address(cloud.graph),
    ca = absolute_path(cloud.ca, folder), proxy = proxy_settings(settings.proxy),
    clock = emulator and absolute_path(emulator.clock, folder),
    strict_certificates = cloud.strict_certificates ~= false,
    sign_in = settings.sign_in, key = settings.key, devolutions = complete_devolutions(settings.devolutions, folder),
    binding = binding,
    write_budget = write_budget_of(file, where .. ".write_budget", settings.write_budget),
    programs = settings.programs, folders = {}, managed = complete_managed(settings.managed),
    peers = profile_peers.complete(settings.peers, binding, function(path) return absolute_path(path, folder) end),
  }
  set_state_folder(profile, settings, kind, binding, folder)
  for place, path in pairs(settings.folders) do profile.folders[place] = absolute_path(path, folder) end
  check_profile_addresses(file, where, profile)
  profile_peers.check(profile)
  return profile
end

---------------------------------------------------------------------------
-- Reading a file, and choosing a profile

--- Read the text of a configuration file. Raises "config" when the file belongs to another user, or other users may
--- write it.
---@param file string
---@param was_named boolean? did a person name it?
---@return string
function M.read(file, was_named)
  local text, message, kind = sys.read(file, MOST_BYTES)
  if text then return text end
  local fixes = {
    missing = was_named and hint.text("Correct the path; or make a configuration there: {moonlatch} init --config %s",
      file)
      or hint.text "Make a first one: {moonlatch} init. To try Moonlatch without one, add --emulator to the command.",
    mode = ("Let only its owner write it, because it decides where secrets go: chmod go-w '%s'"):format(file),
    owner = ("Read it, then make it yours, because it decides where secrets go: sudo chown %s '%s'")
      :format(sys.user(), file),
    type = "Name a file with --config FILE.",
    size = "Remove what does not belong there: a configuration is at most 1 MiB of text.",
    link = "Name the file itself with --config FILE: the links lead in a circle.",
    io = path_fix.read(file),
  }
  fail.raise { kind = "config", what = "read the configuration " .. file, why = message, fix = fixes[kind] }
end

local function profile_names(profiles)
  local names = {}
  for name in pairs(profiles) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local function choose_profile_name(file, config, wanted)
  local names = profile_names(config.profiles)
  local name = wanted or config.default or (#names == 1 and names[1])
  if #names == 0 then refuse_profile(file, "profiles", "there is none", hint.text("Add a profile: {moonlatch} init "
    .. "--tenant TENANT")) end
  if not name then
    fail.raise {
      kind = "usage", what = "choose a profile of " .. file, why = "there are several, and none is the default",
      fix = ('Add --profile NAME to the command, with one of %s; or write default = "%s" in the file.')
        :format(table.concat(names, ", "), names[1]),
    }
  end
  if config.profiles[name] then return name end
  local meant = nearest(name, names)
  fail.raise {
    kind = "usage", what = ("choose the profile '%s' of %s"):format(name, file), why = "there is no such profile",
    fix = meant and ("Did you mean '%s'?"):format(meant)
      or ("Name one of the profiles with --profile: %s."):format(table.concat(names, ", ")),
  }
end

--- Evaluate the text of a configuration. The members of the profiles are not checked yet. Raises "config".
---@param text string
---@param file string for messages
---@return { default: string?, profiles: table<string, table> }
function M.evaluate(text, file)
  local config = lua_file.evaluate(text, file, {})
  schema.check(file, "", config, file_rule)
  return config
end

--- Make one of the profiles in the text of a configuration ready for use. Raises "config".
---@param text string
---@param file string the path of the file, which need not exist yet
---@param wanted string? the name of the profile
---@return profile
function M.from_text(text, file, wanted)
  local config = M.evaluate(text, file)
  local name = choose_profile_name(file, config, wanted)
  return complete_profile(file, name, config.profiles[name])
end

--- Read a configuration file and make one of its profiles ready for use.
---@param options profile.options
---@return profile
function M.load(options)
  local file = options.config or M.file()
  return M.from_text(M.read(file, options.config ~= nil), file, options.name)
end

return M
