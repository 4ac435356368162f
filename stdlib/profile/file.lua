--- Read the configuration file: what it may contain, and what that means.

local fail = require "fail"
local lua_file = require "base.lua_file"
local nearest = require "base.nearest"
local schema = require "base.schema"
local sign_in = require "profile.sign_in"
local source = require "profile.source"
local sys = require "host.sys"
local vault_folder = require "base.vault_folder"

local M = {}

local LIMIT = 1 << 20 -- bytes of a configuration file

-- The login and Graph hosts of each cloud (Microsoft Learn: Graph's "deployments" page; login hosts from MSAL). GCC
-- uses the global ones.
local CLOUDS = {
  global = { login = "https://login.microsoftonline.com", graph = "https://graph.microsoft.com" },
  gcc = { login = "https://login.microsoftonline.com", graph = "https://graph.microsoft.com" },
  gcc_high = { login = "https://login.microsoftonline.us", graph = "https://graph.microsoft.us" },
  dod = { login = "https://login.microsoftonline.us", graph = "https://dod-graph.microsoft.us" },
  china = { login = "https://login.partner.microsoftonline.cn", graph = "https://microsoftgraph.chinacloudapi.cn" },
}

local function check_url(value)
  if value:match("^%a+://[^/]*@") then return "a URL carries no user or password here" end
  if not (value .. "/"):match("^https?://[^/%s?#@]+/[^%s?#]*$") then
    return ('"%s" is not a URL of the form https://host'):format(value)
  end
end

local url_rule = { type = "string", check = check_url }

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
    if (devolutions.server == nil) == (devolutions.cloud == nil) then return "it needs either server or cloud" end
    if devolutions.server and not (devolutions.app_key and devolutions.app_secret) then
      return "server needs app_key and app_secret"
    end
  end,
}

local function check_tenant(value)
  if not value:match("^[%w][%w.-]*$") then return ('"%s" is neither a domain nor a GUID'):format(value) end
  if value == "common" or value == "organizations" or value == "consumers" then
    return ('"%s" stands for many tenants; name one, by its domain or GUID'):format(value)
  end
end

-- Programs and folders are used by these names.
local function check_names(named)
  for name in pairs(named) do
    if type(name) ~= "string" or not name:match("^[%w_-]+$") or #name > 64 then
      return ("'%s' is no name: letters, digits, - and _"):format(tostring(name))
    end
  end
end

local program_rule = { type = "table", each = { type = "string" }, check = function(words)
  if #words == 0 or not words[1]:match("^/") then return "it begins with the program's absolute path" end
  if #words > 64 then return "it has more than 64 words" end
end }

local profile_rule = {
  type = "table",
  members = {
    tenant = { type = "string", required = true, check = check_tenant },
    cloud = { type = { "string", "table" }, default = "global" },
    proxy = url_rule,
    emulator = { type = { "boolean", "table" }, default = false },
    sign_in = sign_in.rule(source.rule),
    key = source.key_rule,
    devolutions = devolutions_rule,
    state = { type = "string" },
    write_budget = { type = { "boolean", "table" }, default = true },
    programs = { type = "table", default = {}, each = program_rule, check = check_names },
    folders = { type = "table", default = {}, each = { type = "string" }, check = check_names },
  },
}

-- The number of changes that Graph allows an application in a tenant (Microsoft Learn: throttling-limits, 2026-02-06).
local WRITE_BUDGET = { writes = 3000, seconds = 150 }

local function check_positive(value)
  if value <= 0 then return "it has to be more than none" end
end

local write_budget_rule = {
  type = "table",
  members = {
    writes = { type = "number", required = true, check = check_positive },
    seconds = { type = "number", required = true, check = check_positive },
  },
}

local cloud_rule = {
  type = "table",
  members = {
    login = { type = "string", required = true, check = check_url },
    graph = { type = "string", required = true, check = check_url },
    ca = { type = "string" },
    strict_certificates = { type = "boolean", default = true },
  },
}

local emulator_rule = { type = "table", members = { clock = { type = "string" } } }

local file_rule = {
  type = "table",
  members = {
    default = { type = "string" },
    profiles = { type = "table", required = true, each = { type = "table" } },
  },
}

---------------------------------------------------------------------------
-- Paths

local function home()
  return sys.getenv("HOME") or fail.raise {
    kind = "config", what = "find your folders", why = "the environment variable HOME is not set",
    fix = "Set HOME, or name the files: --config FILE, and state in the profile.",
  }
end

local function base(variable, below_home)
  local path = sys.getenv(variable)
  if path and path:sub(1, 1) == "/" then return path end -- XDG: a relative path is ignored
  return home() .. below_home
end

--- The folder of our configuration: $XDG_CONFIG_HOME/moonlatch.
---@return string
function M.folder()
  return base("XDG_CONFIG_HOME", "/.config") .. "/moonlatch"
end

--- The configuration file, unless another is named.
---@return string
function M.file()
  return M.folder() .. "/moonlatch.lua"
end

--- The folder of what we keep between runs: $XDG_STATE_HOME/moonlatch.
---@return string
function M.state_folder()
  return base("XDG_STATE_HOME", "/.local/state") .. "/moonlatch"
end

-- A relative path in the file is relative to the file's folder.
local function resolve(path, folder)
  if path == nil or path:sub(1, 1) == "/" then return path end
  if path:sub(1, 2) == "~/" then return home() .. path:sub(2) end
  return folder .. "/" .. path
end

-- Fill in the sources of secrets.
local function settle_sources(given, binding, folder)
  local function path(value) return resolve(value, folder) end
  source.settle(given.key, "key", binding, path)
  source.settle(given.sign_in.secret, "client-secret", binding, path)
  source.settle(given.sign_in.certificate and given.sign_in.certificate.passphrase, "certificate-passphrase", binding,
    path)
  if given.devolutions then source.settle(given.devolutions.app_secret, "devolutions-secret", binding, path) end
end

---------------------------------------------------------------------------
-- From the file's text to a profile

local function host_of(url)
  return url:match("^%a+://(%[[^%]]*%])") or url:match("^%a+://([^:/]+)")
end

local function is_loopback(url)
  local host = host_of(url):lower()
  return host == "localhost" or host == "[::1]" or host:match("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function raise(file, where, why, fix)
  fail.raise { kind = "config", what = ("%s: %s"):format(file, where), why = why, fix = fix }
end

-- The profile of an emulator reaches loopback only, a real one never does, and both only over TLS.
local function check_reach(file, where, url, kind)
  if url == nil then return end
  if kind == "emulator" and not is_loopback(url) then
    raise(file, where, ("an emulator's profile may only reach this machine, and %s is elsewhere"):format(url),
      "Use a profile without `emulator` for a real tenant.")
  elseif kind == "real" and is_loopback(url) then
    raise(file, where, ("a real profile may not reach this machine (%s)"):format(url),
      "Add emulator = true when this is an emulator.")
  elseif kind == "real" and not url:match("^https:") then
    raise(file, where, ("%s is not protected by TLS"):format(url), "Use https.")
  end
end

local function cloud_of(file, where, cloud)
  if type(cloud) == "table" then
    schema.check(file, where, cloud, cloud_rule)
    return cloud
  end
  if CLOUDS[cloud] then return CLOUDS[cloud] end
  local meant = nearest(cloud, CLOUDS)
  raise(file, where, ('"%s" is no cloud that is known'):format(cloud), meant and ('Did you mean "%s"?'):format(meant)
    or "There are global, gcc, gcc_high, dod and china; any other by { login = …, graph = … }.")
end

local function without_slash(url) return (url:gsub("/+$", "")) end

local function graph_base(url)
  url = without_slash(url)
  return url:match("^%a+://[^/]+/.") and url or url .. "/v1.0"
end

local function emulator_of(file, where, emulator)
  if emulator == true then return {} end
  if type(emulator) == "table" then
    schema.check(file, where, emulator, emulator_rule)
    return emulator
  end
end

-- nil: no limit
local function budget_of(file, where, budget)
  if budget == true then return WRITE_BUDGET end
  if type(budget) == "table" then
    schema.check(file, where, budget, write_budget_rule)
    return budget
  end
end

local function state_of(given, kind, binding, folder)
  if given.state then return resolve(given.state, folder) end
  if kind == "emulator" then return folder .. "/state" end
  return M.state_folder() .. "/" .. binding
end

-- The address of managed identities is fixed; only an emulator's profile may name another.
local function check_endpoint(file, where, profile)
  local endpoint = profile.sign_in.endpoint
  if endpoint and profile.kind == "real" then
    raise(file, where, "it is for an emulator's profile only",
      "Leave it out: a machine's endpoint is known, and a service's stands in its environment.")
  end
  check_reach(file, where, endpoint, profile.kind)
end

local function check_reaches(file, where, profile)
  check_endpoint(file, where .. ".sign_in.endpoint", profile)
  check_reach(file, where .. ".cloud.login", profile.login, profile.kind)
  check_reach(file, where .. ".cloud.graph", profile.graph, profile.kind)
  local devolutions = profile.devolutions or {}
  check_reach(file, where .. ".devolutions.server", devolutions.server, profile.kind)
  if devolutions.cloud and not devolutions.cloud:match("^https:") then
    raise(file, where .. ".devolutions.cloud", ("%s is not protected by TLS"):format(devolutions.cloud), "Use https.")
  end
end

local function settle_devolutions(devolutions, folder)
  if not devolutions then return nil end
  devolutions.ca = resolve(devolutions.ca, folder)
  devolutions.path = devolutions.path and vault_folder.canonical(devolutions.path)
  devolutions.server = devolutions.server and without_slash(devolutions.server)
  devolutions.cloud = devolutions.cloud and without_slash(devolutions.cloud)
  return devolutions
end

local function settle(file, name, given)
  local folder, where = file:match("^(.*)/[^/]*$") or ".", "profiles." .. name
  schema.check(file, where, given, profile_rule)
  local cloud = cloud_of(file, where .. ".cloud", given.cloud)
  local emulator = emulator_of(file, where .. ".emulator", given.emulator)
  local kind, login, tenant = emulator and "emulator" or "real", without_slash(cloud.login), given.tenant:lower()
  local binding = login:match("^%a+://([^/]+)"):gsub(":", "_") .. "/" .. tenant
  sign_in.settle(given.sign_in, function(path) return resolve(path, folder) end)
  settle_sources(given, binding, folder)
  local profile = {
    name = name, file = file, kind = kind, tenant = tenant, login = login, graph = graph_base(cloud.graph),
    ca = resolve(cloud.ca, folder), proxy = given.proxy, clock = emulator and resolve(emulator.clock, folder),
    strict_certificates = cloud.strict_certificates ~= false,
    sign_in = given.sign_in, key = given.key, devolutions = settle_devolutions(given.devolutions, folder),
    state = state_of(given, kind, binding, folder), binding = binding,
    write_budget = budget_of(file, where .. ".write_budget", given.write_budget),
    programs = given.programs, folders = {},
  }
  for place, path in pairs(given.folders) do profile.folders[place] = resolve(path, folder) end
  check_reaches(file, where, profile)
  return profile
end

---------------------------------------------------------------------------
-- Choosing

--- Read a configuration file. Raises "config" when it is not ours, or others may write it.
---@param file string
---@param named boolean? did a person name it?
---@return string
function M.read(file, named)
  local text, message, kind = sys.read(file, LIMIT)
  if text then return text end
  local fixes = {
    missing = named and ("Check the path; `moonlatch init --config %s` makes one there."):format(file)
      or "`moonlatch init` makes a first one; `--emulator` needs none.",
    mode = ("It decides where secrets go, so only you may write it: chmod go-w '%s'."):format(file),
  }
  fail.raise { kind = "config", what = "read the configuration " .. file, why = message, fix = fixes[kind] }
end

local function names_of(profiles)
  local names = {}
  for name in pairs(profiles) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local function choose(file, config, wanted)
  local names = names_of(config.profiles)
  local name = wanted or config.default or (#names == 1 and names[1])
  if #names == 0 then raise(file, "profiles", "there is none", "`moonlatch init` shows how one looks.") end
  if not name then
    fail.raise {
      kind = "usage", what = "choose a profile of " .. file, why = "there are several, and none is the default",
      fix = ("Say --profile NAME (%s), or set default = \"NAME\" in the file."):format(table.concat(names, ", ")),
    }
  end
  if config.profiles[name] then return name end
  local meant = nearest(name, names)
  fail.raise {
    kind = "usage", what = ("choose the profile '%s' of %s"):format(name, file), why = "there is no such profile",
    fix = meant and ("Did you mean '%s'?"):format(meant) or ("There are: %s."):format(table.concat(names, ", ")),
  }
end

--- The profiles that a configuration's text describes, checked as far as the rules are the same for all.
---@param text string
---@param file string for messages
---@return { default: string?, profiles: table<string, table> }
function M.described(text, file)
  local config = lua_file.evaluate(text, file, {})
  schema.check(file, "", config, file_rule)
  return config
end

--- The profile that a configuration's text describes.
---@param text string
---@param file string the path at which it is or will be
---@param wanted string? name of the profile
---@return profile
function M.text(text, file, wanted)
  local config = M.described(text, file)
  local name = choose(file, config, wanted)
  return settle(file, name, config.profiles[name])
end

--- Read a configuration file and make one of its profiles ready for use.
---@param options profile.options
---@return profile
function M.load(options)
  local file = options.config or M.file()
  return M.text(M.read(file, options.config ~= nil), file, options.name)
end

return M
