--- Read and make the key that seals a profile's journal, sign-in and secrets.

local fail = require "fail"
local hint = require "log.hint"
local path_fix = require "machine.path_fix"
local secret = require "host.secret"
local source = require "profile.source"
local sys = require "host.sys"

local M = {}

local LEAST_BYTES = 32 -- the length of the keys that are derived from this key
local KEY_LENGTH = 43 -- characters of a new key: more than 256 bits

local function refuse_key(profile, what, why, fix)
  fail.raise {
    kind = "config", what = ("%s (profile '%s' in %s)"):format(what, profile.name, profile.file), why = why, fix = fix,
  }
end

local function refuse_missing_key(profile)
  refuse_key(profile, "open the journal's key", "the profile names no key, and there is no silent default",
    hint.text('Add key = { from = "file", path = "…" } to the profile (or from = "keyring", "credentials_directory" or '
      .. '"passphrase"), then make the key: {moonlatch} init --profile ') .. profile.name)
end

--- The key of a profile. Raises a "config" failure.
---@param profile profile
---@return host.secret
function M.read(profile)
  if not profile.key then refuse_missing_key(profile) end
  if profile.key.from == "passphrase" then return require("profile.passphrase").read(profile) end
  local key = source.read(profile.key, "the journal's key", "bytes")
  if #key >= LEAST_BYTES then return key end
  refuse_key(profile, "open the journal's key",
    ("the key has %d bytes, and %d are the least"):format(#key, LEAST_BYTES),
    "Bring the right key back from your copy of it: a new key does not open what the old one sealed.")
end

---------------------------------------------------------------------------
-- Making a key

-- Raise "config" when a file was sealed with an earlier key: a new key would hide that the earlier key is lost.
local function refuse_sealed_files(profile)
  for _, name in ipairs(sys.list(profile.state) or {}) do
    if name == "journal.db" or name:find("%.sealed$") then
      refuse_key(profile, "make a key", ("%s/%s was sealed with another key"):format(profile.state, name),
        ("Bring that key back. Only if the key is lost for good, and with it what it sealed: mv '%s' '%s.lost', then "
          .. "run the same command again."):format(profile.state, profile.state))
    end
  end
end

---@type table<string, fun(profile: profile): boolean>
local IS_KEY_MADE = {}

function IS_KEY_MADE.file(profile) return sys.stat(profile.key.path) ~= nil end

function IS_KEY_MADE.keyring(profile)
  local found <close>, why, kind = require("machine.keyring").read(profile.key.name)
  if found or kind == "absent" then return found ~= nil end
  refuse_key(profile, "make a key in the keyring", why,
    'Unlock the keyring. On a machine without a desktop, write key = { from = "file", path = "…" } in the profile.')
end

function IS_KEY_MADE.passphrase(profile) return require("profile.passphrase").is_set(profile) end

-- Only root can write a credential of a service, and only the platform a mounted volume; where it is missing, the error
-- of profile.source says how.
function IS_KEY_MADE.credentials_directory() return true end

IS_KEY_MADE.mounted = IS_KEY_MADE.credentials_directory

local KEY_MAKERS = {}

function KEY_MAKERS.file(profile)
  sys.mkdir(profile.key.path:match("^(.*)/[^/]*$") or ".")
  local ok, message, kind = sys.write(profile.key.path, secret.generate(KEY_LENGTH), "new")
  if ok or kind == "exists" then return ok == true end
  refuse_key(profile, "make a key", message,
    path_fix.write(profile.key.path, "name another path in `key` of the profile"))
end

function KEY_MAKERS.keyring(profile)
  local keyring, name = require "machine.keyring", profile.key.name
  local key <close> = secret.generate(KEY_LENGTH)
  local ok, message = keyring.write(name, "Moonlatch: key of " .. profile.binding, key)
  local back <close> = ok and keyring.read(name) or nil
  if back and secret.equals(back, key) then return true end
  refuse_key(profile, "make a key in the keyring", message or "the keyring did not return the key that was stored",
    'Unlock the keyring, then run the same command again; or write key = { from = "file", path = "…" } in the profile.')
end

function KEY_MAKERS.passphrase(profile)
  require("profile.passphrase").choose(profile)
  return true
end

local function make_key_if_missing(profile, check)
  if not profile.key then refuse_missing_key(profile) end
  local from = profile.key.from
  if IS_KEY_MADE[from](profile) then return false end
  check(profile)
  return KEY_MAKERS[from](profile)
end

--- Make the key that a profile names, although the present files are sealed with another key (journal rekey). Does
--- nothing when the key exists.
---@param profile profile
---@return boolean made
function M.make_another(profile) return make_key_if_missing(profile, function() end) end

--- Make the key that a profile names. Does nothing when the key exists. Raises "config" when a file is sealed already.
---@param profile profile
---@return boolean made
function M.make(profile) return make_key_if_missing(profile, refuse_sealed_files) end

return M
