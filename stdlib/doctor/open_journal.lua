--- Open the journal for the doctor. The doctor never creates one.

local session = require "session.open"
local sys = require "host.sys"

local M = {}

--- The journal of the examination's profile; nil when there is none.
---@param exam doctor.examination
---@return host.journal.journal?
function M.open(exam)
  exam.journal = session.journal()
  if exam.journal then return exam.journal end
  local folder = exam.profile.state
  if not sys.stat(folder .. "/journal.db") and not sys.stat(folder .. "/journal.mark") then return nil end
  exam.journal, exam.own = session.open_journal(exam.profile), true
  return exam.journal
end

return M
