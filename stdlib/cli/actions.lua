--- Choose the action of a command that has several: `scripts show NAME`, `journal verify`.

local fail = require "fail"
local nearest = require "base.nearest"

local M = {}

---@class cli.action
---@field run function? called with the open journal, the operand and the options
---@field alone function? called with the profile, the operand and the options, for an action without a journal
---@field names string? the operand in the help: "NAME", "ID"; in brackets when it is optional: "[COUNT]"

local function list_actions(actions, order)
  local list = {}
  for i, name in ipairs(order) do
    list[i] = actions[name].names and name .. " " .. actions[name].names or name
  end
  local last = table.remove(list)
  if #list == 0 then return ("The only action is %s."):format(last) end
  return ("The actions are %s and %s."):format(table.concat(list, ", "), last)
end

--- The action that the command line names; the first action when it names none. Raises "usage" for an unknown action,
--- and for a missing operand.
---@param command string
---@param actions table<string, cli.action>
---@param order string[] the names of the actions
---@param word string? the action on the command line
---@param operand string? the word after the action
---@return cli.action
function M.choose(command, actions, order, word, operand)
  local action = actions[word or order[1]]
  if action and (operand or not action.names or action.names:match("^%[")) then return action end
  local meant = not action and nearest(word, actions)
  fail.raise {
    kind = "usage", what = ("%s %s"):format(command, word or ""),
    why = action and action.names .. " is missing" or "there is no such action",
    fix = (meant and ("Did you mean '%s'? "):format(meant) or "") .. list_actions(actions, order),
  }
end

return M
