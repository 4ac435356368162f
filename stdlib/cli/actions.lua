--- Commands that do one of several things: `scripts show NAME`, `journal verify`.

local fail = require "fail"
local nearest = require "base.nearest"

local M = {}

---@class cli.action
---@field run function? gets the open journal, what was named, and the options
---@field alone function? the same without a journal: gets the profile, what was named, and the options
---@field names string? what has to be named: "NAME", "ID"; "[COUNT]" may be

local function words_of(actions, order)
  local list = {}
  for i, name in ipairs(order) do
    list[i] = actions[name].names and name .. " " .. actions[name].names or name
  end
  local last = table.remove(list)
  if #list == 0 then return ("There is only %s."):format(last) end
  return ("There are %s and %s."):format(table.concat(list, ", "), last)
end

--- The action that was asked for; the first of them when none was.
---@param command string
---@param actions table<string, cli.action>
---@param order string[] their names
---@param word string?
---@param named string? what was named
---@return cli.action
function M.choose(command, actions, order, word, named)
  local action = actions[word or order[1]]
  if action and (named or not action.names or action.names:match("^%[")) then return action end
  local meant = not action and nearest(word, actions)
  fail.raise {
    kind = "usage", what = ("%s %s"):format(command, word or ""),
    why = action and action.names .. " is missing" or "there is no such action",
    fix = (meant and ("Did you mean '%s'? "):format(meant) or "") .. words_of(actions, order),
  }
end

return M
