--- What was put on record, made durable.

local fail = require "fail"
local task = require "task"

local M = {}

local coming = setmetatable({}, { __mode = "k" }) ---@type table<host.journal.journal, Task>

local function write(journal)
  local ok, message = journal:commit()
  if ok then return end
  fail.raise {
    kind = "journal", what = "put on record what was done", why = message or "the journal cannot be written",
    fix = "Make room on the disk or repair the state folder, then run the same command again.",
  }
end

-- A task of its own makes the commit, so that it is made even when a waiter is cancelled.
local function share(journal)
  coming[journal] = task.spawn(function()
    coming[journal] = nil
    write(journal)
  end)
  return coming[journal]
end

--- Make durable what was put on record. It is durable when the call returns, or the call raises
--- "journal". Tasks that ask in the same turn of the loop share one commit, whatever their deadlines.
---@param journal host.journal.journal
function M.commit(journal)
  local me = task.current()
  if not me then return write(journal) end
  local commit = coming[journal] or share(journal)
  table.insert(commit.waiters, me)
  while not commit.done do task.suspend(true) end
  if not commit.ok then error(commit.result[1], 0) end
end

return M
