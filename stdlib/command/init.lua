--- moonlatch init: a first configuration, with a key for what it keeps.

local check = require "profile.check"
local fail = require "fail"
local job = require "cli.job"
local keyring = require "keyring"
local keys = require "profile.key"
local log = require "log"
local profile = require "profile"
local sys = require "host.sys"
local term = require "host.term"

---------------------------------------------------------------------------
-- What is asked

local function ask(question)
  local text = job.is_interactive() and term.read_line(question)
  return text and text:match("%S") and text:match("^%s*(.-)%s*$") or nil
end

local function tenant_of(options)
  local tenant = options.tenant or ask("the tenant (contoso.onmicrosoft.com): ")
  if tenant then return tenant end
  fail.raise {
    kind = "usage", what = "make a first configuration", why = "the tenant (contoso.onmicrosoft.com) is not known",
    fix = "moonlatch init --tenant contoso.onmicrosoft.com",
  }
end

local KEYS = {
  { name = "keyring", help = "your desktop's keyring (Secret Service)" },
  { name = "file", help = "a file that only you can read, beside the configuration" },
  { name = "passphrase", help = "a passphrase that is asked for each time" },
  { name = "credentials_directory", help = "a credential that systemd gives a service" },
}

local function name_list()
  local names = {}
  for i, key in ipairs(KEYS) do names[i] = key.name end
  return table.concat(names, ", ")
end

local function check_key(name)
  for i, key in ipairs(KEYS) do
    if name == key.name or name == tostring(i) then return key.name end
  end
  fail.raise {
    kind = "usage", what = "choose where the key comes from", why = ("'%s' is no such place"):format(name),
    fix = ("There are %s."):format(name_list()),
  }
end

-- Asked where somebody can answer; else a file, and the output says so.
local function key_of(options)
  if options.key then return check_key(options.key) end
  if not job.is_interactive() then return "file" end
  local absent = keyring.absent()
  log.say("\nWhere does the key come from that seals what is kept here?")
  for i, key in ipairs(KEYS) do
    local not_here = key.name == "keyring" and absent and (" (not here: %s)"):format(absent) or ""
    log.say(("  %d  %-22s %s%s"):format(i, key.name, key.help, not_here))
  end
  local default = absent and "file" or "keyring"
  return check_key(ask(("one of them [%s]: "):format(default)) or default)
end

-- contoso.onmicrosoft.com -> contoso
local function name_of(tenant)
  return (tenant:match("^[^.]+"):lower():gsub("%W", "_"))
end

---------------------------------------------------------------------------
-- What is written

local TEMPLATE = [[
-- Profiles for moonlatch: which tenant, how to sign in, what seals what is kept.
-- This file is Lua that only describes; it holds no secrets. Nothing in it was
-- checked against the tenant when it was written: `moonlatch login` does that.
return {
  profiles = {
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
      -- "file", "credentials_directory", "environment", "fd" or "prompt".

      -- The key that seals the journal, the sign-in and sealed secrets. Without it they cannot be
      -- opened by anybody: keep a copy, apart from the state folder.
      key = %s,

      -- Where the client secret goes. One of:
      %s
    },
  },
}
]]

local CLIENT = '-- client_id = "…", -- your own public client, where Microsoft Graph Command Line Tools is not allowed'

local DEVOLUTIONS = [[
devolutions = { server = %q, app_key = "…", app_secret = { from = "sealed" }, vault = "…" },
      -- devolutions = { cloud = "https://contoso.devolutions.app" },]]

local KEY_TEXT = {
  keyring = '{ from = "keyring" }', passphrase = '{ from = "passphrase" }',
  file = '{ from = "file", path = %q }', credentials_directory = '{ from = "credentials_directory", name = %q }',
}

local function devolutions_text(server)
  local text = DEVOLUTIONS:format(server or "https://dvls.contoso.com")
  return server and text or "-- " .. text
end

local function text_of(settings)
  local client = settings.client_id and ("client_id = %q,"):format(settings.client_id) or CLIENT
  return TEMPLATE:format(settings.name, settings.tenant, settings.cloud, client,
    KEY_TEXT[settings.key]:format(settings.name .. ".key"), devolutions_text(settings.devolutions))
end

local function write(path, content)
  local ok, message, kind = sys.write(path, content, "new")
  if ok then return end
  fail.raise {
    kind = kind == "exists" and "conflict" or "config", what = "write the configuration " .. path, why = message,
    fix = kind == "exists" and "Nothing was overwritten. Add a profile to it by hand, or name another with --config."
      or "Let the folder be written, or name another file with --config.",
  }
end

---------------------------------------------------------------------------
-- What is said

local KEY_SAID = {
  file = "%s: the key. Keep a copy, apart from the journal.",
  keyring = "The key is in your keyring (application=moonlatch name='%s'). Keep a copy of it, or of the keyring.",
  passphrase = "The key is made of your passphrase; how, stands in %s/passphrase.json. Nobody can recover it.",
}

local SERVICE = [[
The key is not made yet; it is root's to make, once, on the machine of the service:
  openssl rand -hex 32 >/etc/credstore/NAME      (0600; or encrypted, with systemd-creds encrypt)
and in the unit of the service: LoadCredential=NAME:/etc/credstore/NAME
In the units that are installed it is moonlatch.key; a person acts as they do with: sudo moonlatch-operator]]

local function say_key(made)
  local source = made.key
  if source.from == "credentials_directory" then return log.say((SERVICE:gsub("NAME", source.name))) end
  log.say(KEY_SAID[source.from]:format(source.path or source.name or made.state))
end

---------------------------------------------------------------------------
-- A new file, or what an old one lacks

local function make_new(options, file)
  local tenant = tenant_of(options)
  local settings = {
    name = options.profile or name_of(tenant), tenant = tenant, cloud = options.cloud or "global",
    client_id = options.client_id, devolutions = options.devolutions,
  }
  settings.key = key_of(options)
  local made = check.text(text_of(settings), file)
  keys.make(made)
  sys.mkdir(file:match("^(.*)/[^/]*$") or ".")
  write(file, text_of(settings))
  log.say(file)
  say_key(made)
  log.say("\nRead it and complete it. Next: moonlatch login, then moonlatch plan setup/entra-pam-provider")
  return 0
end

-- A profile that was written by hand may still lack its key.
local function complete(options, file)
  local found = not options.tenant and profile.load { config = options.config, name = options.profile }
  local made = found and found.key and keys.make(found)
  if made then
    say_key(found)
    return 0
  end
  fail.raise {
    kind = "conflict", what = "make a first configuration", why = ("there is one already: %s"):format(file),
    fix = "Add a profile to it by hand, or name another file with --config.",
  }
end

---@type cli.command
return {
  summary = "a first configuration: a profile, and a key for what it keeps",
  details = "Writes a configuration file with comments, and makes the key; asks for what is not said. Where the\n"
    .. "profile is there already and only its key is missing, it makes that.",
  options = {
    { name = "--tenant", value = "TENANT", help = "its domain or GUID" },
    { name = "--cloud", value = "NAME", help = "global (the default), gcc, gcc_high, dod or china" },
    { name = "--client-id", value = "ID", help = "the public client to sign in with, if not Microsoft's own" },
    { name = "--key", value = "FROM", help = "keyring, file, passphrase or credentials_directory" },
    { name = "--devolutions", value = "URL", help = "the Devolutions Server" },
  },
  examples = {
    "moonlatch init", "moonlatch init --tenant contoso.onmicrosoft.com --profile contoso --key keyring",
    "moonlatch init --profile contoso      # the key that this profile names, if there is none yet",
  },

  run = function(options)
    local file = options.config or check.file()
    if sys.stat(file) then return complete(options, file) end
    return make_new(options, file)
  end,
}
