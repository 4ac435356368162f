--- Sign in as an application with a certificate and its key. They are in a file: in clear, or sealed with the profile's
--- key, as `setup/rotator` leaves them.

local ask = require "oauth.ask"
local assertion = require "oauth.assertion"
local crypto = require "host.crypto"
local fail = require "fail"
local log = require "log"
local path_fix = require "machine.path_fix"
local profiles = require "profile.current"
local sealed_file = require "profile.sealed_file"
local sealed_key = require "oauth.sealed_key"
local sys = require "host.sys"
local time = require "time"

local SOON = 14 * 86400 -- seconds before its expiry date from which a certificate causes a warning

local function refuse(source, why, fix)
  fail.raise { kind = "config", what = "use the certificate " .. source.path, why = why, fix = fix }
end

-- Read the key that this machine's setup made, or a rotation of that application's certificate.
local function read_sealed(settings, source)
  local content <close> = sealed_file.read(settings, sealed_key.name(settings.sign_in.client_id))
  if not content then
    refuse(source, "there is no such file", "Make it: moonlatch apply setup/rotator, on this machine and with a "
      .. "profile that has the same tenant, state and key. For a file of your own, write certificate = { path = "
      .. "\"…\" }.")
  end
  local key, why = crypto.certificate(content)
  return key or refuse(source, why, "Bring the file back from a backup; or make a new one: moonlatch apply "
    .. "setup/rotator")
end

local LIMIT = 64 << 10 -- bytes of a certificate with its chain
local KEEPER = { credentials_directory = "manager", mounted = "platform" }

-- What to do about a file that cannot be read.
local function fix_unreadable(source, kind)
  if source.name then
    return ("Add LoadCredential=%s:/path (or LoadCredentialEncrypted=) to the service's unit, then restart the "
      .. "service.")
      :format(source.name)
  end
  if source.from == "mounted" then return "Check that the volume is mounted there, and that nobody may write to it." end
  if kind == "mode" then return ("Close it to other users: chmod 600 '%s'"):format(source.path) end
  if kind == "link" then return 'Name the file itself; in a volume of Kubernetes, say from = "mounted".' end
  return path_fix.read(source.path)
end

local HOW_TO_MAKE = "Name a file with the private key and the certificate, in PEM or PKCS#12. Make one with: "
  .. "openssl req -x509 -newkey rsa:3072 -nodes -days 180 -subj /CN=NAME -keyout NAME.pem -out NAME.crt; "
  .. "cat NAME.crt >> NAME.pem; then add NAME.crt to the application (Certificates & secrets > Upload certificate)."

-- Files that other tools made: what to convert them with.
local HOW_TO_CONVERT = "Convert it, then name the new file: "
  .. "openssl pkcs12 -legacy -in '%s' -nodes -out NEW.pem && chmod 600 NEW.pem"

-- A Secret of the type kubernetes.io/tls is a folder with the two parts in files of their own. The platform exchanges
-- both at once, by the link ..data: so they are read from the folder that it leads to now.
-- https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets
-- kubernetes/kubernetes, pkg/volume/util/atomic_writer.go
local function parts_of(source)
  local folder = source.from == "mounted" and sys.stat(source.path, true)
  if not folder or folder.type ~= "directory" then return source.path end
  local place = sys.resolve(source.path .. "/..data") or source.path
  return place .. "/tls.key", place .. "/tls.crt"
end

local read

function read(source)
  local key_path, certificate_path = parts_of(source)
  local function refuse_unless_exchanged(message, kind)
    if parts_of(source) ~= key_path then return read(source) end -- and the former folder was removed
    refuse(source, message, fix_unreadable(source, kind))
  end
  local content <close>, message, kind = sys.read_secret(key_path, KEEPER[source.from] or "person", "whole")
  if not content then return refuse_unless_exchanged(message, kind) end
  local chain
  if certificate_path then chain, message = sys.read(certificate_path, LIMIT) end
  if certificate_path and not chain then return refuse_unless_exchanged(message) end
  local passphrase = source.passphrase and profiles.secret(source.passphrase, "the passphrase of the certificate")
  local key, why, fault = crypto.certificate(content, passphrase, chain)
  if key then return key end
  refuse(source, why, fault == "legacy" and HOW_TO_CONVERT:format(source.path) or HOW_TO_MAKE)
end

-- Check the dates. Entra refuses an expired certificate too, with a less helpful text.
local function check_dates(source, about)
  local now = time.now()
  if about.not_before and now < about.not_before then
    refuse(source, "it is not valid before " .. time.iso(about.not_before), "Set this computer's clock right; or use "
      .. "the certificate from that moment on.")
  elseif about.not_after and now >= about.not_after then
    refuse(source, "it expired on " .. time.iso(about.not_after), HOW_TO_MAKE)
  elseif about.not_after and about.not_after - now < SOON then
    log.warn(("the certificate %s expires in %s, on %s"):format(source.path, time.span(about.not_after - now),
      time.iso(about.not_after)))
  end
end

local function open(settings, source)
  local key = source.from == "sealed" and read_sealed(settings, source) or read(source)
  local about = key:describe()
  check_dates(source, about)
  return key, assertion.header(about)
end

-- Read the file again when it changed: a certificate is renewed while a service runs.
local function refresh(settings, kept)
  local source = settings.sign_in.certificate
  if source.from == "sealed" then
    source.path = sealed_file.path(settings, sealed_key.name(settings.sign_in.client_id))
  end
  local path = parts_of(source)
  local stat = sys.stat(path, true)
  local stamp = stat and ("%s %s %s"):format(path, stat.modified, stat.size)
  if kept.key and (not stamp or stamp == kept.stamp) then return end
  kept.key, kept.header = open(settings, source)
  kept.stamp = stamp
end

---@type oauth.way
return function(settings, kept)
  refresh(settings, kept)
  return ask.ask(ask.for_application(settings, ask.as_application(settings), function()
    return assertion.request(settings, settings.sign_in.client_id, kept.key, kept.header)
  end))
end
