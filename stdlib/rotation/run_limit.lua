--- The limit of changes in a run. Unfinished rotations of earlier runs that the run ends count, too.

local M = {}

--- Sort the entries of a policy, and keep apart the unfinished rotations, the changes within the limit, and the number
--- of changes beyond it.
---@param found { terms: policy.terms, entries: rotation.entry[] } gets `changes`, `recoveries` and `later`
---@param is_before fun(a: rotation.entry, b: rotation.entry): boolean
function M.sort(found, is_before)
  table.sort(found.entries, is_before)
  found.changes, found.recoveries, found.later = {}, {}, 0
  for _, entry in ipairs(found.entries) do
    if entry.what == "recover" then table.insert(found.recoveries, entry) end
    if entry.what == "change" and #found.changes < found.terms.limits.max_changes then
      table.insert(found.changes, entry)
    elseif entry.what == "change" then
      found.later = found.later + 1
    end
  end
end

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
