--- Run a rotation through its states, for every kind of credential, so that nothing is done twice or left out.
---
--- The `steps` of a kind have a function for each state. The function does one thing, and puts the next state on record
--- when it is done. So the same steps continue a run that was cut short, from the state on record.

local M = {}

---@class rotation.lifecycle.it what passes through the states: a job of a user's password, or a credential of an
--- application
---@field row host.journal.row its row; a step may replace the row by another one

--- Run the steps from the present state to `goal`, or as far as there are steps.
---@param steps table<string, fun(it: rotation.lifecycle.it)> state -> the function that leads out of it; it raises an
--- error to stop
---@param it rotation.lifecycle.it
---@param goal string
---@return boolean reached
function M.drive(steps, it, goal)
  while it.row.state ~= goal do
    local row, state = it.row, it.row.state
    local step = steps[state]
    if not step then return false end
    step(it)
    if it.row == row and row.state == state then
      error(("a step that leads out of the state '%s' left the rotation in it"):format(state), 0)
    end
  end
  return true
end

return M
