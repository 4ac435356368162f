--- The outcome of each policy's last run, for whoever tells people of it. It is kept beside the audit chain: a value
--- that is lost is known again after the next run.

local commit = require "journal.commit"

local M = {}

local NAME = "last run/"
local MOST = 100 -- problems of a run that are kept by name

---@class journal.last_run.problem
---@field id string? object id of the account, client id of the application
---@field name string
---@field what string "failed", "stop", …
---@field why string

---@class journal.last_run
---@field policy string
---@field at number
---@field succeeded_at number? the end of the last run without a problem
---@field changed integer
---@field next_at number? when something is due next; nil: nothing that is known
---@field problems journal.last_run.problem[] the first 100
---@field count integer how many problems there were
---@field failure { what: string, why: string }? why the policy could not be planned, or was stopped

--- Record the outcome of a run. Durable when the call returns.
---@param journal host.journal.journal
---@param run journal.last_run without `succeeded_at`
function M.record(journal, run)
  local before = journal:kept(NAME .. run.policy)
  run.count = #run.problems
  run.problems = table.move(run.problems, 1, math.min(MOST, run.count), 1, {})
  local is_good = run.count == 0 and not run.failure
  run.succeeded_at = is_good and run.at or before and before.succeeded_at or nil
  journal:keep(NAME .. run.policy, run)
  commit.commit(journal)
end

--- The last run of each policy, by the policy's name; and the policies of which it cannot be opened.
---@param journal host.journal.journal
---@return journal.last_run[], string[] unread names of policies
function M.all(journal)
  local list, unread = {}, {}
  for _, name in ipairs(journal:kept_names(NAME)) do
    local run = journal:kept(name)
    if run then list[#list + 1] = run else unread[#unread + 1] = name:sub(#NAME + 1) end
  end
  return list, unread
end

return M
