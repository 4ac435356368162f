--- What a failed change may have done.

local M = {}

--- Did it certainly not happen? Then its intent is void and nothing is lost.
---@param failure Failure of a changing call that is not repeated by itself
---@return boolean
function M.certainly_not(failure)
  if failure.maybe_sent or (failure.cause and failure.cause.maybe_sent) then return false end
  local kind = failure.kind
  if kind == "unknown_outcome" or kind == "transient" or kind == "bad_answer" then return false end
  return kind ~= "network" or (failure.cause ~= nil and failure.cause.transport ~= nil)
end

return M
