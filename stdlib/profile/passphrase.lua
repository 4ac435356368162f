--- Derive the sealing key from a passphrase. A file in the profile's state folder has the parameters (scrypt, salt,
--- work factor), and a sealed box that only the right key opens, so that a mistyped passphrase is noticed at once.

local crypto = require "host.crypto"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local path_fix = require "machine.path_fix"
local secret = require "host.secret"
local sys = require "host.sys"
local typed_secret = require "machine.typed_secret"

local M = {}

local WORK_FACTOR = 17 -- scrypt's N is 2^17: half a second, 128 MiB
local LEAST_CHARACTERS = 12
local TRIES = 3
local MOST_BYTES = 4096 -- bytes of the file

M.FILE = "passphrase.json" -- in the state folder

local function passphrase_file_path(profile) return ("%s/%s"):format(profile.state, profile.key.file or M.FILE) end

local function raise_passphrase(profile, what, why, fix)
  fail.raise { kind = "config", what = ("%s (%s)"):format(what, passphrase_file_path(profile)), why = why, fix = fix }
end

--- Was a passphrase chosen for this profile?
---@param profile profile
---@return boolean
function M.is_set(profile)
  return sys.stat(passphrase_file_path(profile)) ~= nil
end

---------------------------------------------------------------------------
-- The file

local function check_box_binding(profile, found)
  return ("moonlatch passphrase 1\0%s\0%s\0%d"):format(profile.binding, found.salt, found.work)
end

local function is_passphrase_file(found)
  return type(found) == "table" and found.kdf == "scrypt" and math.type(found.work) == "integer"
    and type(found.salt) == "string" and type(found.check) == "string" and crypto.unbase64(found.salt) ~= nil
    and #crypto.unbase64(found.salt) >= 16 and found.work >= 10
end

local function load_passphrase_file(profile)
  local text, message, kind = sys.read(passphrase_file_path(profile), MOST_BYTES)
  if text then
    local found = json.decode(text)
    if is_passphrase_file(found) then return found end
    message = "its content is damaged"
  elseif kind == "missing" then
    message = "no passphrase was chosen on this machine, or the file with the parameters of the key is lost"
  end
  raise_passphrase(profile, "make the key of the passphrase", message, kind == "missing"
    and hint.text("To choose one: {moonlatch} init --profile %s. If there was one, bring the file back from a "
      .. "backup.", profile.name)
    or "Bring the file back from a backup: without the file, the passphrase opens nothing.")
end

local function derive_key_from_passphrase(profile, found, passphrase)
  local key, message = crypto.scrypt(passphrase, crypto.unbase64(found.salt), found.work)
  if not key then
    raise_passphrase(profile, "make the key of the passphrase", message,
      "Close other programs, then run the same command again: the key needs memory for a moment.")
  end
  return key
end

local function does_key_open_check_box(profile, found, key)
  return crypto.open(key, check_box_binding(profile, found), crypto.unbase64(found.check) or "") ~= nil
end

---------------------------------------------------------------------------
-- Asking for the passphrase

local WITHOUT_TERMINAL = 'Without a terminal, write key = { from = "credentials_directory", name = "…" } in the '
  .. 'profile; or key = { from = "passphrase", fd = 3 }, and add 3<FILE to the command.'

local function ask_passphrase(profile, prompt)
  local fd = profile.key.fd
  local value, why, fix
  if fd then
    value, why = sys.read_secret_fd(fd, "bytes")
    fix = ("Open the file with the passphrase for it: add %d<FILE to the same command."):format(fd)
  else
    value, why, fix = typed_secret.ask(prompt, WITHOUT_TERMINAL)
  end
  return value or raise_passphrase(profile, "read the passphrase", why, fix)
end

--- Ask the person for the passphrase, and derive the key. Raises "config".
---@param profile profile
---@return host.secret
function M.read(profile)
  local found = load_passphrase_file(profile)
  for try = 1, profile.key.fd and 1 or TRIES do
    local passphrase <close> = ask_passphrase(profile, ("passphrase of the profile '%s': "):format(profile.name))
    local key = derive_key_from_passphrase(profile, found, passphrase)
    if does_key_open_check_box(profile, found, key) then return key end
    key:close()
    if try < TRIES and not profile.key.fd then log.warn "that is not the passphrase; once more" end
  end
  raise_passphrase(profile, "make the key of the passphrase", "that is not the passphrase",
    hint.text("Run the same command again, and type the passphrase that was chosen at {moonlatch} init. Nobody can "
      .. "recover it."))
end

local function ask_new_passphrase(profile)
  local passphrase = ask_passphrase(profile, "a new passphrase, of 12 characters or more: ")
  if #passphrase < LEAST_CHARACTERS then
    raise_passphrase(profile, "choose a passphrase",
      ("it has %d characters; %d are the least"):format(#passphrase, LEAST_CHARACTERS),
      "Run the same command again, and choose four or five words that do not belong together.")
  end
  if profile.key.fd then return passphrase end
  local again <close> = ask_passphrase(profile, "once more: ")
  if secret.equals(again, passphrase) then return passphrase end
  raise_passphrase(profile, "choose a passphrase", "the two are not the same",
    "Nothing was written. Run the same command again, and type the same passphrase twice.")
end

--- Ask the person to choose a passphrase, and write the file. Raises "config".
---@param profile profile
function M.choose(profile)
  local passphrase <close> = ask_new_passphrase(profile)
  local found = { kdf = "scrypt", work = WORK_FACTOR, salt = crypto.base64(crypto.random(32)) }
  local key <close> = derive_key_from_passphrase(profile, found, passphrase)
  found.check = crypto.base64(crypto.seal(key, check_box_binding(profile, found), secret.random(16)))
  local ok, message = sys.mkdir(profile.state, true)
  if ok then ok, message = sys.write(passphrase_file_path(profile), json.encode(found, true) .. "\n", "new") end
  if ok then return end
  raise_passphrase(profile, "write the parameters of the key", message, path_fix.write(passphrase_file_path(profile)))
end

return M
