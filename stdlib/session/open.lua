--- A session: the gate, the journal and the clock of a profile, opened together. One session is open at a time; `http`
--- and `time` use it.

local class = require "base.class"
local fail = require "fail"
local http = require "http.client"
local log = require "log"
local profiles = require "profile.current"
local time_clock = require "time.clock"

local M = {}

---@class session.options
---@field owner string? whose code runs, for people: the script's name
---@field needs script.needs? what it may do
---@field scripts session.script[]? instead: several scripts side by side, each with rights of its own. Code that is
--- not run with the rights of one of them (`rights`, by name) may then do nothing.
---@field mode "declared"|"read"|"write"|nil may calls be sent that are not declared? ("declared")
---@field reading boolean? leave out the declared calls that change something
---@field journal boolean? open the journal; without it nothing can be changed (true)
---@field fresh boolean? a person signs in again, and stays signed in

---@class session.script
---@field name string
---@field owner string its file, for people
---@field needs script.needs

---@class session
---@field rights table<string, host.gate.rights> of each of the several scripts, by its name
---@field profile profile
---@field journal host.journal.journal?
---@field door host.gate.door
local Session = class "session"

local current ---@type session?

---------------------------------------------------------------------------
-- The journal

local FIXES = {
  key = "Name the key this journal was made with; a new one cannot open what is sealed under the old one. To change "
    .. "keys: moonlatch journal rekey --old-key WHERE.",
  binding = "Give this profile a `state` folder of its own.",
  damaged = "Keep the folder as it is. To go on with a backup: moonlatch journal restore FILE --set-aside, which "
    .. "removes nothing; nothing is sent meanwhile.",
  gone = "Bring a backup back: moonlatch journal restore FILE. Only if nothing it knew of is in force any more: move "
    .. "the whole folder away, and the next run begins anew.",
  older = "Bring back the one that was used last. Where that is lost: moonlatch journal restore FILE --set-aside, "
    .. "after which it is known that the copy lacks what came later.",
  restoring = "Run the same `moonlatch journal restore FILE` again: it goes on where it was.",
  io = "Make room, or let the folder be written, then run the same command again; nothing is sent meanwhile.",
}

local function failure_of(message) return require("journal.commit").failure(message) end

--- Open a profile's journal. Raises "journal" when it cannot be opened.
---@param profile profile
---@param clock host.sys.clock?
---@return host.journal.journal
function M.open_journal(profile, clock)
  local key <close> = profiles.key()
  local journal, message, kind = require("host.journal").open(profile.state, key, profile.binding, clock, failure_of)
  if journal then return journal end
  local whose = kind == "io" and require("machine.state_folder").fix(profile.state)
  fail.raise {
    kind = "journal", what = "open the journal in " .. profile.state, why = message, fix = whose or FIXES[kind],
  }
end

-- Write the end of the chain to the system's log too: whoever replaces the whole journal by an older one cannot change
-- that log. `moonlatch journal verify --head` compares.
local function tell_head(session)
  local journal = session.journal
  if session.profile.kind ~= "real" or not journal then return end
  local ok, seq, hash = pcall(function()
    if journal:commit() then return journal:head() end
  end)
  if not ok or not seq or seq == session.began_at then return end
  require("host.sys").syslog(("journal of %s ends with record %d:%s"):format(session.profile.binding, seq, hash))
end

---------------------------------------------------------------------------
-- The session

local function open_clock(profile)
  if not profile.clock then return nil end
  local clock, message = require("host.sys").clock(profile.clock)
  if clock then return clock end
  fail.raise {
    kind = "config", what = "follow the emulator's clock " .. profile.clock, why = message,
    fix = "The emulator writes this file. Is the emulator running?",
  }
end

local FOR_LOOKING_AROUND = { "Directory.Read.All" }

-- The permissions to ask for when looking around: with a stored sign-in, what it has consent for.
local function looking_around(profile, fresh)
  local token_cache = require "oauth.token_cache"
  local kept = not fresh and token_cache.is_personal(profile) and token_cache.about(profile)
  return kept and {} or FOR_LOOKING_AROUND
end

-- The permissions that a person signs in for: those the script names, or the least for its calls; for code that
-- declares nothing, the profile's.
local function use_scopes(profile, options)
  local needs = options.needs or {}
  local scopes = needs.scopes
  if not scopes and (options.mode or "declared") ~= "declared" then
    scopes = profile.sign_in.scopes or looking_around(profile, options.fresh)
  elseif not scopes and needs.graph and needs.graph[1] then
    scopes = require("permissions.least").least(needs.graph).delegated
  end
  if scopes then require("oauth.sign_in").use_scopes(scopes) end
end

-- A person who ran `moonlatch login` stays signed in.
local function keep_sign_in(profile, fresh)
  local token_cache = require "oauth.token_cache"
  if token_cache.is_personal(profile) then require("oauth.sign_in").keep(token_cache.keeper(profile, fresh)) end
end

--- Open a session for a profile, which becomes the profile in use.
---@param profile profile
---@param options session.options?
---@return session
function M.open(profile, options)
  if current then error("a session is open already", 2) end
  options = options or {}
  profiles.use(profile)
  local session <const> = Session { profile = profile, rights = {} }
  local acting
  current = session
  local ok, err = pcall(function()
    session.clock = open_clock(profile)
    session.journal = options.journal ~= false and M.open_journal(profile, session.clock) or nil
    session.began_at = session.journal and session.journal:head()
    acting = require("session.door").open(session, options)
  end)
  if not ok then
    session:close()
    error(err, 0)
  end
  time_clock.use(session.clock)
  http.use(session.door, acting)
  use_scopes(profile, options)
  keep_sign_in(profile, options.fresh)
  return session
end

-- Sign out at the end of the session.
local function sign_out()
  local oauth = package.loaded["oauth.sign_in"]
  if not oauth then return end
  oauth.sign_out()
  oauth.keep(nil)
  oauth.use_scopes {}
end

--- Close the gate and the journal. Requests in flight are abandoned. Calling it again does nothing.
function Session:close()
  if current ~= self then return end
  current = nil
  if http.request_count() > 0 then
    log.detail(("%d requests, the longest chain %d"):format(http.request_count(), http.longest_chain()))
  end
  sign_out()
  http.use(nil)
  time_clock.use(nil)
  profiles.use(nil)
  for _, part in ipairs { "door", "journal", "clock" } do
    if part == "journal" then tell_head(self) end
    if self[part] then self[part]:close() end
    self[part] = nil
  end
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

--- Open a session for the profile that the command line chose. With --emulator that is a private emulator's, which ends
--- with the session.
---@param choice session.choice
---@param options session.options?
---@return session
function M.start(choice, options)
  if not choice.emulator then
    return M.open(profiles.load { config = choice.config, name = choice.profile }, options)
  end
  local emulator = require("session.emulator").start(choice)
  local ok, session = pcall(function() return M.open(profiles.load { config = emulator.config }, options) end)
  if not ok then
    emulator:close()
    error(session, 0)
  end
  session.emulator = emulator
  return session
end

return M
