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

--- Call `fn(journal)` with the journal of the profile; with nil where there is none. Raises as `open`. Waits.
---@param profile profile
---@param fn fun(journal: host.journal.journal?): any
---@return any
function M.with(profile, fn)
  local journal, is_own = M.open(profile)
  local _ <close> = setmetatable({}, { __close = function() if is_own then journal:close() end end })
  return fn(journal)
end

return M
