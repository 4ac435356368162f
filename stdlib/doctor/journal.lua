--- The journal as the doctor sees it: opened if there is one, never made.

local session = require "session"
local sys = require "host.sys"

local M = {}

--- The journal of the exam's profile; nil where there is none yet.
---@param exam doctor.exam
---@return host.journal.journal?
function M.open(exam)
  exam.journal = session.journal()
  if exam.journal then return exam.journal end
  if not sys.stat(exam.profile.state .. "/journal.db") then return nil end
  exam.journal, exam.own = session.open_journal(exam.profile), true
  return exam.journal
end

return M
