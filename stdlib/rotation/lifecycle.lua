--- One way through a rotation's states, for every kind of credential: what a kind has to do in a state, and that
--- nothing is done twice or left out.
--
-- A kind's `steps` say, for each state, what leads out of it: a function that does one thing, and puts the next state
-- on record when it is done. So a run that was cut short is gone on with from the state on record, by the same steps.

local M = {}

---@class rotation.lifecycle.it what is on its way: a job of a user's password, a credential of an application
---@field row host.journal.row its row; a step may go on with another one

--- Take it from the state it is in to `goal`, or as far as the steps lead.
---@param steps table<string, fun(it: rotation.lifecycle.it)> state -> what leads out of it; raises what stops it
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
