--- What was put on record, made durable.

local fail = require "fail"
local task = require "task"

local M = {}

local coming = setmetatable({}, { __mode = "k" }) ---@type table<host.journal.journal, Task>

--- The failure that a message of the journal is about: "journal cannot be written: WHY. WHAT TO DO".
---@param message string?
---@return Failure
function M.failure(message)
  local done, why, fix = (message or ""):match("^journal cannot be (%l+): (.-)%. (.*)$")
  return fail.new {
    kind = "journal", what = done == "read" and "read what is on record" or "put on record what was done",
    why = why and ("the journal cannot be %s: %s"):format(done, why) or message or "the journal cannot be written",
    fix = fix or "Make room on the disk or repair the state folder, then run the same command again.",
  }
end

local function write(journal)
  local ok, message = journal:commit()
  if not ok then error(M.failure(message), 0) end
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
