--- moonlatch login: sign in once, and stay signed in; or store a secret of the profile.

local fail = require "fail"
local http = require "http.client"
local json = require "host.json"
local log = require "log"
local profiles = require "profile.current"
local report = require "report"
local scheduler = require "task.scheduler"
local sealed_file = require "profile.sealed_file"
local session = require "session.open"
local source = require "profile.source"
local sys = require "host.sys"
local term = require "host.term"
local token_cache = require "oauth.token_cache"

local WHAT = {
  ["client-secret"] = "the client secret to sign in with",
  ["devolutions-secret"] = "the application secret for Devolutions Server",
  ["certificate-passphrase"] = "the passphrase of the certificate",
}

-- In the order in which they are asked for.
local WORDS = { "client-secret", "certificate-passphrase", "devolutions-secret" }

local function refuse_emulator()
  fail.raise {
    kind = "usage", what = "moonlatch login --emulator", why = "a private emulator ends with the command",
    fix = "For an emulator that keeps running, name its configuration: --config FILE.",
  }
end

local function refuse_descriptor()
  fail.raise {
    kind = "usage", what = "read the command line", why = "--fd stands without --secret",
    fix = "moonlatch login --secret client-secret --fd 3 3<file",
  }
end

-- The profile's secrets by what they are called.
local function sources_of(profile)
  return {
    ["client-secret"] = profile.sign_in.secret,
    ["devolutions-secret"] = profile.devolutions and profile.devolutions.app_secret,
    ["certificate-passphrase"] = profile.sign_in.certificate and profile.sign_in.certificate.passphrase,
  }
end

---------------------------------------------------------------------------
-- Putting a secret where the profile says it is

local function read_descriptor(text, what)
  local fd = math.tointeger(tonumber(text))
  local value, message
  if fd and fd >= 0 then value, message = sys.read_secret_fd(fd) end
  if value then return value end
  fail.raise {
    kind = "usage", what = ("read %s from file descriptor %s"):format(what, text),
    why = message or "it is not the number of a file descriptor", fix = "moonlatch login --secret … --fd 3 3<file",
  }
end

local function ask(word)
  local value, message = term.read_secret(WHAT[word] .. ": ")
  if value then return value end
  fail.raise {
    kind = "config", what = "ask for " .. WHAT[word], why = message,
    fix = ("moonlatch login --secret %s --fd 3 3<file"):format(word),
  }
end

local function refuse_foreign(profile, word, from)
  fail.raise {
    kind = "usage", what = ("put %s in its place"):format(WHAT[word]),
    why = from and ("the profile '%s' takes it from %s, which Moonlatch does not write"):format(profile.name,
        source.describe(from))
      or ("the profile '%s' names none"):format(profile.name),
    fix = 'from = "sealed" has it kept here, sealed; "keyring" and "file" can be written too.',
  }
end

local function put(profile, word, options)
  local from = sources_of(profile)[word]
  if not (from and source.is_writable(from)) then refuse_foreign(profile, word, from) end
  if from.from == "sealed" then profiles.key():close() end -- before anything is asked
  local value <close> = options.fd and read_descriptor(options.fd, WHAT[word]) or ask(word)
  source.write(from, WHAT[word], value)
  log.say(("%s is kept: %s"):format(WHAT[word], from.from == "sealed" and sealed_file.path(profile, from.name)
    or source.describe(from)))
end

local function put_named(options)
  if not WHAT[options.secret] then
    fail.raise {
      kind = "usage", what = "moonlatch login --secret " .. options.secret, why = "there is no such secret",
      fix = ("There are %s."):format(table.concat(WORDS, ", ")),
    }
  end
  local profile = profiles.load { config = options.config, name = options.profile }
  put(profile, options.secret, options)
  profiles.use(nil)
  return 0
end

-- Put what is to be sealed and is not there yet; the names of what was put.
local function put_missing(profile)
  local names = {}
  for _, word in ipairs(WORDS) do
    local from = sources_of(profile)[word]
    if from and from.from == "sealed" and not sealed_file.has(profile, from.name) then
      put(profile, word, {})
      names[#names + 1] = from.name
    end
  end
  return names
end

-- A secret that was just typed and does not serve is asked for again next time.
local function forget(profile, names, err)
  if not (fail.is(err, "auth") or fail.is(err, "config")) then return end
  for _, name in ipairs(names) do
    if name ~= "devolutions-secret" then sealed_file.remove(profile, name) end
  end
end

---------------------------------------------------------------------------
-- Signing in

local function scopes_of(options)
  if not options["for"] then return nil end
  local declaration = require("script.load").load(options["for"])
  return declaration.needs and declaration.needs.scopes
end

local function show(profile, principal, kept)
  if log.json() then
    for _, name in ipairs { "scopes", "roles", "wids" } do json.array(principal[name]) end
    principal.kept = kept and token_cache.path(profile) or nil
    return report.json(principal)
  end
  log.say(("signed in to %s as %s"):format(principal.tenant or profile.tenant, principal.name))
  if kept then
    log.say(("kept, sealed, in %s\n`moonlatch logout` forgets it."):format(token_cache.path(profile)))
  elseif token_cache.is_personal(profile) then
    log.warn "the sign-in is not kept: the service gave no refresh token"
  else
    log.say "Nothing is kept of it: an application proves itself anew each time."
  end
end

local function sign_in(profile, announced)
  local oauth = require "oauth.sign_in"
  if announced and token_cache.is_personal(profile) then oauth.announce(profile) end
  local principal = oauth.sign_in(profile)
  local about = token_cache.is_personal(profile) and token_cache.about(profile)
  show(profile, principal, about and about.oid == principal.oid)
end

---@type cli.command
return {
  summary = "sign in, and stay signed in",
  details = "A person signs in once. The refresh token is stored, sealed with the profile's key, and renewed with\n"
    .. "each use. The command also asks for the profile's secrets with from = \"sealed\" that are missing.",
  options = {
    { name = "--for", value = "SCRIPT", help = "ask for the permissions that this script needs" },
    { name = "--secret", value = "NAME", help = "only store this secret of the profile: client-secret, …" },
    { name = "--fd", value = "N", help = "read the secret from this file descriptor instead of the terminal" },
  },
  examples = {
    "moonlatch login", "moonlatch login --for setup/entra-pam-provider",
    "moonlatch login --secret devolutions-secret", "moonlatch login --secret client-secret --fd 3 3<file",
  },

  run = function(options)
    if options.emulator then refuse_emulator() end
    if options.secret then return put_named(options) end
    if options.fd then refuse_descriptor() end
    local open <close> = session.start(options, {
      owner = "moonlatch login", journal = false, mode = "read", fresh = true, needs = { scopes = scopes_of(options) },
    })
    profiles.key():close() -- a key that is not there is better noticed before the person has signed in
    local names = put_missing(open.profile)
    local ok, err = xpcall(scheduler.run, scheduler.keep_trace, http.poll, sign_in, open.profile, options["for"] ~= nil)
    if ok then return 0 end
    forget(open.profile, names, err)
    error(err, 0)
  end,
}
