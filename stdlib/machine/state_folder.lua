--- The owner of a profile's state folder, and how to act as that user.

local sys = require "host.sys"

local M = {}

M.SERVICE_USER = "moonlatch" -- the user of the units in service/

-- The owner of a path. When the path cannot be looked at: the owner of the nearest folder above it that can be; nil
-- when that owner is root, because every path lies in a folder of root.
local function owner_of_path(path)
  local owner = sys.owner(path)
  if owner then return owner end
  while path:find("/[^/]+$") and not owner do
    path = path:gsub("/[^/]+$", "")
    owner = sys.owner(path)
  end
  return owner ~= "root" and owner or nil
end

--- What a person has to do about a state folder, or a file in it, that another user owns; nil when this user owns it,
--- or the owner is unknown.
---@param path string
---@return string|nil fix sentences
function M.fix(path)
  local owner, user = owner_of_path(path), sys.user()
  if not owner or owner == user then return nil end
  local how = owner == M.SERVICE_USER and "sudo moonlatch-operator" or ("sudo -u %s moonlatch"):format(owner)
  return ("It belongs to the user %s, and this is %s. Run the same command as %s: %s, then what follows `moonlatch`.")
    :format(owner, user, owner, how)
end

return M
