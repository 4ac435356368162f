--- Commit the journal: write records to disk, in one transaction for all tasks of a turn of the loop.

local fail = require "fail"
local scheduler = require "task.scheduler"
local task = require "task"

local M = {}

local pending_commits = setmetatable({}, { __mode = "k" }) ---@type table<host.journal.journal, Task>

local REPAIR = "Make room on the disk of the state folder, and give your user write access to it; then run the same "
  .. "command again."

--- Turn a message of the journal into a failure.
---@param message string? "the journal cannot be written: …, in '…'. What to do"
---@return Failure
function M.failure(message)
  message = message or "the journal cannot be written"
  local is_read = message:find("^the journal cannot be read") ~= nil
  local why, fix = message:match("^(.-)%. (%u.*)$")
  return fail.new {
    kind = "journal", what = is_read and "read what is on record" or "put on record what was done",
    why = why or message, fix = fix and fix .. "." or REPAIR,
  }
end

local function commit_journal_now(journal)
  local ok, message = journal:commit()
  if not ok then error(M.failure(message), 0) end
end

-- Spawn a task that commits, so that the commit happens even when the tasks that wait for the commit are cancelled.
local function spawn_shared_commit(journal)
  pending_commits[journal] = task.spawn(function()
    pending_commits[journal] = nil
    commit_journal_now(journal)
  end)
  return pending_commits[journal]
end

--- Write the journal's records to disk: they are durable when the call returns. Raises "journal" when they cannot be
--- written. Tasks that call this in the same turn of the loop share one commit. No deadline cuts the call short.
---@param journal host.journal.journal
function M.commit(journal)
  local me = scheduler.current()
  if not me then return commit_journal_now(journal) end
  local commit = pending_commits[journal] or spawn_shared_commit(journal)
  table.insert(commit.waiters, me)
  while not commit.done do scheduler.suspend(true) end
  if not commit.ok then error(commit.result[1], 0) end
end

return M
