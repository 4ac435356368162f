--- moonlatch login: sign in once, and stay signed in; or store a secret of the profile.

local fail = require "fail"
local hint = require "log.hint"
local http = require "http.client"
local json = require "host.json"
local log = require "log"
local nearest = require "base.nearest"
local profile_peers = require "profile.peers"
local profiles = require "profile.current"
local report = require "report"
local scheduler = require "task.scheduler"
local sealed_file = require "profile.sealed_file"
local session = require "session.open"
local sets = require "base.sets"
local source = require "profile.source"
local sys = require "host.sys"
local token_cache = require "oauth.token_cache"
local traceback = require "base.traceback"
local typed_secret = require "machine.typed_secret"

---@class command.login.secret a secret that the profile names a source for
---@field word string for --secret
---@field what string for people
---@field member string the member of the profile that says where the secret comes from
---@field source profile.source?

-- The secrets of a profile, in the order in which the person is asked.
local function secrets_of_profile(profile)
  local certificate, proxy = profile.sign_in.certificate, profile.proxy
  local list = {
    { word = "client-secret", what = "the client secret to sign in with", member = "sign_in.secret",
      source = profile.sign_in.secret },
    { word = "certificate-passphrase", what = "the passphrase of the certificate",
      member = "sign_in.certificate.passphrase", source = certificate and certificate.passphrase },
    { word = "devolutions-secret", what = "the application secret for Devolutions Server",
      member = "devolutions.app_secret", source = profile.devolutions and profile.devolutions.app_secret },
    { word = "proxy-password", what = "the password for the proxy", member = "proxy.password",
      source = proxy and proxy.password },
  }
  for _, name in ipairs(sets.sorted(profile.peers)) do
    local from, what, member = profile_peers.secret_source(profile.peers[name])
    if from then
      list[#list + 1] = { word = profile_peers.secret_word(name), what = what, member = member, source = from }
    end
  end
  return list
end

local function refuse_login_to_emulator()
  fail.raise {
    kind = "usage", what = "moonlatch login --emulator", why = "a private emulator ends with the command",
    fix = hint.text("Start an emulator that keeps running ({moonlatch} emulator), then: {moonlatch} login --config "
      .. "FILE, with the file that it prints."),
  }
end

local function refuse_descriptor_without_secret()
  fail.raise {
    kind = "usage", what = "read the command line", why = "--fd is given without --secret",
    fix = hint.text "Say which secret it is: {moonlatch} login --secret client-secret --fd 3 3<file",
  }
end

---------------------------------------------------------------------------
-- Storing a secret in the source that the profile names

local function read_secret_from_descriptor(text, named)
  local fd = math.tointeger(tonumber(text))
  local value, message
  if fd and fd >= 0 then value, message = sys.read_secret_fd(fd) end
  if value then return value end
  fail.raise {
    kind = "usage", what = ("read %s from file descriptor %s"):format(named.what, text),
    why = message or "it is not the number of a file descriptor",
    fix = hint.text("Open the file for it: {moonlatch} login --secret %s --fd 3 3<file", named.word),
  }
end

local function ask_for_profile_secret(named)
  local value, why, fix = typed_secret.ask(named.what .. ": ",
    hint.text("Without a terminal: {moonlatch} login --secret %s --fd 3 3<file", named.word))
  return value or fail.raise { kind = "config", what = "ask for " .. named.what, why = why, fix = fix }
end

local function refuse_unwritable_source(profile, named)
  fail.raise {
    kind = "usage", what = ("store %s"):format(named.what),
    why = named.source and ("the profile '%s' takes it from %s, which Moonlatch does not write"):format(profile.name,
        source.describe(named.source))
      or ("the profile '%s' names no source for it"):format(profile.name),
    fix = ('Write a source into %s of the profile that Moonlatch can write, such as { from = "sealed" } (or "keyring", '
      .. '"file"); then run the same command again.'):format(named.member),
  }
end

local function store_profile_secret(profile, named, options)
  local from = named.source
  if not (from and source.is_writable(from)) then refuse_unwritable_source(profile, named) end
  if from.from == "sealed" then profiles.key():close() end -- before anything is asked
  local value <close> = options.fd and read_secret_from_descriptor(options.fd, named) or ask_for_profile_secret(named)
  source.write(from, named.what, value)
  log.prose(("%s is kept: %s"):format(named.what, from.from == "sealed" and sealed_file.path(profile, from.name)
    or source.describe(from)))
end

local function store_named_secret(options)
  local profile = profiles.load { config = options.config, name = options.profile }
  local words, chosen = {}, nil
  for i, named in ipairs(secrets_of_profile(profile)) do
    words[i] = named.word
    if named.word == options.secret then chosen = named end
  end
  if not chosen then
    fail.raise {
      kind = "usage", what = "moonlatch login --secret " .. options.secret, why = "there is no such secret",
      fix = hint.text("Name one of %s: {moonlatch} login --secret %s", table.concat(words, ", "),
        nearest(options.secret, words) or words[1]),
    }
  end
  store_profile_secret(profile, chosen, options)
  profiles.use(nil)
  return 0
end

-- Ask for the sealed secrets that are missing, and store them. Returns the names of their files.
local function store_missing_secrets(profile)
  local names = {}
  for _, named in ipairs(secrets_of_profile(profile)) do
    local from = named.source
    if from and from.from == "sealed" and not sealed_file.has(profile, from.name) then
      store_profile_secret(profile, named, {})
      names[#names + 1] = from.name
    end
  end
  return names
end

-- Remove the secrets that were just typed, when the sign-in with them failed, so that the next login asks again. The
-- sign-in does not use the secrets of Devolutions Server and of peers.
local function remove_stored_secrets(profile, names, err)
  if not (fail.is(err, "auth") or fail.is(err, "config")) then return end
  for _, name in ipairs(names) do
    if name ~= "devolutions-secret" and not name:find("^peer%-") then sealed_file.remove(profile, name) end
  end
end

---------------------------------------------------------------------------
-- Signing in

-- The permissions that a run of the script asks for when no argument is given: a kept sign-in serves that run.
local function login_scopes_of_script(options)
  if not options["for"] then return nil end
  local declaration, defaults = require("script.load").load(options["for"]), {}
  for name, argument in pairs(declaration.args or {}) do defaults[name] = argument.default end
  return declaration.needs and require("permissions.needs").with(declaration.needs, defaults).scopes
end

local function print_sign_in(profile, principal, is_kept)
  if log.json() then
    for _, name in ipairs { "scopes", "roles", "wids" } do json.array(principal[name]) end
    principal.kept = is_kept and token_cache.path(profile) or nil
    return report.json(principal)
  end
  log.prose(("signed in to %s as %s"):format(principal.tenant or profile.tenant, principal.name))
  if is_kept then
    log.prose(hint.text("kept, sealed, in %s\n`{moonlatch} logout` forgets it.", token_cache.path(profile)))
  elseif token_cache.is_personal(profile) then
    log.warn "the sign-in is not kept: the service gave no refresh token"
  else
    log.prose "The sign-in is not kept: an application signs in again each time."
  end
end

local function log_in_and_print(profile, announced)
  local oauth = require "oauth.sign_in"
  if announced and token_cache.is_personal(profile) then oauth.announce(profile) end
  local principal = oauth.sign_in(profile)
  local about = token_cache.is_personal(profile) and token_cache.about(profile)
  print_sign_in(profile, principal, about and about.oid == principal.oid)
end

local function run_login_command(options)
  if options.emulator then refuse_login_to_emulator() end
  if options.secret then return store_named_secret(options) end
  if options.fd then refuse_descriptor_without_secret() end
  local open <close> = session.start(options, {
    owner = "moonlatch login", journal = false, mode = "read", fresh = true,
    needs = { scopes = login_scopes_of_script(options) },
  })
  profiles.key():close() -- raises when the key is missing, before the person signs in
  local names = store_missing_secrets(open.profile)
  local ok, err = xpcall(scheduler.run, traceback.keep, http.poll, log_in_and_print, open.profile,
    options["for"] ~= nil)
  if ok then return 0 end
  remove_stored_secrets(open.profile, names, err)
  error(err, 0)
end

---@type cli.command
return {
  summary = "sign in, and stay signed in",
  details = "A person signs in once. The refresh token is stored, sealed with the profile's key, and renewed with\n"
    .. "each use. The command also asks for the profile's secrets with from = \"sealed\" that are missing.",
  options = {
    { name = "--for", value = "SCRIPT", help = "ask for the permissions that this script needs",
      complete = "scripts" },
    { name = "--secret", value = "NAME", help = "only store this secret of the profile: client-secret, …" },
    { name = "--fd", value = "N", help = "read the secret from this file descriptor instead of the terminal" },
  },
  examples = {
    "moonlatch login", "moonlatch login --for setup/entra-pam-provider",
    "moonlatch login --secret devolutions-secret", "moonlatch login --secret client-secret --fd 3 3<file",
  },

  run = run_login_command,
}
