--- Open the journal for the doctor, which never creates a journal.

local session = require "session.open"
local sys = require "host.sys"

local M = {}

--- The journal of the examination's profile; nil when there is none.
---@param examination doctor.examination
---@return host.journal.journal?
function M.open(examination)
  examination.journal = session.journal()
  if examination.journal then return examination.journal end
  local folder = examination.profile.state
  if not sys.stat(folder .. "/journal.db") and not sys.stat(folder .. "/journal.mark") then return nil end
  examination.journal, examination.own = session.open_journal(examination.profile), true
  return examination.journal
end

return M
