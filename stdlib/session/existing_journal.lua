--- The journal of a profile for what only reads, and never creates a journal.

local session = require "session.open"
local sys = require "host.sys"

local M = {}

--- The journal of the open session, else the profile's, opened; nil when there is none. Raises "journal" when it cannot
--- be opened.
---@param profile profile
---@return host.journal.journal? journal
---@return boolean? opened must the caller close it?
function M.open(profile)
  local journal = session.journal()
  if journal then return journal end
  local folder = profile.state
  if not sys.stat(folder .. "/journal.db") and not sys.stat(folder .. "/journal.mark") then return nil end
  return session.open_journal(profile), true
end

return M
