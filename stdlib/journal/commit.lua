--- Make durable what was put on record.

local fail = require "fail"
local scheduler = require "task.scheduler"
local task = require "task"

local M = {}

local coming = setmetatable({}, { __mode = "k" }) ---@type table<host.journal.journal, Task>

local REPAIR = "Make room on the disk or repair the state folder, then run the same command again."

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

local function write(journal)
  local ok, message = journal:commit()
  if not ok then error(M.failure(message), 0) end
end

-- A task of its own commits, so that the commit happens even when a waiting task is cancelled.
local function share(journal)
  coming[journal] = task.spawn(function()
    coming[journal] = nil
    write(journal)
  end)
  return coming[journal]
end

--- Write to disk what was put on record: it is durable when the call returns. Raises "journal" when it cannot be
--- written. Tasks that ask in the same turn of the loop share one commit. No deadline cuts the call short.
---@param journal host.journal.journal
function M.commit(journal)
  local me = scheduler.current()
  if not me then return write(journal) end
  local commit = coming[journal] or share(journal)
  table.insert(commit.waiters, me)
  while not commit.done do scheduler.suspend(true) end
  if not commit.ok then error(commit.result[1], 0) end
end

return M
