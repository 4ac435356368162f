--- A profile as a person writes it into the configuration, from one in use.

local M = {}

local function quoted(text) return ("%q"):format(text) end

local GLOBAL_LOGIN, GLOBAL_GRAPH = "https://login.microsoftonline.com", "https://graph.microsoft.com/v1.0"

local function cloud_of(profile)
  if profile.login == GLOBAL_LOGIN and profile.graph == GLOBAL_GRAPH then return nil end
  local ca = profile.ca and (", ca = " .. quoted(profile.ca)) or ""
  return ("  cloud = { login = %s, graph = %s%s },"):format(quoted(profile.login), quoted(profile.graph), ca)
end

--- The lines of a profile that signs in with a certificate, and is else as the one in use.
---@param profile profile
---@param fields { name: string, client_id: string, path: string? } path: of a file in clear; nil: the sealed one
---@return string[]
function M.certificate(profile, fields)
  local lines = { fields.name .. " = {", ("  tenant = %s,"):format(quoted(profile.tenant)) }
  lines[#lines + 1] = cloud_of(profile)
  lines[#lines + 1] = ("  sign_in = { method = \"certificate\", client_id = %s,"):format(quoted(fields.client_id))
  local source = fields.path and "path = " .. quoted(fields.path) or 'from = "sealed"'
  lines[#lines + 1] = ("    certificate = { %s } },"):format(source)
  lines[#lines + 1] = ("  -- key, devolutions and all else: as in the profile %s"):format(quoted(profile.name))
  lines[#lines + 1] = "},"
  return lines
end

return M
