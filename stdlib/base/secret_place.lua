--- Places of secrets in the body of a call or of an answer: "data.password", or "data.*" for each member of data.

local M = {}

--- What is wrong with a place; nil when it is right.
---@param place string
---@return string?
function M.problem(place)
  local before = place:gsub("%.%*$", "") .. "."
  if place ~= "*" and not before:match("^[%w_-]+%.[%w_.-]*$") or place:find("..", 1, true) then
    return ('"%s" is no place: "data.password", or "data.*" for each member of data'):format(place)
  end
end

--- What is wrong with a place in an answer; nil when it is right. "**" stands for every text of the answer.
---@param place string
---@return string?
function M.problem_in_answer(place) return place ~= "**" and M.problem(place) or nil end

return M
