--- Open the journal for the doctor, which never creates a journal.

local existing_journal = require "session.existing_journal"

local M = {}

--- The journal of the examination's profile; nil when there is none.
---@param examination doctor.examination
---@return host.journal.journal?
function M.open(examination)
  examination.journal, examination.own = existing_journal.open(examination.profile)
  return examination.journal
end

return M
