--- Find the known word that a misspelt word probably means.

-- The number of edits (insert, delete, replace, swap neighbours) from one word to another.
local function edit_distance(a, b)
  local above, row = {}, {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local before = above
    above, row = row, { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
  end
  return row[#b]
end

--- The known word nearest to `word`; nil when none is near enough.
---@param word string
---@param known string[]|table<string, any> a list of words, or a table with words as keys
---@return string|nil
local function nearest(word, known)
  local words = {}
  for key, value in pairs(known) do words[#words + 1] = math.type(key) and value or key end
  table.sort(words)
  local best, least = nil, math.max(1, #word // 3) + 1
  for _, candidate in ipairs(words) do
    local edits = edit_distance(word:lower(), candidate:lower())
    if #word > 2 and candidate:sub(1, #word) == word then edits = math.min(edits, 1) end -- an abbreviation
    if edits < least then best, least = candidate, edits end
  end
  return best
end

return nearest
