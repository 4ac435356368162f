--- Files that hold one secret each, sealed with the profile's key.
---
--- The first line of a file is JSON that describes the secret. The second line is the id of the key, and the sealed
--- secret in base64. The key opens the secret only for this profile, under this name, and with this first line. A file
--- is replaced whole and durably, or not at all.

local crypto = require "host.crypto"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local path_fix = require "machine.path_fix"
local profiles = require "profile.current"
local state_folder = require "machine.state_folder"
local sys = require "host.sys"

local M = {}

local MOST_BYTES = 1 << 18 -- bytes of a file
local LABEL = "moonlatch 1: sealed files"
local KEY_ID = "moonlatch journal 1: key id" -- the same label as in the journal's seals

local function sealed_file_path(profile, name) return ("%s/%s.sealed"):format(profile.state, name) end

--- The path of the file, whether it exists or not.
---@param profile profile
---@param name string
---@return string
function M.path(profile, name) return sealed_file_path(profile, name) end

--- Does the file exist?
---@param profile profile
---@param name string
---@return boolean
function M.has(profile, name)
  return sys.stat(sealed_file_path(profile, name)) ~= nil
end

--- A short text that differs from key to key, and tells nothing about the key.
---@param key host.secret
---@return string 8 hex digits
function M.key_id(key)
  return crypto.fingerprint(key, KEY_ID)
end

local function sealed_file_binding(profile, name, head)
  return table.concat({ "moonlatch sealed file 1", profile.binding, name, head }, "\0")
end

local function write_sealed_file(profile, name, head, value, key)
  local path = sealed_file_path(profile, name)
  local sealing <close> = crypto.derive(key, LABEL)
  local box = crypto.base64(crypto.seal(sealing, sealed_file_binding(profile, name, head), value))
  local ok, message = sys.mkdir(profile.state, true)
  if ok then ok, message = sys.write(path, ("%s\n%s %s\n"):format(head, M.key_id(key), box), "replace") end
  if ok then return end
  fail.raise {
    kind = "config", what = "write a sealed secret to " .. path, why = message,
    fix = "The former content is still there. " .. (state_folder.fix(profile.state) or path_fix.write(path)),
  }
end

--- Seal the secret into a file; durable when this returns. Raises "config" when it cannot be written.
---@param profile profile
---@param name string
---@param about table<string, string|number> describes the secret; not sealed
---@param value host.secret
function M.write(profile, name, about, value)
  local key <close> = profiles.key(profile)
  write_sealed_file(profile, name, json.encode(about), value, key)
end

-- The command that writes the sealed file of this name anew.
local function command_to_store(name)
  if name:find "^sign%-in%-" then return hint.text "{moonlatch} login" end
  local is_certificate = name:find "^certificate%-" and name ~= "certificate-passphrase"
  return is_certificate and hint.text "{moonlatch} apply setup/rotator"
    or hint.text "{moonlatch} login --secret " .. name
end

local function raise_sealed_file_not_opened(path, why)
  fail.raise {
    kind = "config", what = "open the secret in " .. path, why = why,
    fix = ("Bring back the key or the file that was used before. If it is lost, put the secret there anew: %s")
      :format(command_to_store(path:match("([^/]+)%.sealed$"))),
  }
end

local function read_sealed_lines(path)
  local text, message, kind = sys.read(path, MOST_BYTES)
  if kind == "missing" then return nil end
  if not text then raise_sealed_file_not_opened(path, message) end
  local head, box = text:match("^([^\n]*)\n([^\n]+)\n$")
  if not head then raise_sealed_file_not_opened(path, "it is not as it was written") end
  local id, rest = box:match("^(%x+) (.+)$")
  return head, rest or box, id
end

local function decode_sealed_about(path, head)
  local about = json.decode(head)
  if type(about) ~= "table" then raise_sealed_file_not_opened(path, "its first line is not as it was written") end
  return about
end

--- The description in the first line of a file, which is verified only by `read`; nil when there is no file.
---@param profile profile
---@param name string
---@return table|nil
function M.about(profile, name)
  local path = sealed_file_path(profile, name)
  local head = read_sealed_lines(path)
  return head and decode_sealed_about(path, head)
end

local function open_sealed_text(profile, name, head, box, key)
  local sealing <close> = crypto.derive(key, LABEL)
  return crypto.open(sealing, sealed_file_binding(profile, name, head), crypto.unbase64(box) or "")
end

--- The secret in a file, and its description; nil when there is no file. Raises "config" when the key does not open the
--- file.
---@param profile profile
---@param name string
---@return host.secret|nil value, table? about
function M.read(profile, name)
  local path = sealed_file_path(profile, name)
  local head, box, id = read_sealed_lines(path)
  if not head then return nil end
  local key <close> = profiles.key(profile)
  local value, message = open_sealed_text(profile, name, head, box, key)
  if value then return value, decode_sealed_about(path, head) end
  local is_foreign = id and id ~= M.key_id(key)
  if is_foreign then message = message .. hint.text ". If `{moonlatch} journal rekey` was stopped, run it again" end
  raise_sealed_file_not_opened(path, message)
end

--- Seal a file with another key. Returns false when the file is sealed with that key already. Raises "config" when
--- neither key opens the file.
---@param profile profile
---@param name string
---@param old host.secret
---@param new host.secret
---@return boolean changed
function M.rekey(profile, name, old, new)
  local path = sealed_file_path(profile, name)
  local head, box, id = read_sealed_lines(path)
  if not head then return false end
  local value <close> = open_sealed_text(profile, name, head, box, old)
  if value then
    write_sealed_file(profile, name, head, value, new)
    return true
  end
  local done <close> = open_sealed_text(profile, name, head, box, new)
  if done then return false end
  raise_sealed_file_not_opened(path, "neither key opens it" .. (id and (", it is sealed under key " .. id) or ""))
end

--- Remove the file, when it exists.
---@param profile profile
---@param name string
function M.remove(profile, name)
  local ok, message = sys.remove(sealed_file_path(profile, name))
  if ok then return end
  fail.raise { kind = "config", what = "remove " .. sealed_file_path(profile, name), why = message,
    fix = ("Remove it by hand: rm '%s'. Only the profile's key opens it."):format(sealed_file_path(profile, name)) }
end

return M
