--- The limit of changes in a run. Unfinished rotations of earlier runs that the run ends count, too.

local M = {}

--- Put off the changes beyond the limit `max_changes`, after unfinished rotations were ended.
---@param found { terms: policy.terms, changes: rotation.entry[], recoveries: rotation.entry[], later: integer }
function M.apply(found)
  local left = found.terms.limits.max_changes
  for _, entry in ipairs(found.recoveries) do
    if entry.what == "changed" then left = left - 1 end
  end
  while #found.changes > math.max(0, left) do
    table.remove(found.changes)
    found.later = found.later + 1
  end
end

return M
