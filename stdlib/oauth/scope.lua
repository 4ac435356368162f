--- The scope of a renewal: no more than the sign-in was granted (RFC 6749, section 6).
---
--- A login service may grant less than was asked for, and says so in the answer. Entra leaves out what stands for no
--- permission (offline_access), and takes the request without it (Microsoft Learn: v2-oauth2-auth-code-flow, "Refresh
--- the access token"). A stricter service refuses a renewal that asks for more than it granted.

local M = {}

-- What was granted, all together: a service that knows this word never refuses it.
local ALL = "/%.default$"

-- The same permission is written with its API's address, or without.
local function key_of(scope) return scope:match("[^/]+$"):lower() end

--- What a sign-in asked for and was not granted.
---@param asked string scopes with spaces between
---@param granted string? as answered; nil: all that was asked for (RFC 6749, section 5.1)
---@param before string? what it was not granted when it was made, or renewed before
---@return string
function M.withheld(asked, granted, before)
  local there, list = {}, before and before ~= "" and { before } or {}
  for scope in (granted or asked):gmatch("%S+") do there[key_of(scope)] = true end
  for scope in asked:gmatch("%S+") do
    if not there[key_of(scope)] and not scope:find(ALL) then list[#list + 1] = scope end
  end
  return table.concat(list, " ")
end

--- The scopes to ask for in a renewal: those wanted now, without those that the sign-in was not granted.
---@param wanted string
---@param withheld string?
---@return string
function M.of_renewal(wanted, withheld)
  local refused, list = {}, {}
  for scope in (withheld or ""):gmatch("%S+") do refused[key_of(scope)] = true end
  for scope in wanted:gmatch("%S+") do
    if not refused[key_of(scope)] then list[#list + 1] = scope end
  end
  return #list > 0 and table.concat(list, " ") or wanted
end

return M
