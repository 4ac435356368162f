--- Compare two texts line by line, for a person.

local M = {}

local CONTEXT_LINES = 2 -- lines shown before and after a difference

local function split_into_lines(text)
  local list = {}
  for line in text:gmatch("([^\n]*)\n?") do list[#list + 1] = line end
  if list[#list] == "" then list[#list] = nil end
  return list
end

-- lengths[i][j]: the length of the longest common subsequence of a from line i and b from line j.
local function common_subsequence_lengths(a, b)
  local lengths = {}
  for i = #a + 1, 1, -1 do
    lengths[i] = {}
    for j = #b + 1, 1, -1 do
      if i > #a or j > #b then
        lengths[i][j] = 0
      elseif a[i] == b[j] then
        lengths[i][j] = lengths[i + 1][j + 1] + 1
      else
        lengths[i][j] = math.max(lengths[i + 1][j], lengths[i][j + 1])
      end
    end
  end
  return lengths
end

-- Lines marked "-" (only in a), "+" (only in b) and " " (in both).
local function mark_different_lines(a, b)
  local lengths, list, i, j = common_subsequence_lengths(a, b), {}, 1, 1
  while i <= #a or j <= #b do
    if i <= #a and j <= #b and a[i] == b[j] then
      list[#list + 1] = { " ", a[i] }
      i, j = i + 1, j + 1
    elseif j > #b or i <= #a and lengths[i + 1][j] >= lengths[i][j + 1] then
      list[#list + 1] = { "-", a[i] }
      i = i + 1
    else
      list[#list + 1] = { "+", b[j] }
      j = j + 1
    end
  end
  return list
end

local function is_near_difference(list, place)
  for i = math.max(1, place - CONTEXT_LINES), math.min(#list, place + CONTEXT_LINES) do
    if list[i][1] ~= " " then return true end
  end
  return false
end

--- The lines that differ: "-" marks a line only in `before`, "+" a line only in `after`. Two lines around a difference
--- are shown; "…" stands for lines left out. Empty when the texts are equal.
---@param before string
---@param after string
---@return string[]
function M.lines(before, after)
  local list, shown, left_out = mark_different_lines(split_into_lines(before), split_into_lines(after)), {}, false
  for place, entry in ipairs(list) do
    if is_near_difference(list, place) then
      if left_out then shown[#shown + 1] = "…" end
      shown[#shown + 1] = entry[1] .. entry[2]
      left_out = false
    else
      left_out = true
    end
  end
  if left_out and #shown > 0 then shown[#shown + 1] = "…" end
  return shown
end

return M
