--- What follows from the AADSTS numbers of an answer: which number counts, and what it means for the program.

local aadsts = require "explain.aadsts"

local M = {}

---@class explain.login_code
---@field codes integer[]
---@field source "docs"|"field"
---@field cause string
---@field fix string
---@field application_fix string? the fix where an application signs in
---@field new boolean? refused so until the login service knows what was made a moment ago
---@field policy boolean? a policy of the tenant refuses the sign-in
---@field wraps boolean? another number of the same answer says what is wrong
---@field kind fail.kind? the kind of failure, where the HTTP status does not say it

local by_code = {} ---@type table<integer, explain.login_code>
for _, entry in ipairs(aadsts) do
  for _, code in ipairs(entry.codes) do by_code[code] = entry end
end

--- What is known of an AADSTS number; nil for an unknown one.
---@param code integer|string|nil 7000215, "7000215" or "AADSTS7000215"
---@return explain.login_code?
function M.of(code)
  return by_code[math.tointeger(tonumber((tostring(code):gsub("^AADSTS", ""))))]
end

--- Does the login service refuse what was made a moment ago with this number?
---@param code integer?
---@return boolean
function M.is_new(code)
  local entry = M.of(code)
  return entry ~= nil and entry.new == true
end

--- Does this number stand for a policy of the tenant that refuses the sign-in?
---@param code integer?
---@return boolean
function M.is_policy(code)
  local entry = M.of(code)
  return entry ~= nil and entry.policy == true
end

-- The numbers that a message names: "AADSTS70002: … AADSTS70000: …".
local function in_message(message)
  local codes = {}
  for digits in (message or ""):gmatch("AADSTS(%d+)") do codes[#codes + 1] = math.tointeger(tonumber(digits)) end
  return codes
end

--- The number that says what is wrong; nil when there is none. Entra writes the number of what failed inside after the
--- number of what it failed in, so the last one counts; a known one before an unknown one.
---@param codes integer[]? as the answer lists them
---@param message string? names them where there is no list
---@return integer?
function M.choose(codes, message)
  local list = codes and #codes > 0 and codes or in_message(message)
  local known, unknown, wrapping
  for _, code in ipairs(list) do
    local entry = by_code[code]
    if not entry then unknown = code elseif entry.wraps then wrapping = code else known = code end
  end
  return known or unknown or wrapping
end

return M
