--- Read the certificate, and its key, that a profile signs in with: from a file, a mounted volume, the service
--- manager's credentials, or the file that `setup/rotator` sealed.

local crypto = require "host.crypto"
local fail = require "fail"
local hint = require "log.hint"
local path_fix = require "machine.path_fix"
local profiles = require "profile.current"
local sealed_file = require "profile.sealed_file"
local sealed_key = require "oauth.sealed_key"
local sys = require "host.sys"

local M = {}

--- Raise "config": the certificate cannot be used.
---@param source table `sign_in.certificate` of the profile
---@param why string
---@param fix string?
function M.refuse(source, why, fix)
  fail.raise { kind = "config", what = "use the certificate " .. source.path, why = why, fix = fix }
end

-- Read the key that this machine's setup made, or a rotation of that application's certificate.
local function read_sealed_certificate(settings, source)
  local content <close> = sealed_file.read(settings, sealed_key.name(settings.sign_in.client_id))
  if not content then
    M.refuse(source, "there is no such file", hint.text("Make it: {moonlatch} apply setup/rotator, on this machine "
      .. "and with a profile that has the same tenant, state and key. For a file of your own, write certificate = { "
      .. "path = \"…\" }."))
  end
  local key, why = crypto.certificate(content)
  return key or M.refuse(source, why, hint.text("Bring the file back from a backup; or make a new one: {moonlatch} "
    .. "apply setup/rotator"))
end

local LIMIT = 64 << 10 -- bytes of a certificate with its chain
local KEEPERS = { credentials_directory = "manager", mounted = "platform" }

-- What to do about a file that cannot be read.
local function fix_of_unreadable_certificate(source, kind)
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

--- What to do when no certificate can be used.
M.HOW_TO_MAKE = "Name a file with the private key and the certificate, in PEM or PKCS#12. Make one with: "
  .. "openssl req -x509 -newkey rsa:3072 -nodes -days 180 -subj /CN=NAME -keyout NAME.pem -out NAME.crt; "
  .. "cat NAME.crt >> NAME.pem; then add NAME.crt to the application (Certificates & secrets > Upload certificate)."

-- Files that other tools made: what to convert them with.
local HOW_TO_CONVERT = "Convert it, then name the new file: "
  .. "openssl pkcs12 -legacy -in '%s' -nodes -out NEW.pem && chmod 600 NEW.pem"

-- A Secret of the type kubernetes.io/tls is a folder with the two parts in files of their own. The platform exchanges
-- both at once, by the link ..data: so they are read from the folder that it leads to now.
-- https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets
-- kubernetes/kubernetes, pkg/volume/util/atomic_writer.go
local function certificate_file_paths(source)
  local folder = source.from == "mounted" and sys.stat(source.path, true)
  if not folder or folder.type ~= "directory" then return source.path end
  local place = sys.resolve(source.path .. "/..data") or source.path
  return place .. "/tls.key", place .. "/tls.crt"
end

local read_certificate_file

function read_certificate_file(source)
  local key_path, certificate_path = certificate_file_paths(source)
  local function refuse_unless_exchanged(message, kind)
    -- Where the volume was exchanged meanwhile, the former folder was removed.
    if certificate_file_paths(source) ~= key_path then return read_certificate_file(source) end
    M.refuse(source, message, fix_of_unreadable_certificate(source, kind))
  end
  local content <close>, message, kind = sys.read_secret(key_path, KEEPERS[source.from] or "person", "whole")
  if not content then return refuse_unless_exchanged(message, kind) end
  local chain
  if certificate_path then chain, message = sys.read(certificate_path, LIMIT) end
  if certificate_path and not chain then return refuse_unless_exchanged(message) end
  local passphrase = source.passphrase and profiles.secret(source.passphrase, "the passphrase of the certificate")
  local key, why, fault = crypto.certificate(content, passphrase, chain)
  if key then return key end
  M.refuse(source, why, fault == "legacy" and HOW_TO_CONVERT:format(source.path) or M.HOW_TO_MAKE)
end

--- The path of the file with the key, and of the file with the certificate where that is another one. Sets `path` of a
--- sealed source.
---@param settings profile
---@return string path, string? certificate_path
function M.paths(settings)
  local source = settings.sign_in.certificate
  if source.from == "sealed" then
    source.path = sealed_file.path(settings, sealed_key.name(settings.sign_in.client_id))
  end
  return certificate_file_paths(source)
end

--- Read the certificate with its key. Raises "config" when it cannot be read. Its dates are not checked.
---@param settings profile
---@return host.crypto.key
function M.read(settings)
  local source = settings.sign_in.certificate
  M.paths(settings)
  return source.from == "sealed" and read_sealed_certificate(settings, source) or read_certificate_file(source)
end

return M
