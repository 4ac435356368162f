--- Open a session: the door, the journal and the clock of a profile. One session is open at a time; `http` and `time`
--- use it.

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local http = require "http.client"
local log = require "log"
local path_fix = require "machine.path_fix"
local profiles = require "profile.current"
local rights = require "task.rights"
local sys = require "host.sys"
local temporary_state = require "machine.temporary_state"
local time_clock = require "time.clock"

local M = {}

---@class session.options
---@field owner string? the script's name, for people
---@field needs script.needs? what the script may do
---@field scripts session.script[]? instead of owner and needs: several scripts side by side, each with rights of its
--- own.
--- Code that does not run with the rights of a script (`rights`, by name) may then do nothing.
---@field mode "declared"|"read"|"write"|nil the undeclared calls that may be sent ("declared": none)
---@field reading boolean? leave out the declared calls that change something
---@field journal boolean? open the journal; without the journal nothing can be changed (true)
---@field fresh boolean? let the person sign in again, and stay signed in

---@class session.script
---@field name string
---@field owner string the script's file, for people
---@field needs script.needs
---@field is_sink boolean? may it give secrets to its programs and folders?

---@class session
---@field rights table<string, host.gate.rights> by the name of the script, when several scripts run side by side
---@field profile profile
---@field journal host.journal.journal?
---@field door host.gate.door
local Session = class "session"

local current ---@type session?

---------------------------------------------------------------------------
-- The journal

local JOURNAL_FIXES = {
  key = "Name the key in the profile that this journal was made with. To give the journal the new key: {moonlatch} "
    .. "journal rekey --old-key file:PATH, with the old one.",
  binding = 'Give this profile a folder of its own: add state = "/path/of/the/folder" to it.',
  damaged = "Keep the folder as it is. To go on with a backup: {moonlatch} journal restore FILE --set-aside, which "
    .. "removes nothing; nothing is sent meanwhile.",
  gone = "Bring a backup back: {moonlatch} journal restore FILE. Only if nothing it knew of is in force any more: move "
    .. "the whole folder away, and run the same command again.",
  older = "Bring back the journal that was used last. If it is lost: {moonlatch} journal restore FILE --set-aside, "
    .. "which records that the copy lacks what came later.",
  restoring = "Run the same `{moonlatch} journal restore FILE` again: it goes on where it was.",
  newer = "Run the same command with the newer version of Moonlatch, which made the journal.",
}

-- What to do when the journal cannot be opened. An emulator that starts again is a new tenant, at a new address.
local function journal_fix(profile, kind)
  if kind == "io" then
    return require("machine.state_folder").fix(profile.state) or path_fix.write(profile.state .. "/journal.db")
  end
  if kind == "binding" and profile.kind == "emulator" then
    return ("An emulator that starts again is a new tenant: remove what is kept of the former one, rm -r '%s'.")
      :format(profile.state)
  end
  return JOURNAL_FIXES[kind] and hint.text(JOURNAL_FIXES[kind])
end

local function failure_of_journal(message) return require("journal.commit").failure(message) end

--- Open a profile's journal. Raises "journal" when it cannot be opened.
---@param profile profile
---@param clock host.sys.clock?
---@return host.journal.journal
function M.open_journal(profile, clock)
  local key <close> = profiles.key()
  local native_journal = require "host.journal"
  local journal, message, kind = native_journal.open(profile.state, key, profile.binding, clock, failure_of_journal)
  if journal then return journal end
  fail.raise {
    kind = "journal", what = "open the journal in " .. profile.state, why = message, fix = journal_fix(profile, kind),
  }
end

-- Write the last record of the audit chain to the system's log, which a person who replaces the journal by an older one
-- cannot change. `moonlatch journal verify --head` compares the two.
local function write_head_to_syslog(session)
  local journal = session.journal
  if session.profile.kind ~= "real" or not journal then return end
  local ok, seq, hash = pcall(function()
    if journal:commit() then return journal:head() end
  end)
  if not ok or not seq or seq == session.began_at then return end
  sys.syslog(("journal of %s ends with record %d:%s"):format(session.profile.binding, seq, hash))
end

---------------------------------------------------------------------------
-- The session

local function open_emulator_clock(profile)
  if not profile.clock then return nil end
  local clock, message = sys.clock(profile.clock)
  if clock then return clock end
  fail.raise {
    kind = "config", what = "follow the emulator's clock " .. profile.clock, why = message,
    fix = hint.text("Start the emulator again ({moonlatch} emulator), and name the configuration that it prints with "
      .. "--config FILE."),
  }
end

local UNDECLARED_SCOPES = { "Directory.Read.All" }

-- The scopes for code that declares no calls. With a stored sign-in: none, which means the scopes with consent.
local function scopes_for_undeclared_code(profile, fresh)
  local token_cache = require "oauth.token_cache"
  local has_sign_in = not fresh and token_cache.is_personal(profile) and token_cache.about(profile)
  return has_sign_in and {} or UNDECLARED_SCOPES
end

-- Choose the scopes that a person signs in with: those that the script names, else the least for its calls; for code
-- that declares no calls, those of the profile.
local function choose_sign_in_scopes(profile, options)
  local needs = options.needs or {}
  local scopes = needs.scopes
  if not scopes and (options.mode or "declared") ~= "declared" then
    scopes = profile.sign_in.scopes or scopes_for_undeclared_code(profile, options.fresh)
  elseif not scopes and needs.graph and needs.graph[1] then
    scopes = require("permissions.least").least(needs.graph).delegated
  end
  if scopes then require("oauth.sign_in").use_scopes(scopes) end
end

-- Keep the sign-in of a person who ran `moonlatch login`.
local function keep_person_signed_in(profile, fresh)
  local token_cache = require "oauth.token_cache"
  if token_cache.is_personal(profile) then require("oauth.sign_in").keep(token_cache.keeper(profile, fresh)) end
end

-- Is it certain that there is no folder of this path? Not when a folder above it may not be searched, or is a link that
-- leads nowhere, such as to a disk that is not mounted.
local function is_surely_absent(path)
  while path ~= "" do
    local found, unknown = sys.stat(path)
    if unknown then return false end
    if found then return sys.stat(path, true) ~= nil end
    path = path:match("^(.*)/") or ""
  end
  return true
end

-- Where a session only reads, and the state folder neither exists nor can be made, nothing can be on record on this
-- machine: use a temporary folder, which is removed at the end. A folder that exists, or may exist, and cannot be used
-- stays an error.
local function use_temporary_state(session, profile)
  local ok, state = pcall(function() return profile.state end)
  if ok and (sys.stat(state) or sys.mkdir(state, true) or not is_surely_absent(state)) then return profile end
  local temporary, message = temporary_state.open()
  if not temporary then
    fail.raise { kind = "config", what = "make a temporary state folder", why = message,
      fix = "Set TMPDIR to a folder that exists and that your user may write to." }
  end
  session.temporary_state = temporary
  log.aside(("%s; so a temporary folder is used, and nothing is kept"):format(ok
    and ("nothing is on record on this machine: the state folder %s cannot be made"):format(state)
    or "what is on record on this machine is not known: " .. (fail.is(state) and state.why or tostring(state))))
  return setmetatable({ state = temporary.path }, { __index = profile })
end

local function mark_rights_of_sinks(session, scripts)
  for _, script in ipairs(scripts) do
    if script.is_sink then rights.mark_sink(session.rights[script.name]) end
  end
end

--- Open a session for a profile, which becomes the profile in use.
---@param profile profile
---@param options session.options?
---@return session
function M.open(profile, options)
  if current then error("a session is open already", 2) end
  options = options or {}
  local session <const> = Session { rights = {} }
  local keeps_nothing = options.reading or options.journal == false and options.mode == "read" and not options.fresh
  session.profile = keeps_nothing and use_temporary_state(session, profile) or profile
  profile = session.profile
  profiles.use(profile)
  local session_rights
  current = session
  local ok, err = pcall(function()
    session.clock = open_emulator_clock(profile)
    session.journal = options.journal ~= false and M.open_journal(profile, session.clock) or nil
    session.began_at = session.journal and session.journal:head()
    session_rights = require("session.door").open(session, options)
    mark_rights_of_sinks(session, options.scripts or {})
  end)
  if not ok then
    session:close()
    error(err, 0)
  end
  time_clock.use(session.clock)
  http.use(session.door, session_rights)
  choose_sign_in_scopes(profile, options)
  keep_person_signed_in(profile, options.fresh)
  return session
end

-- Sign out at the end of the session.
local function sign_out_of_session()
  local oauth = package.loaded["oauth.sign_in"]
  if not oauth then return end
  oauth.sign_out()
  oauth.keep(nil)
  oauth.use_scopes {}
end

--- Close the door, the journal and the clock. Requests in flight are abandoned. A second call does nothing.
function Session:close()
  if current ~= self then return end
  current = nil
  if http.request_count() > 0 then
    log.detail(("%d requests, the longest chain %d"):format(http.request_count(), http.longest_chain()))
  end
  sign_out_of_session()
  http.use(nil)
  time_clock.use(nil)
  profiles.use(nil)
  for _, part in ipairs { "door", "journal", "clock" } do
    if part == "journal" then write_head_to_syslog(self) end
    if self[part] then self[part]:close() end
    self[part] = nil
  end
  if self.temporary_state then self.temporary_state:close() end
  if self.emulator then self.emulator:close() end
end

Session.__close = Session.close

--- The journal of the open session; nil when it has none.
---@return host.journal.journal|nil
function M.journal()
  return current and current.journal
end

--- The open session; nil when there is none.
---@return session|nil
function M.current() return current end

--- Close the open session, when there is one.
function M.close()
  if current then current:close() end
end

---@class session.choice the profile as the command line chooses it
---@field profile string?
---@field config string?
---@field emulator boolean?
---@field scripts string?

--- Open a session for the profile that the command line chose; with --emulator, for a private emulator, which is
--- stopped when the session is closed.
---@param choice session.choice
---@param options session.options?
---@return session
function M.start(choice, options)
  if not choice.emulator then
    return M.open(profiles.load { config = choice.config, name = choice.profile }, options)
  end
  local emulator = require("session.emulator").start(choice)
  local ok, session = pcall(function()
    local profile = profiles.load { config = emulator.config }
    profile.is_private = true
    return M.open(profile, options)
  end)
  if not ok then
    emulator:close()
    error(session, 0)
  end
  session.emulator = emulator
  return session
end

return M
