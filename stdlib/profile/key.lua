--- The key that seals what a profile keeps: its journal, its sign-in, its secrets.

local fail = require "fail"
local secret = require "host.secret"
local source = require "profile.source"
local sys = require "host.sys"

local M = {}

local LEAST = 32 -- bytes: as many as the keys that are derived from it
local LETTERS = 43 -- of a new key: more than 256 bits

local function raise(profile, what, why, fix)
  fail.raise {
    kind = "config", what = ("%s (profile '%s' in %s)"):format(what, profile.name, profile.file), why = why, fix = fix,
  }
end

local function refuse_none(profile)
  raise(profile, "open the journal's key", "the profile names no key, and there is no silent default",
    'Add key = { from = "file", path = "…" }, "keyring", "credentials_directory" or "passphrase"; '
      .. "then `moonlatch init --profile " .. profile.name .. "` makes one.")
end

--- The key of a profile. Raises a "config" failure.
---@param profile profile
---@return host.secret
function M.read(profile)
  if not profile.key then refuse_none(profile) end
  if profile.key.from == "passphrase" then return require("profile.passphrase").read(profile) end
  local key = source.read(profile.key, "the journal's key", "bytes")
  if #key >= LEAST then return key end
  raise(profile, "open the journal's key", ("the key has %d bytes, and %d are the least"):format(#key, LEAST),
    "Bring the right one back. A new key does not open what the old one sealed.")
end

---------------------------------------------------------------------------
-- Making one

-- Raise a failure when something is sealed already: a new key would only hide that the old one is lost.
local function refuse_used(profile)
  for _, name in ipairs(sys.list(profile.state) or {}) do
    if name == "journal.db" or name:find("%.sealed$") then
      raise(profile, "make a key", ("%s/%s was sealed with another one"):format(profile.state, name),
        "Bring that key back. Only if it is lost for good, move the folder away: what it sealed is lost with it.")
    end
  end
end

local MAKE = {}

function MAKE.file(profile)
  sys.mkdir(profile.key.path:match("^(.*)/[^/]*$") or ".")
  local ok, message, kind = sys.write(profile.key.path, secret.generate(LETTERS), "new")
  if ok or kind == "exists" then return ok == true end
  raise(profile, "make a key", message)
end

function MAKE.keyring(profile)
  local keyring, name = require "machine.keyring", profile.key.name
  local found, why, kind = keyring.read(name)
  if found then return false end
  if kind ~= "absent" then
    raise(profile, "make a key in the keyring", why, 'A machine without a desktop has key = { from = "file", … }.')
  end
  local key <close> = secret.generate(LETTERS)
  local ok, message = keyring.write(name, "Moonlatch: key of " .. profile.binding, key)
  local back <close> = ok and keyring.read(name) or nil
  if back and secret.equals(back, key) then return true end
  raise(profile, "make a key in the keyring", message or "it did not give back what it was given")
end

function MAKE.passphrase(profile)
  local passphrase = require "profile.passphrase"
  if passphrase.is_set(profile) then return false end
  passphrase.set(profile)
  return true
end

-- Only root writes these credentials: a person is told how.
function MAKE.credentials_directory() return false end

--- Make the key that a profile names, beside the one that sealed the present files. Does nothing when it exists.
---@param profile profile
---@return boolean made
function M.make_another(profile)
  if not profile.key then refuse_none(profile) end
  local here = profile.key.from == "file" and sys.stat(profile.key.path) ~= nil
  return not here and MAKE[profile.key.from](profile)
end

--- Make the key that a profile names. Does nothing when it exists. Raises "config" when something is sealed already.
---@param profile profile
---@return boolean made
function M.make(profile)
  if not profile.key then refuse_none(profile) end
  local here = profile.key.from == "file" and sys.stat(profile.key.path) ~= nil
  if here then return false end
  if profile.key.from ~= "credentials_directory" then refuse_used(profile) end
  return MAKE[profile.key.from](profile)
end

return M
