--- Run a rotation through its states. The `steps` have a function for each state: the function does one thing, then
--- puts the next state on record. So the same steps continue an interrupted run from the state on record.

local M = {}

---@class rotation.lifecycle.rotation a rotation of a user's password, or a credential of an application
---@field row host.journal.row of the rotation; a step may replace the row

--- Run the steps from the present state to `goal`, or as far as there are steps.
---@param steps table<string, fun(rotation: rotation.lifecycle.rotation)> state -> the function that leads out of the
--- state; the function raises an error to stop
---@param rotation rotation.lifecycle.rotation
---@param goal string
---@return boolean reached
function M.drive(steps, rotation, goal)
  while rotation.row.state ~= goal do
    local row, state = rotation.row, rotation.row.state
    local step = steps[state]
    if not step then return false end
    step(rotation)
    if rotation.row == row and row.state == state then
      error(("a step that leads out of the state '%s' left the rotation in it"):format(state), 0)
    end
  end
  return true
end

return M
