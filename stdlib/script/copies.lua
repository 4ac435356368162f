--- A person's copies of bundled scripts: from which original each was made, so that the person is told when the
--- original has changed.

local crypto = require "host.crypto"
local fail = require "fail"
local log = require "log"
local script = require "script.load"
local sets = require "base.sets"
local sys = require "host.sys"

local M = {}

local LIMIT = 1 << 20

---@class script.copies.origin
---@field hash string of the original's text, when it was copied or last looked at
---@field version string of the program that held it

local function digest(text) return crypto.hex(crypto.digest("sha256", text)) end

local function path() return script.own_folder() .. "/.originals" end

-- name -> origin; empty when nothing was copied yet, or the file cannot be read.
local function read()
  local origins, text = {}, sys.read(path(), LIMIT)
  for name, hash, version in (text or ""):gmatch("(%S+)\t(%x+)\t(%S+)\n") do
    origins[name] = { hash = hash, version = version }
  end
  return origins
end

local function write(origins)
  local lines = {}
  for i, name in ipairs(sets.sorted(origins)) do
    lines[i] = ("%s\t%s\t%s\n"):format(name, origins[name].hash, origins[name].version)
  end
  return sys.write(path(), table.concat(lines), "replace")
end

--- The bundled script of that name; nil when there is none.
---@param name string
---@return script.found|nil
function M.original(name)
  local file = "scripts/" .. name .. ".lua"
  local text = sys.embedded(file)
  return text and { name = name, path = file, origin = "bundled", text = text }
end

--- Record that the copy was made from, or compared with, the original as it is now.
---@param name string
function M.note(name)
  local original, origins = M.original(name), read()
  if not original then return end
  origins[name] = { hash = digest(original.text), version = sys.version() }
  local ok, message = write(origins)
  if ok then return end
  fail.raise {
    kind = "config", what = "keep which original was copied", why = message,
    fix = ("Let %s be written; without it nobody is told when the original changes."):format(path()),
  }
end

-- Does the script replace a bundled one?
local function shadows(found)
  return (found.origin == "yours" or found.origin == "folder") and M.original(found.name) ~= nil
end

--- The original of the copy, when it has changed since; else nil.
---@param found script.found
---@return script.copies.origin|nil
function M.outdated(found)
  if found.origin ~= "yours" or not shadows(found) then return nil end
  local original, origin = M.original(found.name), read()[found.name]
  if not origin or origin.hash == digest(original.text) or found.text == original.text then return nil end
  return origin
end

--- Tell that a person's script replaces the bundled one, and whether that one has changed since.
---@param found script.found
function M.tell(found)
  if not shadows(found) then return end
  log.aside(("script: %s, instead of the bundled one"):format(script.describe(found)))
  local origin = M.outdated(found)
  if not origin then return end
  log.warn(("the bundled %s has changed since you copied it (moonlatch %s). See how: moonlatch scripts diff %s")
    :format(found.name, origin.version, found.name))
end

return M
