--- Does a call fail because the tenant lacks a licence?

local fail = require "fail"

local M = {}

-- In the field, with statuses 400 and 403.
local CODES = { AadPremiumLicenseRequired = true, Authentication_RequestFromNonPremiumTenantOrB2CTenant = true }

--- Did Graph refuse the call because the tenant lacks the licence for it?
---@param failure any
---@return boolean
function M.is_missing(failure)
  return fail.is(failure) and CODES[failure.code] == true
end

return M
