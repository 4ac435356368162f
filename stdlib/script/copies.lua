--- Record from which original a person's copy of a bundled script was made, so that the person is told when the
--- original has changed.

local crypto = require "host.crypto"
local fail = require "fail"
local folders = require "script.folders"
local hint = require "log.hint"
local log = require "log"
local path_fix = require "machine.path_fix"
local script = require "script.load"
local sets = require "base.sets"
local sys = require "host.sys"

local M = {}

local MOST_BYTES = 1 << 20

---@class script.copies.origin
---@field hash string digest of the original's text, when it was copied or last compared
---@field version string the version of Moonlatch that bundled this original

local function digest_of_script(text) return crypto.hex(crypto.digest("sha256", text)) end

local function originals_path() return folders.own() .. "/.originals" end

-- The origins by the names of the scripts; empty when nothing was copied yet, or the file cannot be read.
local function read_origins_of_copies()
  local origins, text = {}, sys.read(originals_path(), MOST_BYTES)
  for name, hash, version in (text or ""):gmatch("(%S+)\t(%x+)\t(%S+)\n") do
    origins[name] = { hash = hash, version = version }
  end
  return origins
end

local function write_origins_of_copies(origins)
  local lines = {}
  for i, name in ipairs(sets.sorted(origins)) do
    lines[i] = ("%s\t%s\t%s\n"):format(name, origins[name].hash, origins[name].version)
  end
  return sys.write(originals_path(), table.concat(lines), "replace")
end

--- The bundled script of that name; nil when there is none.
---@param name string
---@return script.found|nil
function M.bundled_original(name)
  local file = "scripts/" .. name .. ".lua"
  local text = sys.embedded(file)
  return text and { name = name, path = file, origin = "bundled", text = text }
end

--- The bundled script of that name. Raises "usage" when there is none.
---@param name string
---@return script.found
function M.require_bundled_original(name)
  return M.bundled_original(name) or fail.raise {
    kind = "usage", what = ("find the bundled script '%s'"):format(name), why = "no script has this name",
    fix = hint.text "Run `{moonlatch} scripts` for the list of scripts, and name one of these.",
  }
end

--- Record that the copy was made from the present original, or was compared with it.
---@param name string
function M.record_origin(name)
  local original, origins = M.bundled_original(name), read_origins_of_copies()
  if not original then return end
  origins[name] = { hash = digest_of_script(original.text), version = sys.version() }
  local ok, message = write_origins_of_copies(origins)
  if ok then return end
  fail.raise {
    kind = "config", what = "record which original was copied", why = message,
    fix = path_fix.write(originals_path()),
  }
end

-- Does the script replace a bundled script of its name?
local function replaces_bundled_script(found)
  return (found.origin == "yours" or found.origin == "folder") and M.bundled_original(found.name) ~= nil
end

--- The origin of the copy when the original has changed since the copy was made; else nil.
---@param found script.found
---@return script.copies.origin|nil
function M.outdated_origin(found)
  if found.origin ~= "yours" or not replaces_bundled_script(found) then return nil end
  local original, origin = M.bundled_original(found.name), read_origins_of_copies()[found.name]
  if not origin or origin.hash == digest_of_script(original.text) or found.text == original.text then return nil end
  return origin
end

--- Tell the person that a script replaces the bundled script, and whether the bundled script has changed since.
---@param found script.found
function M.tell_replacement(found)
  if not replaces_bundled_script(found) then return end
  log.aside(("script: %s, instead of the bundled one"):format(script.describe(found)))
  local origin = M.outdated_origin(found)
  if not origin then return end
  log.warn(hint.text("the bundled %s has changed since you copied it (moonlatch %s). See how: {moonlatch} scripts "
    .. "diff %s", found.name, origin.version, found.name))
end

return M
