--- Decide, after a changing call failed, whether the change may have happened.

local kinds = require "fail.kinds"

local M = {}

--- Is it certain that the request did not leave this machine?
---@param failure Failure of a changing call that is not repeated by itself
---@return boolean
function M.never_left(failure)
  if failure.status or failure.maybe_sent then return false end
  local cause = failure.cause
  if cause and (cause.maybe_sent or cause.status) or kinds.of(failure.kind).may_have_changed then return false end
  return failure.kind ~= "network" or cause ~= nil and cause.transport ~= nil
end

--- Is it certain that the change did not happen? Then the rotation's intent can be closed, and nothing is lost.
---@param failure Failure of a changing call that is not repeated by itself
---@return boolean
function M.certainly_not(failure)
  local cause = failure.cause
  if failure.maybe_sent or cause and cause.maybe_sent or kinds.of(failure.kind).may_have_changed then return false end
  return failure.kind ~= "network" or cause ~= nil and cause.transport ~= nil
end

return M
