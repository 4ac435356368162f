--- Change the key of everything that a profile keeps sealed: the journal, then each sealed file of the state folder. It
--- can be stopped at any point and run again: each file opens with the old key or with the new one, and says with
--- which.

local fail = require "fail"
local journal_segments = require "command.journal_segments"
local layout = require "terminal.layout"
local log = require "log"
local native_journal = require "host.journal"
local passphrase = require "profile.passphrase"
local profile_key = require "profile.key"
local report = require "report"
local sealed_file = require "profile.sealed_file"
local secret = require "host.secret"
local source = require "profile.source"
local sys = require "host.sys"
local time = require "time"
local workflow_command = require "cli.workflow_command"

local M = {}

local OLD_PASSPHRASE = "passphrase.old.json"
local PATIENCE = 50 -- times 100 ms: the wait for a process that renews a sign-in

local FIXES = {
  busy = "Wait for it, or stop it (timers and services, too); then run the same command again.",
  key = "--old-key names the key the journal was made with; the profile names the new one.",
}

local function usage(why)
  fail.raise {
    kind = "usage", what = "journal rekey", why = why,
    fix = "The profile names the new key. The old one: --old-key file:PATH, keyring:NAME, credential:NAME, "
      .. "passphrase, or fd:N.",
  }
end

---------------------------------------------------------------------------
-- The two keys

local SOURCES = {
  file = function(value) return { from = "file", path = value } end,
  keyring = function(value) return { from = "keyring", name = value } end,
  credential = function(value) return { from = "credentials_directory", name = value } end,
  fd = function(value)
    local fd = math.tointeger(tonumber(value))
    return fd and { from = "fd", fd = fd }
  end,
}

-- Move a file within the state folder. When it is cut off, both files exist and are equal.
local function move(profile, from, to)
  local text, message = sys.read(profile.state .. "/" .. from, 4096)
  local ok = text ~= nil
  if ok then ok, message = sys.write(profile.state .. "/" .. to, text, "replace") end
  if ok then ok, message = sys.remove(profile.state .. "/" .. from) end
  if ok then return end
  fail.raise { kind = "config", what = ("keep how a key is made, %s, as %s"):format(from, to), why = message }
end

-- Where both keys come from a passphrase, keep how the old key is derived in a file of its own.
local function old_passphrase(profile)
  local file = sys.stat(profile.state .. "/" .. OLD_PASSPHRASE) and OLD_PASSPHRASE or passphrase.FILE
  local old = passphrase.read(setmetatable({ key = { from = "passphrase", file = file } }, { __index = profile }))
  if profile.key.from == "passphrase" and file == passphrase.FILE then move(profile, file, OLD_PASSPHRASE) end
  return old
end

local function read_old(profile, text)
  if not text then usage("the old key is not named") end
  if text == "passphrase" then return old_passphrase(profile) end
  local kind, value = text:match("^(%l+):(.+)$")
  local found = SOURCES[kind] and SOURCES[kind](value)
  if not found then usage(("'%s' names no place of a key"):format(text)) end
  return source.read(found, "the old key", "bytes")
end

-- Does the journal open with that key? True when there is no journal.
local function opens(profile, key)
  local copy <close>, _, kind = native_journal.read(profile.state .. "/journal.db", key, profile.binding)
  return copy ~= nil or kind ~= "key"
end

-- Read the new key, or make it; not before the old key is known to be right.
local function read_new(profile, old)
  local is_right = opens(profile, old)
  if is_right and profile_key.make_another(profile) then
    log.say("made: the new key, in " .. source.words(profile.key))
  end
  local new = profile_key.read(profile)
  if secret.equals(new, old) then usage("the old key and the one that the profile names are the same") end
  return new
end

---------------------------------------------------------------------------
-- What is sealed

local function rekey_journal(profile, old, new)
  local count, message, kind = native_journal.rekey(profile.state, old, new, profile.binding, time.now())
  if count then return count end
  fail.raise {
    kind = "journal", what = "seal the journal in " .. profile.state .. " under another key", why = message,
    fix = FIXES[kind] or "Correct what the message names, then run the same command again: nothing is lost.",
  }
end

-- The lock that a process holds while it renews a sign-in.
local function lock(profile, name)
  local path = ("%s/%s.lock"):format(profile.state, name)
  for try = 1, PATIENCE do
    local held, message, kind = sys.lock(path)
    if held then return held end
    if kind ~= "held" or try == PATIENCE then
      fail.raise { kind = "config", what = ("seal %s under another key"):format(name), why = message,
        fix = FIXES.busy }
    end
    sys.sleep(100)
  end
end

local function rekey_files(profile, old, new)
  local count = 0
  for _, file in ipairs(sys.list(profile.state) or {}) do
    local name = file:match("^(.+)%.sealed$")
    if name then
      local held <close> = lock(profile, name)
      if sealed_file.rekey(profile, name, old, new) and held then count = count + 1 end
    end
  end
  return count
end

local function rekey_segments(profile, old, new)
  for _, name in ipairs(journal_segments.names(profile.state)) do
    local path = profile.state .. "/" .. name
    local ok, message = native_journal.rekey_segment(path, old, new, profile.binding)
    if not ok then
      fail.raise { kind = "journal", what = ("seal the segment %s under another key"):format(path), why = message,
        fix = "Restore that file from a backup, then run the same command again." }
    end
  end
end

-- Files that only the old key opens, and that stay so.
local function left_behind(profile)
  local list = {}
  for _, file in ipairs(sys.list(profile.state) or {}) do
    if file:find("^journal%.db%.before%-%d+$") then list[#list + 1] = file end
  end
  return list
end

-- Keep how the old key is derived: it is needed as long as backups under it exist.
local function put_old_passphrase_away(profile, old)
  local file = profile.key.from == "passphrase" and OLD_PASSPHRASE or passphrase.FILE
  if not sys.stat(profile.state .. "/" .. file) then return nil end
  local name = ("passphrase-%s.json"):format(sealed_file.key_id(old))
  move(profile, file, name)
  return name
end

local function tell(values, files, left, kept)
  if log.json() then return report.json { values = values, files = files, old_key = left, passphrase = kept } end
  log.say(("The journal and the sealed files open with the new key alone (sealed anew: %s, %s)."):format(
    layout.count(values, "value"), layout.count(files, "file")))
  log.say("Backups made before need the old key: keep it as long as you keep them, and take another backup now.")
  if #left > 0 then log.say("The old key alone opens: " .. table.concat(left, ", ") .. ".") end
  if kept then log.say(("How the old key is made of its passphrase is kept in %s."):format(kept)) end
end

--- Seal everything with the key that the profile names now. `--old-key` says where the old one is.
---@param profile profile
---@param _ nil
---@param options { yes: boolean?, old_key: string? }
---@return integer? exit status
function M.run(profile, _, options)
  local old <close> = read_old(profile, options.old_key)
  local new <close> = read_new(profile, old)
  if not options.yes and not workflow_command.ask(("Seal everything of %s under the key in %s?"):format(profile.binding,
    source.words(profile.key))) then
    log.say("Nothing was changed.")
    return 1
  end
  local values = rekey_journal(profile, old, new)
  local files = rekey_files(profile, old, new)
  rekey_segments(profile, old, new)
  tell(values, files, left_behind(profile), put_old_passphrase_away(profile, old))
end

return M
