--- What was put on record, made durable.

local fail = require "fail"

local M = {}

--- Durable when the call returns, or it raises.
---@param journal host.journal.journal
function M.commit(journal)
  local ok, message = journal:commit()
  if ok then return end
  fail.raise {
    kind = "journal", what = "put on record what was done", why = message or "the journal cannot be written",
    fix = "Make room on the disk or repair the state folder, then run the same command again.",
  }
end

return M
