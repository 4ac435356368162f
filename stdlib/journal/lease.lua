--- Leases: the right to work on something, for one process at a time.

local fail = require "fail"
local state_folder = require "machine.state_folder"
local sys = require "host.sys"

local M = {}

local FIX = "Nothing was changed. Make sure that it is a file that the user %s may write, that its disk has room, and "
  .. "that files can still be opened (ulimit -n). Then run the same command again."

--- Take the lease on a name. Nil, and who holds it, when another process does. Raises "journal" when the lock file
--- cannot be opened or locked: then it is unknown whether another process holds the lease.
---@param journal host.journal.journal
---@param name string "user/…", "application/…"
---@param what string what is done under the lease, for the failure: "set a new password for anna@contoso.com"
---@return host.journal.lease|nil lease, string? held_by
function M.take(journal, name, what)
  local lease, message, kind = journal:lease(name)
  if lease then return lease end
  if kind ~= "journal" then return nil, message end
  local path = message:match("^the lock file '(.+)' cannot be ")
  fail.raise {
    kind = "journal", what = what, why = message, fix = path and state_folder.fix(path) or FIX:format(sys.user()),
  }
end

return M
