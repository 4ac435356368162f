--- Read the configuration file: check its members, and make a profile from them.

local fail = require "fail"
local hint = require "log.hint"
local lua_file = require "base.lua_file"
local nearest = require "base.nearest"
local path_fix = require "machine.path_fix"
local profile_peers = require "profile.peers"
local profile_rules = require "profile.rules"
local schema = require "base.schema"
local sign_in = require "profile.sign_in"
local source = require "profile.source"
local sys = require "host.sys"
local time = require "time"
local vault_folder = require "base.vault_folder"

local M = {}

local MOST_BYTES = 1 << 20 -- bytes of a configuration file

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

-- The absolute path of the folder of a file, whose own path may be relative.
local function folder_of_file(file)
  local folder = file:match("^(.*)/[^/]*$") or "."
  if folder == "" or folder:sub(1, 1) == "/" then return folder end
  local here = sys.resolve "." or "."
  return folder == "." and here or ("%s/%s"):format(here, (folder:gsub("^%./+", "")))
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

local function without_trailing_slash(url) return (url:gsub("/+$", "")) end

local function graph_address(url)
  url = without_trailing_slash(url)
  return url:match("^%a+://[^/]+/.") and url or url .. "/v1.0"
end

-- The number of changes that Graph allows an application in a tenant (Microsoft Learn: throttling-limits, 2026-02-06).
local WRITE_BUDGET = { writes = 3000, seconds = 150 }

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

local function check_devolutions_cloud(file, where, url)
  if not url or url:match("^https:") then return end
  refuse_profile(file, where, ("%s is not protected by TLS"):format(url), "Write it with https:// at the beginning.")
end

-- The checks of a completed profile that its rules cannot make. Each is a function that raises "config".
local function checks_of_profile(file, where, profile)
  local devolutions = profile.devolutions or {}
  local function address(member, url)
    return function() check_profile_address(file, where .. member, url, profile.kind) end
  end
  local checks = {
    function() check_identity_endpoint(file, where .. ".sign_in.endpoint", profile) end,
    address(".cloud.login", profile.login), address(".cloud.graph", profile.graph),
    address(".devolutions.server", devolutions.server),
    function() check_devolutions_cloud(file, where .. ".devolutions.cloud", devolutions.cloud) end,
  }
  for _, check in ipairs(profile_peers.checks(profile)) do checks[#checks + 1] = check end
  return checks
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

local function place_of_profile(name) return "profiles." .. name end

-- Make a profile from settings that the rules allow. Changes the settings: paths become absolute, and names of secrets
-- are filled in.
local function complete_profile(file, name, settings)
  local folder = folder_of_file(file)
  local function path(value) return absolute_path(value, folder) end
  local cloud = profile_rules.clouds[settings.cloud] or settings.cloud
  local emulator = settings.emulator == true and {} or settings.emulator
  local kind, tenant = emulator and "emulator" or "real", settings.tenant:lower()
  local login = without_trailing_slash(cloud.login)
  local binding = login:match("^%a+://([^/]+)"):gsub(":", "_") .. "/" .. tenant
  sign_in.complete(settings.sign_in, path)
  complete_sources(settings, binding, folder)
  local profile = {
    name = name, file = file, kind = kind, tenant = tenant, login = login, graph = graph_address(cloud.graph),
    ca = path(cloud.ca), proxy = proxy_settings(settings.proxy),
    clock = emulator and path(emulator.clock) or nil,
    strict_certificates = cloud.strict_certificates ~= false,
    sign_in = settings.sign_in, key = settings.key, devolutions = complete_devolutions(settings.devolutions, folder),
    binding = binding,
    write_budget = settings.write_budget == true and WRITE_BUDGET or settings.write_budget or nil,
    programs = settings.programs, folders = {}, managed = complete_managed(settings.managed),
    peers = profile_peers.complete(settings.peers, binding, path),
  }
  set_state_folder(profile, settings, kind, binding, folder)
  for place, given in pairs(settings.folders) do profile.folders[place] = path(given) end
  return profile
end

-- Check the settings of a profile, and make the profile from them. Raises "config".
local function make_profile(file, name, settings)
  local where = place_of_profile(name)
  schema.check(file, where, settings, profile_rules.profile)
  local profile = complete_profile(file, name, settings)
  for _, check in ipairs(checks_of_profile(file, where, profile)) do check() end
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
  schema.check(file, "", config, profile_rules.file)
  return config
end

--- Make one of the profiles in the text of a configuration ready for use. Raises "config".
---@param text string
---@param file string the path of the file, which need not exist yet
---@param wanted string? the name of the profile
---@return profile
---@return table settings the members of the profile, with defaults, absolute paths and names of secrets filled in
function M.from_text(text, file, wanted)
  local config = M.evaluate(text, file)
  local name = choose_profile_name(file, config, wanted)
  local settings = config.profiles[name]
  return make_profile(file, name, settings), settings
end

---------------------------------------------------------------------------
-- Everything that is wrong

-- Call the function. What it raises as a failure is added to the list as a violation.
local function collect_failure(list, file, fn, ...)
  local ok, failure = pcall(fn, ...)
  if ok then return failure end
  if not fail.is(failure) then error(failure, 0) end
  local is_of_member = failure.what:sub(1, #file + 2) == file .. ": "
  list[#list + 1] = { where = is_of_member and failure.what:sub(#file + 3) or "", why = failure.why, fix = failure.fix }
end

local function collect_violations_of_profile(list, file, name, settings)
  local violations = schema.violations(file, place_of_profile(name), settings, profile_rules.profile)
  table.move(violations, 1, #violations, #list + 1, list)
  if #violations > 0 then return end
  local profile = complete_profile(file, name, settings)
  for _, check in ipairs(checks_of_profile(file, place_of_profile(name), profile)) do
    collect_failure(list, file, check)
  end
end

--- Everything that is wrong with the text of a configuration, in all its profiles. No file that it names is looked at.
---@param text string
---@param file string the path of the file
---@return base.schema.violation[] violations
---@return string[] profiles the names of the profiles that were checked
function M.violations(text, file)
  local list = {}
  local config = collect_failure(list, file, lua_file.evaluate, text, file, {})
  if #list > 0 then return list, {} end
  list = schema.violations(file, "", config, profile_rules.file)
  if #list > 0 then return list, {} end
  local names = profile_names(config.profiles)
  if config.default and not config.profiles[config.default] then
    local meant = nearest(config.default, names)
    list[1] = { where = "default", why = ("there is no profile '%s'"):format(config.default),
      fix = meant and ("Did you mean '%s'?"):format(meant) or "Name one of the profiles, or remove `default`." }
  end
  for _, name in ipairs(names) do collect_violations_of_profile(list, file, name, config.profiles[name]) end
  return list, names
end

---------------------------------------------------------------------------
-- Loading

--- Read a configuration file and make one of its profiles ready for use.
---@param options profile.options
---@return profile
function M.load(options)
  local file = options.config or M.file()
  return M.from_text(M.read(file, options.config ~= nil), file, options.name)
end

return M
