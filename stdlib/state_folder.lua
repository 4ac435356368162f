--- Whose a profile's state folder is, and how to act as that user.

local sys = require "host.sys"

local M = {}

M.SERVICE_USER = "moonlatch" -- whom the units of service/ run as

--- What a person does about a state folder, or a part of it, that another user owns; nil
--- when it is ours, or is not there.
---@param path string
---@return string|nil fix sentences
function M.fix(path)
  local owner, user = sys.owner(path), sys.user()
  if not owner or owner == user then return nil end
  local how = owner == M.SERVICE_USER and "moonlatch-operator, then what follows `moonlatch`"
    or ("sudo -u %s moonlatch, then what follows `moonlatch`"):format(owner)
  return ("It belongs to the user %s, and this is %s. Run the same command as %s: %s."):format(owner, user, owner, how)
end

return M
