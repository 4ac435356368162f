--- Who changed the passwords of accounts last, by the directory's audit log, which is read once, newest records first;
--- and which accounts PAM had to change since.

local audits = require "evidence.audits"
local existing_journal = require "session.existing_journal"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local last_reset = require "evidence.last_reset"
local log = require "log"
local oauth = require "oauth.sign_in"
local passwords = require("journal.rotations").user_passwords
local profiles = require "profile.current"
local reach = require "entra.reach"
local reading = require "evidence.reading"
local states = require "handover.state"
local task = require "task"

local M = {}

local LONGEST = 20 -- seconds for reading the log
local KEPT = 30 * 86400 -- the log keeps no more
local MOST = 50000 -- accounts whose changes are kept in memory

---@class discover.last_changes
---@field by_account table<string, evidence.change[]> object id -> its resets
---@field own table<string, number> object id -> when Moonlatch set the password
---@field actors evidence.actors
---@field providers string[] client ids of the applications that were handed over
---@field managed string[] groups and user names that the profile, or else the hand-overs on record, name as managed
---@field is_named boolean does the profile name them?
---@field every number? seconds, by the profile: how often PAM has to change the passwords of managed accounts
---@field due table<string, boolean>? object ids of the managed accounts; nil: none need be changed, or not known which

---------------------------------------------------------------------------
-- Reading

-- Keep the resets of each account; the log tells of other changes, too.
local function keep_resets(by_account, from, to)
  local count = 0
  for change in audits.read { category = "UserManagement", from = from, to = to } do
    for _, target in ipairs(change.kind == "reset" and change.targets or {}) do
      local list = by_account[target.object_id]
      if not list and count < MOST then
        count, list = count + 1, {}
        by_account[target.object_id] = list
      end
      if list then list[#list + 1] = change end
    end
  end
end

local function add_handovers(found, journal)
  for _, row in ipairs(states.rows(journal)) do
    if row.state == "known" then
      table.insert(found.providers, row.id)
      for _, name in ipairs(not found.is_named and row.body.managed or {}) do table.insert(found.managed, name) end
    end
  end
end

local function read_journal(found)
  existing_journal.with(profiles.current(), function(journal)
    if not journal then return end
    for _, row in ipairs(passwords:all(journal)) do found.own[row.id] = row.body.changed_at end
    add_handovers(found, journal)
  end)
end

local function read_actors(found)
  local me = oauth.principal()
  found.actors.self = me.kind ~= "user" and me.oid and me.oid:lower() or nil
  for _, client_id in ipairs(found.providers) do
    local principal = graph.get(graph.path("/servicePrincipals(appId={id})", client_id),
      { select = { "id" }, missing = "nil", what = "find the service principal of " .. client_id })
    if principal then found.actors.providers[principal.id:lower()] = true end
  end
end

-- Try a part. Returns why it failed.
local function try(fn, ...)
  local ok, failure = pcall(fn, ...)
  if ok then return nil end
  if not fail.is(failure) or fail.is(failure, "interrupted") then error(failure, 0) end
  return failure
end

local function read_log(found, now)
  local ok, failure = pcall(task.within, LONGEST, function()
    read_actors(found)
    keep_resets(found.by_account, now - KEPT, now)
  end)
  if not ok then
    log.aside(("who changed a password last is not known everywhere: %s"):format(reading.gap(failure).why))
  end
end

local function read_due(found, unread)
  if not found.every then return end
  local why = #found.managed == 0 and "neither managed.select in the profile nor a setup on record names the accounts"
    or try(function()
      local due = {}
      for _, account in ipairs(reach.members(found.managed)) do due[account.id] = true end
      found.due = due
    end)
  if why then unread[#unread + 1] = "which passwords are overdue: " .. tostring(why) end
end

--- Read who reset passwords, and which accounts PAM has to change how often. Remarks why it is unknown, where the log
--- cannot be read to its end. Waits, 20 seconds for the log at most.
---@param without_log boolean do not read the log?
---@return discover.last_changes
---@return string[] unread which passwords are overdue, where that is not known, and why
function M.read(without_log)
  local managed, unread = profiles.current().managed or {}, {}
  local found = { by_account = {}, own = {}, actors = { providers = {} }, providers = {}, every = managed.every,
    managed = managed.select or {}, is_named = managed.select ~= nil }
  local failure = try(read_journal, found)
  if failure then log.aside(("which passwords Moonlatch changed is not known: %s"):format(failure.why)) end
  task.all {
    function() if not without_log then read_log(found, graph_clock.now()) end end,
    function() read_due(found, unread) end,
  }
  return found, unread
end

---------------------------------------------------------------------------
-- What it tells of an account

--- Who changed the password of a user last, in words: "the provider", "the application 'Rotator'", "anna@contoso.com",
--- "unknown"; and whether PAM had to change it since, as the profile says (`managed.every`).
---@param found discover.last_changes
---@param user table of Graph
---@param changed number? when it changed
---@return string who
---@return boolean? is_overdue nil: not a managed account, or not known
function M.of(found, user, changed)
  local reset = last_reset.of({
    id = user.id, changed = changed, synced = user.onPremisesSyncEnabled == true, own_at = found.own[user.id],
  }, changed and found.by_account[user.id:lower()] or {}, found.actors)
  local who = last_reset.who(reset)
  if not (found.due and found.due[user.id]) then return who end
  return who, last_reset.overdue(reset, found.every, graph_clock.now()) ~= nil
end

return M
