--- Change the key of everything that a profile keeps sealed: the journal, then each sealed file of the state folder.
--- The command can be stopped at any point and run again, because each file opens with the old key or with the new key,
--- and names its key.

local fail = require "fail"
local hint = require "log.hint"
local journal_segments = require "command.journal_segments"
local layout = require "terminal.layout"
local log = require "log"
local native_journal = require "host.journal"
local path_fix = require "machine.path_fix"
local passphrase = require "profile.passphrase"
local profile_key = require "profile.key"
local report = require "report"
local sealed_file = require "profile.sealed_file"
local secret = require "host.secret"
local source = require "profile.source"
local state_folder = require "machine.state_folder"
local sys = require "host.sys"
local time = require "time"
local workflow_command = require "cli.workflow_command"

local M = {}

local OLD_PASSPHRASE = "passphrase.old.json"
local LOCK_TRIES = 50 -- times 100 ms: the longest wait for a process that renews a sign-in

local FIXES = {
  busy = "Wait until the other process has ended, or stop it (timers and services, too); then run the same command "
    .. "again.",
  key = "Name with --old-key the key that the journal was made with; the profile names the new key.",
  binding = "Name the profile of this journal with --profile NAME: the journal belongs to another tenant.",
  newer = "Run the same command with the newer version of Moonlatch, which made the journal.",
}

local function raise_rekey_usage(why)
  fail.raise {
    kind = "usage", what = "journal rekey", why = why,
    fix = hint.text("Write the new key into `key` of the profile, and name the old key: {moonlatch} journal rekey "
      .. "--old-key file:PATH (or keyring:NAME, credential:NAME, passphrase, fd:N)."),
  }
end

---------------------------------------------------------------------------
-- The two keys

local OLD_KEY_SOURCES = {
  file = function(value) return { from = "file", path = value } end,
  keyring = function(value) return { from = "keyring", name = value } end,
  credential = function(value) return { from = "credentials_directory", name = value } end,
  fd = function(value)
    local fd = math.tointeger(tonumber(value))
    return fd and { from = "fd", fd = fd }
  end,
}

-- Move a file with the parameters of a passphrase within the state folder. When this is interrupted, both files exist
-- and are equal.
local function move_parameters_file(profile, from, to)
  local text, message = sys.read(profile.state .. "/" .. from, 4096)
  local ok = text ~= nil
  if ok then ok, message = sys.write(profile.state .. "/" .. to, text, "replace") end
  if ok then ok, message = sys.remove(profile.state .. "/" .. from) end
  if ok then return end
  fail.raise { kind = "config", what = ("move the parameters of a passphrase from %s to %s"):format(from, to),
    why = message, fix = path_fix.write(profile.state .. "/" .. to) }
end

-- Read the old key from its passphrase. When the new key comes from a passphrase, too, the parameters of the old
-- passphrase are moved to a file of their own.
local function read_old_passphrase_key(profile)
  local file = sys.stat(profile.state .. "/" .. OLD_PASSPHRASE) and OLD_PASSPHRASE or passphrase.FILE
  local old = passphrase.read(setmetatable({ key = { from = "passphrase", file = file } }, { __index = profile }))
  if profile.key.from == "passphrase" and file == passphrase.FILE then
    move_parameters_file(profile, file, OLD_PASSPHRASE)
  end
  return old
end

local function read_old_key(profile, text)
  if not text then raise_rekey_usage("the old key is not named") end
  if text == "passphrase" then return read_old_passphrase_key(profile) end
  local kind, value = text:match("^(%l+):(.+)$")
  local found = OLD_KEY_SOURCES[kind] and OLD_KEY_SOURCES[kind](value)
  if not found then raise_rekey_usage(("'%s' does not name a key"):format(text)) end
  return source.read(found, "the old key", "bytes")
end

-- Does the journal open with this key? True when there is no journal.
local function does_key_open_journal(profile, key)
  local copy <close>, _, kind = native_journal.read(profile.state .. "/journal.db", key, profile.binding)
  return copy ~= nil or kind ~= "key"
end

-- Read the new key, or make it. A key is made only after the old key has opened the journal.
local function read_new_key(profile, old)
  local is_right = does_key_open_journal(profile, old)
  if is_right and profile_key.make_another(profile) then
    log.prose("made: the new key, in " .. source.describe(profile.key))
  end
  local new = profile_key.read(profile)
  if secret.equals(new, old) then raise_rekey_usage("the old key and the one that the profile names are the same") end
  return new
end

---------------------------------------------------------------------------
-- Sealing anew

local function rekey_journal(profile, old, new)
  local count, message, kind = native_journal.rekey(profile.state, old, new, profile.binding, time.now())
  if count then return count end
  fail.raise {
    kind = "journal", what = "seal the journal in " .. profile.state .. " under another key", why = message,
    fix = FIXES[kind] or kind == "io" and path_fix.write(profile.state .. "/journal.db",
      hint.text "see what is wrong with the journal: {moonlatch} journal verify") or nil,
  }
end

-- Take the lock that a process holds while it renews a sign-in.
local function lock_sealed_file(profile, name)
  local path = ("%s/%s.lock"):format(profile.state, name)
  for try = 1, LOCK_TRIES do
    local held, message, kind = sys.lock(path)
    if held then return held end
    if kind ~= "held" or try == LOCK_TRIES then
      fail.raise { kind = "config", what = ("seal %s under another key"):format(name), why = message,
        fix = kind == "held" and FIXES.busy or state_folder.fix(profile.state) or path_fix.write(path) }
    end
    sys.sleep(100)
  end
end

local function rekey_sealed_files(profile, old, new)
  local count = 0
  for _, file in ipairs(sys.list(profile.state) or {}) do
    local name = file:match("^(.+)%.sealed$")
    if name then
      local held <close> = lock_sealed_file(profile, name)
      if sealed_file.rekey(profile, name, old, new) and held then count = count + 1 end
    end
  end
  return count
end

local function rekey_segments(profile, old, new)
  for _, name in ipairs(journal_segments.names(profile.state)) do
    local path = profile.state .. "/" .. name
    local ok, message, kind = native_journal.rekey_segment(path, old, new, profile.binding)
    if not ok then
      fail.raise { kind = "journal", what = ("seal the segment %s under another key"):format(path), why = message,
        fix = FIXES[kind] or kind == "io" and path_fix.write(path)
          or "Copy that file from a backup into the folder, then run the same command again." }
    end
  end
end

-- The files that stay sealed with the old key.
local function files_under_old_key(profile)
  local list = {}
  for _, file in ipairs(sys.list(profile.state) or {}) do
    if file:find("^journal%.db%.before%-%d+$") then list[#list + 1] = file end
  end
  return list
end

-- Keep the parameters of the old passphrase under the id of the old key: they are needed as long as backups that were
-- sealed with the old key exist.
local function rename_old_parameters(profile, old)
  local file = profile.key.from == "passphrase" and OLD_PASSPHRASE or passphrase.FILE
  if not sys.stat(profile.state .. "/" .. file) then return nil end
  local name = ("passphrase-%s.json"):format(sealed_file.key_id(old))
  move_parameters_file(profile, file, name)
  return name
end

local function print_rekey_result(values, files, left, old_parameters)
  if log.json() then
    return report.json { values = values, files = files, old_key = left, passphrase = old_parameters }
  end
  log.prose(("The journal and the sealed files open with the new key alone (sealed anew: %s, %s)."):format(
    layout.count(values, "value"), layout.count(files, "file")))
  log.prose("Backups made before need the old key: keep it as long as you keep them, and take another backup now.")
  if #left > 0 then log.prose("The old key alone opens: " .. table.concat(left, ", ") .. ".") end
  if old_parameters then log.prose(("The parameters of the old passphrase are in %s."):format(old_parameters)) end
end

--- Seal everything with the key that the profile names now. `--old-key` says where the old key is.
---@param profile profile
---@param _ nil
---@param options { yes: boolean?, old_key: string? }
---@return integer? exit status
function M.run(profile, _, options)
  local old <close> = read_old_key(profile, options.old_key)
  local new <close> = read_new_key(profile, old)
  local question = ("Seal everything of %s under the key in %s?"):format(profile.binding, source.describe(profile.key))
  if not options.yes and not workflow_command.ask_yes_or_no(question) then
    log.prose("Nothing was changed.")
    return 1
  end
  local values = rekey_journal(profile, old, new)
  local files = rekey_sealed_files(profile, old, new)
  rekey_segments(profile, old, new)
  print_rekey_result(values, files, files_under_old_key(profile), rename_old_parameters(profile, old))
end

return M
