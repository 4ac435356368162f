--- A key that is derived from a passphrase. A file in the profile's state folder says how (scrypt, salt, work factor),
--- and has a box that only the right key opens: so a mistyped passphrase is noticed at once.

local crypto = require "host.crypto"
local fail = require "fail"
local json = require "host.json"
local log = require "log"
local secret = require "host.secret"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

local WORK = 17 -- scrypt's N is 2^17: half a second, 128 MiB
local LEAST = 12 -- characters
local TRIES = 3
local LIMIT = 4096 -- bytes of the file

M.FILE = "passphrase.json" -- in the state folder

local function path_of(profile) return ("%s/%s"):format(profile.state, profile.key.file or M.FILE) end

local function raise(profile, what, why, fix)
  fail.raise { kind = "config", what = ("%s (%s)"):format(what, path_of(profile)), why = why, fix = fix }
end

--- Was a passphrase chosen for this profile?
---@param profile profile
---@return boolean
function M.is_set(profile)
  return sys.stat(path_of(profile)) ~= nil
end

---------------------------------------------------------------------------
-- The file

local function binding(profile, found)
  return ("moonlatch passphrase 1\0%s\0%s\0%d"):format(profile.binding, found.salt, found.work)
end

local function is_whole(found)
  return type(found) == "table" and found.kdf == "scrypt" and math.type(found.work) == "integer"
    and type(found.salt) == "string" and type(found.check) == "string" and crypto.unbase64(found.salt) ~= nil
    and #crypto.unbase64(found.salt) >= 16 and found.work >= 10
end

local function load_file(profile)
  local text, message, kind = sys.read(path_of(profile), LIMIT)
  if text then
    local found = json.decode(text)
    if is_whole(found) then return found end
    message = "it is not as it was written"
  elseif kind == "missing" then
    message = "no passphrase was chosen on this machine, or the file that says how the key is made of it is lost"
  end
  raise(profile, "make the key of the passphrase", message, kind == "missing"
    and ("To choose one: moonlatch init --profile %s. Else bring the file back."):format(profile.name)
    or "Bring the file back from a backup; without it the passphrase opens nothing.")
end

local function key_of(profile, found, passphrase)
  local key, message = crypto.scrypt(passphrase, crypto.unbase64(found.salt), found.work)
  if not key then raise(profile, "make the key of the passphrase", message) end
  return key
end

local function opens(profile, found, key)
  return crypto.open(key, binding(profile, found), crypto.unbase64(found.check) or "") ~= nil
end

---------------------------------------------------------------------------
-- Asking

local function ask(profile, prompt)
  local fd = profile.key.fd
  local value, message
  if fd then
    value, message = sys.read_secret_fd(fd, "bytes")
  else
    value, message = term.read_secret(prompt)
  end
  if value then return value end
  raise(profile, "read the passphrase", message, not fd
    and 'Without a terminal: key = { from = "passphrase", fd = 3 } and 3<file; better from = "credentials_directory".'
    or nil)
end

--- Ask the person for the passphrase, and derive the key. Raises "config".
---@param profile profile
---@return host.secret
function M.read(profile)
  local found = load_file(profile)
  for try = 1, profile.key.fd and 1 or TRIES do
    local passphrase <close> = ask(profile, ("passphrase of the profile '%s': "):format(profile.name))
    local key = key_of(profile, found, passphrase)
    if opens(profile, found, key) then return key end
    key:close()
    if try < TRIES and not profile.key.fd then log.warn "that is not the passphrase; once more" end
  end
  raise(profile, "make the key of the passphrase", "that is not the passphrase",
    "It cannot be recovered: without it, what it sealed stays sealed.")
end

local function ask_twice(profile)
  local passphrase = ask(profile, "a new passphrase, of 12 characters or more: ")
  if #passphrase < LEAST then
    raise(profile, "choose a passphrase", ("it has %d characters; %d are the least"):format(#passphrase, LEAST),
      "Four or five words that do not belong together are long enough and can be remembered.")
  end
  if profile.key.fd then return passphrase end
  local again <close> = ask(profile, "once more: ")
  if secret.equals(again, passphrase) then return passphrase end
  raise(profile, "choose a passphrase", "the two are not the same", "Nothing was written; start again.")
end

--- Ask the person to choose a passphrase, and write the file. Raises "config".
---@param profile profile
function M.set(profile)
  local passphrase <close> = ask_twice(profile)
  local found = { kdf = "scrypt", work = WORK, salt = crypto.base64(crypto.random(32)) }
  local key <close> = key_of(profile, found, passphrase)
  found.check = crypto.base64(crypto.seal(key, binding(profile, found), secret.random(16)))
  local ok, message = sys.mkdir(profile.state, true)
  if ok then ok, message = sys.write(path_of(profile), json.encode(found, true) .. "\n", "new") end
  if not ok then raise(profile, "keep how the key is made", message) end
end

return M
