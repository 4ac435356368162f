--- Which accounts somebody keeps the password of: those with an entry of their name.

local fail = require "fail"
local server = require "devolutions.server"

local M = {}

local function note(names, entry)
  if entry.type ~= "Credential" then return end
  names[tostring(entry.name):lower()] = true
  local user = type(entry.data) == "table" and entry.data.username
  if type(user) == "string" and user ~= "" then names[user:lower()] = true end
end

--- Names of accounts with an entry in a vault the application identity sees, in lower
--- case; nil when that cannot be known, with the failure when it was tried.
---@param profile profile
---@return table<string, boolean>? names
---@return Failure? why
function M.names(profile)
  local devolutions = profile.devolutions
  if not (devolutions and devolutions.server) then return nil end
  local names = {}
  local ok, err = pcall(function()
    server.login(profile)
    for _, vault in ipairs(server.vaults()) do
      for _, entry in ipairs(server.entries(vault.id)) do note(names, entry) end
    end
  end)
  if ok then return names end
  if not fail.is(err) or fail.is(err, "interrupted") then error(err, 0) end
  return nil, err
end

return M
