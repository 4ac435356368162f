--- The owner of a profile's state folder, and how to act as that user.

local sys = require "host.sys"

local M = {}

M.SERVICE_USER = "moonlatch" -- the user of the units in service/

-- The owner of a path; of one that cannot be seen, the owner of the nearest folder above it that can. A folder of root
-- tells nothing: every path is in one.
local function owner_of(path)
  local owner = sys.owner(path)
  if owner then return owner end
  while path:find("/[^/]+$") and not owner do
    path = path:gsub("/[^/]+$", "")
    owner = sys.owner(path)
  end
  return owner ~= "root" and owner or nil
end

--- What a person does about a state folder, or a part of it, that another user owns; nil
--- when it is ours, or nobody knows whose it is.
---@param path string
---@return string|nil fix sentences
function M.fix(path)
  local owner, user = owner_of(path), sys.user()
  if not owner or owner == user then return nil end
  local how = owner == M.SERVICE_USER and "sudo moonlatch-operator" or ("sudo -u %s moonlatch"):format(owner)
  return ("It belongs to the user %s, and this is %s. Run the same as %s: %s, then what follows `moonlatch`.")
    :format(owner, user, owner, how)
end

return M
