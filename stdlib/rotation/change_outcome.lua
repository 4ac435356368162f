--- What a failed change may have done.

local M = {}

-- The service, or something before it, may have acted on a request that it answered so.
local OPEN = { unknown_outcome = true, transient = true, bad_answer = true }

--- Did the request certainly not leave this machine?
---@param failure Failure of a changing call that is not repeated by itself
---@return boolean
function M.never_left(failure)
  if failure.status or failure.maybe_sent then return false end
  local cause = failure.cause
  if cause and (cause.maybe_sent or cause.status) then return false end
  return not OPEN[failure.kind] and (failure.kind ~= "network" or cause ~= nil and cause.transport ~= nil)
end

--- Did the change certainly not happen? Then its intent is void and nothing is lost.
---@param failure Failure of a changing call that is not repeated by itself
---@return boolean
function M.certainly_not(failure)
  local cause = failure.cause
  if failure.maybe_sent or cause and cause.maybe_sent then return false end
  return not OPEN[failure.kind] and (failure.kind ~= "network" or cause ~= nil and cause.transport ~= nil)
end

return M
