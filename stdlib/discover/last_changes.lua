--- Who changed the passwords of accounts last, by the directory's audit log, which is read once, newest records first.

local audits = require "evidence.audits"
local graph_clock = require "graph.clock"
local last_reset = require "evidence.last_reset"
local log = require "log"
local passwords = require("journal.rotations").user_passwords
local reading = require "evidence.reading"
local session = require "session.open"
local task = require "task"

local M = {}

local LONGEST = 20 -- seconds for reading the log
local KEPT = 30 * 86400 -- the log keeps no more
local MOST = 50000 -- accounts whose changes are kept in memory

---@class discover.last_changes
---@field by_account table<string, evidence.change[]> object id -> its resets
---@field own table<string, number> object id -> when Moonlatch set the password

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

local function own_changes()
  local moments, journal = {}, session.journal()
  for _, row in ipairs(journal and passwords:all(journal) or {}) do moments[row.id] = row.body.changed_at end
  return moments
end

--- Read who reset passwords. Remarks why it is unknown, where the log cannot be read to its end. Waits, 20 seconds at
--- most.
---@param without_log boolean do not read the log?
---@return discover.last_changes
function M.read(without_log)
  local found, now = { by_account = {}, own = own_changes() }, graph_clock.now()
  if without_log then return found end
  local ok, failure = pcall(task.within, LONGEST, keep_resets, found.by_account, now - KEPT, now)
  if not ok then
    local gap = reading.gap(failure)
    log.aside(("who changed a password last is not known everywhere: %s"):format(gap.why))
  end
  return found
end

--- Who changed the password of a user last, in words: "the application 'Devolutions PAM'", "anna@contoso.com",
--- "unknown".
---@param found discover.last_changes
---@param user table of Graph
---@param changed number? when it changed
---@return string
function M.who(found, user, changed)
  local reset = last_reset.of({
    id = user.id, changed = changed, synced = user.onPremisesSyncEnabled == true, own_at = found.own[user.id],
  }, changed and found.by_account[user.id:lower()] or {}, {})
  return last_reset.who(reset)
end

return M
