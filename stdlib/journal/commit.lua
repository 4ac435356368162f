--- What was put on record, made durable.

local fail = require "fail"
local task = require "task"

local M = {}

local coming = setmetatable({}, { __mode = "k" }) ---@type table<host.journal.journal, Task>

local REPAIR = "Make room on the disk or repair the state folder, then run the same command again."

--- The failure that a message of the journal is.
---@param message string? "journal cannot be written: …, in '…'. What to do"
---@return Failure
function M.failure(message)
  message = message or "journal cannot be written"
  local is_read = message:find("^journal cannot be read") ~= nil
  local why, fix = message:match("^(.-)%. (%u.*)$")
  return fail.new {
    kind = "journal", what = is_read and "read what is on record" or "put on record what was done",
    why = ((why or message):gsub("^journal cannot", "the journal cannot")), fix = fix and fix .. "." or REPAIR,
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
