--- moonlatch init: write a configuration, or add a profile to it, and make its key.

local devolutions_address = require "base.devolutions_address"
local fail = require "fail"
local hint = require "log.hint"
local insert = require "profile.insert"
local keyring = require "machine.keyring"
local log = require "log"
local new_file = require "machine.new_file"
local profile_file = require "profile.file"
local profile_key = require "profile.key"
local profiles = require "profile.current"
local replace = require "profile.replace"
local sys = require "host.sys"
local template = require "profile.template"
local term = require "host.term"
local workflow_command = require "cli.workflow_command"

---------------------------------------------------------------------------
-- Questions

-- Ask a question, when a person can be asked; nil without an answer.
local function ask_if_interactive(question)
  local text = workflow_command.is_interactive() and term.read_line(question)
  return text and text:match("%S") and text:match("^%s*(.-)%s*$") or nil
end

local function choose_tenant(options)
  local tenant = options.tenant or ask_if_interactive "the tenant, for example contoso.onmicrosoft.com: "
  if tenant then return tenant end
  fail.raise {
    kind = "usage", what = "make a first configuration", why = "no tenant was given",
    fix = hint.text "Name your tenant by its domain: {moonlatch} init --tenant contoso.onmicrosoft.com",
  }
end

local KEY_SOURCES = {
  { name = "keyring", help = "the keyring of your desktop (Secret Service)" },
  { name = "file", help = "a file that only you can read, beside the configuration" },
  { name = "passphrase", help = "a passphrase, which you type each time" },
  { name = "credentials_directory", help = "a credential that systemd gives to a service" },
}

local function key_source_names()
  local names = {}
  for i, key in ipairs(KEY_SOURCES) do names[i] = key.name end
  return table.concat(names, ", ")
end

local function check_key_source(name)
  for i, key in ipairs(KEY_SOURCES) do
    if name == key.name or name == tostring(i) then return key.name end
  end
  fail.raise {
    kind = "usage", what = "choose where the key comes from", why = ("'%s' is not one of the choices"):format(name),
    fix = hint.text("Choose one of %s: {moonlatch} init --key file.", key_source_names()),
  }
end

-- The source of the key: the option, else the answer of the person; "file" when no person can be asked.
local function choose_key_source(options)
  if options.key then return check_key_source(options.key) end
  if not workflow_command.is_interactive() then return "file" end
  local absent = keyring.why_absent()
  log.prose("\nWhere is the key that seals the journal and the secrets?")
  for i, key in ipairs(KEY_SOURCES) do
    local not_here = key.name == "keyring" and absent and (" (not here: %s)"):format(absent) or ""
    log.prose(("  %d  %-22s %s%s"):format(i, key.name, key.help, not_here))
  end
  local default = absent and "file" or "keyring"
  return check_key_source(ask_if_interactive(("one of them [%s]: "):format(default)) or default)
end

local DEVOLUTIONS_KINDS = {
  { name = "cloud", help = "Devolutions Cloud", example = "https://contoso.devolutions.app" },
  { name = "server", help = "Devolutions Server", example = "https://dvls.contoso.com" },
  { name = "neither", help = "none of them, or not yet" },
}

local function devolutions_kind(answer)
  for i, kind in ipairs(DEVOLUTIONS_KINDS) do
    if answer == kind.name or answer == tostring(i) then return kind end
  end
  fail.raise {
    kind = "usage", what = "choose which Devolutions manages the accounts",
    why = ("'%s' is not one of the choices"):format(answer),
    fix = hint.text "Run {moonlatch} init again, and answer cloud, server or neither.",
  }
end

-- Check that the address belongs to this kind of Devolutions.
local function check_devolutions_address(kind, url)
  if devolutions_address.is_cloud(url) == (kind.name == "cloud") then return url end
  fail.raise {
    kind = "usage", what = ("take '%s' as the address of %s"):format(url, kind.help),
    why = kind.name == "cloud" and "an address of Devolutions Cloud is https://ORGANISATION.devolutions.app"
      or "it is an address of Devolutions Cloud",
    fix = kind.name == "cloud" and hint.text("Run {moonlatch} init again, and type the address of your organisation; "
      .. "or answer server.")
      or hint.text "Run {moonlatch} init again, and answer cloud.",
  }
end

local function raise_no_devolutions_address(kind)
  fail.raise {
    kind = "usage", what = "make a profile for " .. kind.help, why = "its address was not given",
    fix = hint.text("Run {moonlatch} init again, and type the address (%s); or answer 'neither', and add devolutions "
      .. "= { … } to the profile later.", kind.example),
  }
end

-- The address of Devolutions: the option, else the answer of the person; nil for none.
local function choose_devolutions_address(options)
  if options.devolutions or not workflow_command.is_interactive() then return options.devolutions end
  log.prose("\nWhich Devolutions manages the privileged accounts?")
  for i, kind in ipairs(DEVOLUTIONS_KINDS) do
    local example = kind.example and (" (%s)"):format(kind.example) or ""
    log.prose(("  %d  %-8s %s%s"):format(i, kind.name, kind.help, example))
  end
  local kind = devolutions_kind(ask_if_interactive "one of them [neither]: " or "neither")
  if not kind.example then return nil end
  local url = ask_if_interactive(("its address, for example %s: "):format(kind.example))
    or raise_no_devolutions_address(kind)
  return check_devolutions_address(kind, url:find("://", 1, true) and url or "https://" .. url)
end

-- contoso.onmicrosoft.com -> contoso
local function profile_name_of_tenant(tenant)
  return (tenant:match("^[^.]+"):lower():gsub("%W", "_"))
end

---------------------------------------------------------------------------
-- Files

local function write_configuration(path, content)
  new_file.write(path, content, {
    what = "write the configuration " .. path, otherwise = "name another file with --config FILE",
    exists = "Nothing was overwritten. Run the same command again: it adds the profile to that file.",
  })
end

---------------------------------------------------------------------------
-- Messages

local KEY_MESSAGES = {
  file = "%s: the key. Keep a copy, apart from the journal.",
  keyring = "The key is in your keyring (application=moonlatch name='%s'). Keep a copy of it, or of the keyring.",
  passphrase = "The key is derived from your passphrase, with the parameters in %s/passphrase.json. Nobody can recover "
    .. "the passphrase.",
}

local SERVICE_KEY_MESSAGE = [[
The key is not made yet. Root makes it once, on the machine of the service, with mode 0600 (or
encrypted, with systemd-creds encrypt):
  openssl rand -hex 32 >/etc/credstore/NAME
and in the unit of the service:
  LoadCredential=NAME:/etc/credstore/NAME
The installed units call it moonlatch.key. To act as the service: sudo moonlatch-operator]]

local function print_key_message(made)
  local source = made.key
  if source.from == "credentials_directory" then return log.prose((SERVICE_KEY_MESSAGE:gsub("NAME", source.name))) end
  log.prose(KEY_MESSAGES[source.from]:format(source.path or source.name or made.state))
end

---------------------------------------------------------------------------
-- Making a file, a profile, a key

local NEXT_STEPS = {
  { "login", " --for setup/entra-pam-provider", "optional: stay signed in" },
  { "handover", "", "what has to be done in Devolutions" },
  { "plan", " setup/entra-pam-provider", "what apply would change" },
}

-- Check the name of a profile. The file of the key is named after the profile, so the name has no special characters.
local function check_new_profile_name(name)
  if name:match "^[%w_][%w_.-]*$" then return name end
  fail.raise {
    kind = "usage", what = ("name a profile '%s'"):format(name),
    why = "the file of its key has this name, so the name may not have special characters",
    fix = hint.text "Choose a name of letters, digits, _, - and . for --profile: {moonlatch} init --profile contoso.",
  }
end

local function choose_profile_settings(options)
  local tenant = choose_tenant(options)
  local settings = {
    name = check_new_profile_name(options.profile or profile_name_of_tenant(tenant)), tenant = tenant,
    cloud = options.cloud or "global",
    client_id = options.client_id,
  }
  settings.key, settings.devolutions = choose_key_source(options), choose_devolutions_address(options)
  return settings
end

-- `more`: the options that later commands need, --profile and --config.
local function print_made_profile(options, file, made, more)
  more = more .. (options.config and " --config " .. options.config or "")
  log.prose(file .. ": the configuration. " .. (made.devolutions and made.devolutions.server
    and "Complete `devolutions` in it: app_key and vault." or "Read it."))
  print_key_message(made)
  log.prose "\nNext:"
  for _, next_step in ipairs(NEXT_STEPS) do
    if next_step[1] ~= "handover" or made.devolutions then
      log.command(("  %-46s  # %s"):format("moonlatch " .. next_step[1] .. next_step[2] .. more, next_step[3]))
    end
  end
  return 0
end

local function make_configuration(options, file)
  local settings = choose_profile_settings(options)
  local text = template.file(settings)
  local made = profile_file.from_text(text, file)
  profile_key.make(made)
  sys.mkdir(file:match("^(.*)/[^/]*$") or ".")
  write_configuration(file, text)
  return print_made_profile(options, file, made, "")
end

local function raise_unknown_form(file, name, text)
  log.say(text)
  fail.raise {
    kind = "conflict", what = ("add the profile '%s' to %s"):format(name, file),
    why = "the file is not of the form return { profiles = { … } }, so the position of a new profile is not certain",
    fix = "Nothing was changed. Insert the lines above into its profiles by hand.",
  }
end

-- Add a profile to an existing configuration.
local function add_profile(options, file)
  local old = profile_file.read(file)
  local settings = choose_profile_settings(options)
  local text = template.profile(settings)
  local new = insert.add_profile(old, file, settings.name, text) or raise_unknown_form(file, settings.name, text)
  local made = profile_file.from_text(new, file, settings.name)
  profile_key.make(made)
  replace.write(file, old, new)
  if not profile_file.evaluate(new, file).default then
    log.prose('There are several profiles now: choose one with --profile, or set default = "NAME" in the file.')
  end
  return print_made_profile(options, file, made, " --profile " .. settings.name)
end

-- Make the key of a profile that was written by hand, when the key is missing. Was a key made?
local function make_missing_key(options)
  local found = profiles.load { config = options.config, name = options.profile }
  local made = found.key and profile_key.make(found)
  if made then print_key_message(found) end
  return made
end

local function is_new_profile(options, file)
  return options.tenant ~= nil
    or options.profile ~= nil and profile_file.evaluate(profile_file.read(file), file).profiles[options.profile] == nil
end

local function extend_configuration(options, file)
  if is_new_profile(options, file) then return add_profile(options, file) end
  if make_missing_key(options) then return 0 end
  local question = ("There is a configuration already: %s. Add another profile to it?"):format(file)
  if workflow_command.is_interactive() and workflow_command.ask_yes_or_no(question) then
    return add_profile(options, file)
  end
  fail.raise {
    kind = "conflict", what = "make a first configuration", why = ("it exists already: %s"):format(file),
    fix = hint.text("To add a profile to it: {moonlatch} init --tenant TENANT. To make another file: {moonlatch} "
      .. "init --config FILE."),
  }
end

local function run_init_command(options)
  local file = options.config or profile_file.file()
  if sys.stat(file) then return extend_configuration(options, file) end
  return make_configuration(options, file)
end

---@type cli.command
return {
  summary = "write a configuration, or add a profile to it, and make the key of its journal",
  details = "Writes a configuration file with comments, and makes the key. Asks for settings that no option gives.\n"
    .. "When the file exists, the profile is added to it, and nothing else in it changes. When the profile\n"
    .. "exists and only its key is missing, the key is made.",
  options = {
    { name = "--tenant", value = "TENANT", help = "domain or GUID of the tenant" },
    { name = "--cloud", value = "NAME", help = "global (the default), gcc, gcc_high, dod or china",
      complete = { "global", "gcc", "gcc_high", "dod", "china" } },
    { name = "--client-id", value = "ID",
      help = "client id of the public client to sign in with; by default Microsoft's own" },
    { name = "--key", value = "FROM", help = "keyring, file, passphrase or credentials_directory",
      complete = { "keyring", "file", "passphrase", "credentials_directory" } },
    { name = "--devolutions", value = "URL",
      help = "address of the Devolutions Server, or https://ORGANISATION.devolutions.app" },
  },
  examples = {
    "moonlatch init", "moonlatch init --tenant contoso.onmicrosoft.com --profile contoso --key keyring",
    "moonlatch init --tenant fabrikam.com --devolutions https://fabrikam.devolutions.app",
    "moonlatch init --profile contoso      # the key that this profile names, if there is none yet",
  },

  run = run_init_command,
}
