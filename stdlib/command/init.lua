--- moonlatch init: write a configuration, or add a profile to it, and make its key.

local devolutions_address = require "base.devolutions_address"
local fail = require "fail"
local insert = require "profile.insert"
local keyring = require "machine.keyring"
local log = require "log"
local profile_file = require "profile.file"
local profile_key = require "profile.key"
local profiles = require "profile.current"
local sys = require "host.sys"
local template = require "profile.template"
local term = require "host.term"
local workflow_command = require "cli.workflow_command"

---------------------------------------------------------------------------
-- What is asked

local function ask(question)
  local text = workflow_command.is_interactive() and term.read_line(question)
  return text and text:match("%S") and text:match("^%s*(.-)%s*$") or nil
end

local function tenant_of(options)
  local tenant = options.tenant or ask "the tenant, for example contoso.onmicrosoft.com: "
  if tenant then return tenant end
  fail.raise {
    kind = "usage", what = "make a first configuration", why = "the tenant (contoso.onmicrosoft.com) is not known",
    fix = "moonlatch init --tenant contoso.onmicrosoft.com",
  }
end

local KEYS = {
  { name = "keyring", help = "the keyring of your desktop (Secret Service)" },
  { name = "file", help = "a file that only you can read, beside the configuration" },
  { name = "passphrase", help = "a passphrase, which you type each time" },
  { name = "credentials_directory", help = "a credential that systemd gives to a service" },
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
    kind = "usage", what = "choose where the key comes from", why = ("'%s' is not one of the choices"):format(name),
    fix = ("There are %s."):format(name_list()),
  }
end

-- Asked where somebody can answer; else a file, and the output says so.
local function key_of(options)
  if options.key then return check_key(options.key) end
  if not workflow_command.is_interactive() then return "file" end
  local absent = keyring.why_absent()
  log.say("\nWhere does the key come from that seals what is kept here?")
  for i, key in ipairs(KEYS) do
    local not_here = key.name == "keyring" and absent and (" (not here: %s)"):format(absent) or ""
    log.prose(("  %d  %-22s %s%s"):format(i, key.name, key.help, not_here))
  end
  local default = absent and "file" or "keyring"
  return check_key(ask(("one of them [%s]: "):format(default)) or default)
end

local KINDS = {
  { name = "cloud", help = "Devolutions Cloud", example = "https://contoso.devolutions.app" },
  { name = "server", help = "Devolutions Server", example = "https://dvls.contoso.com" },
  { name = "neither", help = "none of them, or not yet" },
}

local function kind_of(answer)
  for i, kind in ipairs(KINDS) do
    if answer == kind.name or answer == tostring(i) then return kind end
  end
  fail.raise {
    kind = "usage", what = "choose which Devolutions manages the accounts", why = ("'%s' is none"):format(answer),
    fix = "There are cloud, server, neither.",
  }
end

-- An address of the one and not of the other.
local function check_address(kind, url)
  if devolutions_address.is_cloud(url) == (kind.name == "cloud") then return url end
  fail.raise {
    kind = "usage", what = ("take '%s' as the address of %s"):format(url, kind.help),
    why = kind.name == "cloud" and "an address of Devolutions Cloud is https://ORGANISATION.devolutions.app"
      or "it is an address of Devolutions Cloud",
    fix = "Run it again with the other answer, or with --devolutions URL.",
  }
end

local function raise_no_address(kind)
  fail.raise {
    kind = "usage", what = "make a profile for " .. kind.help, why = "its address was not given",
    fix = "Run it again; or without an address answer 'neither', and put it into the file later.",
  }
end

-- The address, where somebody can be asked; nil: none.
local function devolutions_of(options)
  if options.devolutions or not workflow_command.is_interactive() then return options.devolutions end
  log.say("\nWhich Devolutions manages the privileged accounts?")
  for i, kind in ipairs(KINDS) do
    log.say(("  %d  %-8s %s%s"):format(i, kind.name, kind.help, kind.example and (" (%s)"):format(kind.example) or ""))
  end
  local kind = kind_of(ask "one of them [neither]: " or "neither")
  if not kind.example then return nil end
  local url = ask(("its address, for example %s: "):format(kind.example)) or raise_no_address(kind)
  return check_address(kind, url:find("://", 1, true) and url or "https://" .. url)
end

-- contoso.onmicrosoft.com -> contoso
local function name_of(tenant)
  return (tenant:match("^[^.]+"):lower():gsub("%W", "_"))
end

---------------------------------------------------------------------------
-- What is written

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

local NEXT = {
  { "login", " --for setup/entra-pam-provider", "optional: stay signed in" },
  { "handover", "", "what Devolutions has to have" },
  { "plan", " setup/entra-pam-provider", "what apply would change" },
}

-- The file of its key and the folder of its state are named after it.
local function check_name(name)
  if name:match "^[%w_][%w_.-]*$" then return name end
  fail.raise {
    kind = "usage", what = ("name a profile '%s'"):format(name),
    why = "the file of its key is named after it, and this is no plain name",
    fix = "Use letters, digits, _, - and . in it.",
  }
end

local function settings_of(options)
  local tenant = tenant_of(options)
  local settings = {
    name = check_name(options.profile or name_of(tenant)), tenant = tenant, cloud = options.cloud or "global",
    client_id = options.client_id,
  }
  settings.key, settings.devolutions = key_of(options), devolutions_of(options)
  return settings
end

-- `more`: which profile and file, where that is not the only one.
local function say_done(options, file, made, more)
  more = more .. (options.config and " --config " .. options.config or "")
  log.say(file .. ": the configuration. " .. (made.devolutions and made.devolutions.server
    and "Complete `devolutions` in it: app_key and vault." or "Read it."))
  say_key(made)
  log.say "\nNext:"
  for _, one in ipairs(NEXT) do
    if one[1] ~= "handover" or made.devolutions then
      log.prose(("  %-46s  %s"):format("moonlatch " .. one[1] .. one[2] .. more, one[3]))
    end
  end
  return 0
end

local function make_new(options, file)
  local settings = settings_of(options)
  local text = template.file(settings)
  local made = profile_file.text(text, file)
  profile_key.make(made)
  sys.mkdir(file:match("^(.*)/[^/]*$") or ".")
  write(file, text)
  return say_done(options, file, made, "")
end

local function raise_by_hand(file, name, text)
  log.say(text)
  fail.raise {
    kind = "conflict", what = ("add the profile '%s' to %s"):format(name, file),
    why = "the file is not of the form return { profiles = { … } }, so the right place is not certain",
    fix = "Nothing was changed. Put the lines above among its profiles by hand.",
  }
end

-- One profile more, in a file that is a person's.
local function add(options, file)
  local old = profile_file.read(file)
  local settings = settings_of(options)
  local text = template.profile(settings)
  local new = insert.added(old, file, settings.name, text) or raise_by_hand(file, settings.name, text)
  local made = profile_file.text(new, file, settings.name)
  profile_key.make(made)
  insert.write(file, old, new)
  if not profile_file.described(new, file).default then
    log.say(('There are several profiles now: say which with --profile, or set default = "NAME" in the file.'))
  end
  return say_done(options, file, made, " --profile " .. settings.name)
end

-- The key that a profile written by hand may still lack. Was one made?
local function complete(options)
  local found = profiles.load { config = options.config, name = options.profile }
  local made = found.key and profile_key.make(found)
  if made then say_key(found) end
  return made
end

local function is_new(options, file)
  return options.tenant ~= nil
    or options.profile ~= nil and profile_file.described(profile_file.read(file), file).profiles[options.profile] == nil
end

local function look_at(options, file)
  if is_new(options, file) then return add(options, file) end
  if complete(options) then return 0 end
  local question = ("There is a configuration already: %s. Add another profile to it?"):format(file)
  if workflow_command.is_interactive() and workflow_command.ask(question) then return add(options, file) end
  fail.raise {
    kind = "conflict", what = "make a first configuration", why = ("it exists already: %s"):format(file),
    fix = "To add a profile to it: moonlatch init --tenant TENANT. Or name another file with --config.",
  }
end

---@type cli.command
return {
  summary = "write a configuration, or add a profile to it, and make the key of its journal",
  details = "Writes a configuration file with comments, and makes the key; asks for what no option says. When the\n"
    .. "file exists, the profile is added to it, and nothing else in it changes. When the profile exists and\n"
    .. "only its key is missing, the key is made.",
  options = {
    { name = "--tenant", value = "TENANT", help = "domain or GUID of the tenant" },
    { name = "--cloud", value = "NAME", help = "global (the default), gcc, gcc_high, dod or china" },
    { name = "--client-id", value = "ID",
      help = "client id of the public client to sign in with; by default Microsoft's own" },
    { name = "--key", value = "FROM", help = "keyring, file, passphrase or credentials_directory" },
    { name = "--devolutions", value = "URL",
      help = "address of the Devolutions Server, or https://ORGANISATION.devolutions.app" },
  },
  examples = {
    "moonlatch init", "moonlatch init --tenant contoso.onmicrosoft.com --profile contoso --key keyring",
    "moonlatch init --tenant fabrikam.com --devolutions https://fabrikam.devolutions.app",
    "moonlatch init --profile contoso      # the key that this profile names, if there is none yet",
  },

  run = function(options)
    local file = options.config or profile_file.file()
    if sys.stat(file) then return look_at(options, file) end
    return make_new(options, file)
  end,
}
