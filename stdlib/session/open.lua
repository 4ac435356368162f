--- A session: the profile's door to the network, its journal and its clock.
-- One at a time; `http` and `time` use it while it is open.

local class = require "base.class"
local fail = require "fail"
local http = require "http.client"
local log = require "log"
local profiles = require "profile.current"
local time_source = require "time.clock"

local M = {}

---@class session.options
---@field needs { graph: string[]?, devolutions: string[]?, scopes: string[]? }? what may be called
---@field mode "declared"|"read"|"write"|nil may undeclared calls be sent? ("declared")
---@field reading boolean? leave out the declared calls that change something
---@field journal boolean? open the journal; nothing can be changed without (true)
---@field fresh boolean? a person signs in anew, and stays signed in

---@class session
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

--- Open a profile's journal; one that cannot be opened is an error of kind "journal".
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

-- Where the chain ends is said elsewhere too: whoever replaces the whole journal by an
-- older one of ours does not reach the system's log. moonlatch journal verify --head.
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
-- The door

local function allow_graph(door, entries, reading)
  local changes = require("host.graph").changes
  for _, entry in ipairs(entries) do
    local method, path, members = entry:match("^(%u+) ([^#]+)#?(.*)$")
    if not (reading and changes(method, path)) then
      door:allow("graph", method, path, members ~= "" and members or nil)
    end
  end
end

local function raise_unknown_word(word)
  fail.raise {
    kind = "config", what = "read needs.devolutions", why = ("'%s' is no word for a call"):format(word),
    fix = "There are vaults:read, entries:read and entries:write.",
  }
end

local function allow_devolutions(door, words, reading)
  local server, changes = require "devolutions.server", require("host.devolutions").changes
  for _, word in ipairs { "session", table.unpack(words) } do
    for _, call in ipairs(server.calls(word) or raise_unknown_word(word)) do
      local method, path = call[1], call[2]
      if word == "session" or not (reading and changes(method, path)) then door:allow("devolutions", method, path) end
    end
  end
end

-- Certificates are checked as `settings`, the profile or a part of it, says.
local function add_peer(door, name, base, profile, settings)
  local lenient = settings.strict_certificates == false
  local ok, message = door:peer(name, base, settings.ca or profile.ca, profile.proxy, lenient)
  if ok then return end
  fail.raise {
    kind = "config", what = ("%s: use %s as %s"):format(profile.file, base, name), why = message,
    fix = "Correct the address in the profile.",
  }
end

-- The endpoint of a managed identity; no proxy leads there.
local function add_identity(door, profile)
  if profile.sign_in.method ~= "managed_identity" then return end
  local base, path = require("oauth.identity").place(profile)
  add_peer(door, "identity", base, { file = profile.file, ca = profile.ca }, profile)
  door:allow("identity", "GET", path)
end

local function add_peers(door, profile)
  add_identity(door, profile)
  add_peer(door, "login", profile.login, profile, profile)
  add_peer(door, "graph", profile.graph, profile, profile)
  door:allow("login", "GET", "/*")
  door:allow("login", "POST", "/*")
  local devolutions = profile.devolutions
  if devolutions and devolutions.server then
    add_peer(door, "devolutions", devolutions.server, profile, devolutions)
  end
end

local function open_door(profile, journal, options)
  local door, needs = require("host.gate").door(profile.kind, journal), options.needs or {}
  add_peers(door, profile)
  allow_graph(door, needs.graph or {}, options.reading)
  local devolutions = profile.devolutions
  if devolutions and devolutions.server then allow_devolutions(door, needs.devolutions or {}, options.reading) end
  door:mode(options.mode or "declared")
  return door
end

-- All processes that change one tenant as one application share its budget.
local function open_budget(session)
  local profile, budget = session.profile, session.profile.write_budget
  if not budget or not session.journal then return end
  local name = (profile.sign_in.client_id or profile.sign_in.method):gsub("[^%w-]", "_")
  local path = ("%s/writes-%s"):format(profile.state, name)
  local ok, message = session.door:budget(path, budget.writes, budget.seconds, session.clock)
  if ok then return end
  fail.raise {
    kind = "config", what = "count what is changed", why = message,
    fix = require("machine.state_folder").fix(path)
      or ("Remove %s when nothing else is running; it holds nothing of value."):format(path),
  }
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

-- With a sign-in that is kept: what it was consented to, whatever that is.
local function looking_around(profile, fresh)
  local cache = require "oauth.token_cache"
  local kept = not fresh and cache.is_personal(profile) and cache.about(profile)
  return kept and {} or FOR_LOOKING_AROUND
end

-- What a person signs in for: a script's word, or the least that its calls need; the
-- profile's for code that declares nothing.
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

-- A person who signed in with `moonlatch login` stays signed in.
local function keep_sign_in(profile, fresh)
  local cache = require "oauth.token_cache"
  if cache.is_personal(profile) then require("oauth.sign_in").keep(cache.keeper(profile, fresh)) end
end

--- Open a session for a profile, which becomes the one in use.
---@param profile profile
---@param options session.options?
---@return session
function M.open(profile, options)
  if current then error("a session is open already", 2) end
  options = options or {}
  profiles.use(profile)
  local session <const> = Session { profile = profile }
  current = session
  local ok, err = pcall(function()
    session.clock = open_clock(profile)
    session.journal = options.journal ~= false and M.open_journal(profile, session.clock) or nil
    session.began_at = session.journal and session.journal:head()
    session.door = open_door(profile, session.journal, options)
    open_budget(session)
  end)
  if not ok then
    session:close()
    error(err, 0)
  end
  time_source.use(session.clock)
  http.use(session.door)
  use_scopes(profile, options)
  keep_sign_in(profile, options.fresh)
  return session
end

-- Who was signed in stays signed in no longer than the session.
local function sign_out()
  local oauth = package.loaded["oauth.sign_in"]
  if not oauth then return end
  oauth.sign_out()
  oauth.keep(nil)
  oauth.use_scopes {}
end

--- End it: close the door and the journal. What is in flight is abandoned. Idempotent.
function Session:close()
  if current ~= self then return end
  current = nil
  if http.requests() > 0 then
    log.detail(("%d requests, the longest chain %d"):format(http.requests(), http.chain()))
  end
  sign_out()
  http.use(nil)
  time_source.use(nil)
  profiles.use(nil)
  for _, part in ipairs { "door", "journal", "clock" } do
    if part == "journal" then tell_head(self) end
    if self[part] then self[part]:close() end
    self[part] = nil
  end
  if self.emulator then self.emulator:close() end
end

Session.__close = Session.close

--- The journal of the session that is open; nil when it has none.
---@return host.journal.journal|nil
function M.journal()
  return current and current.journal
end

--- The session that is open.
---@return session|nil
function M.current() return current end

--- Close the session that is open, if any.
function M.close()
  if current then current:close() end
end

---@class session.choice what a command line says of the profile
---@field profile string?
---@field config string?
---@field emulator boolean?
---@field scripts string?

--- Open a session for the profile that the command line chose: the private
--- emulator's with --emulator, which ends with the session.
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
