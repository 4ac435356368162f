--- Left-over entries: entries of ours in the sink whose accounts no policy selects any more. The journal has one row
--- for each policy, so that `doctor` can report the entries without reading the vault.

local M = {}

local KIND = "left over"
local MOST = 100 -- entries of a policy that are recorded by name

---@class journal.left_over
---@field name string the place of the entry
---@field why string

---@class journal.left_over_row: host.journal.row its id is the policy's name
---@field body { entries: journal.left_over[], count: integer, at: number }

local function are_left_over_recorded(body, list)
  if #list ~= body.count then return false end
  for i, known in ipairs(body.entries) do
    if known.name ~= list[i].name or known.why ~= list[i].why then return false end
  end
  return true
end

--- Record the left-over entries that a run found, when they differ from the record. Durable with the next commit.
---@param journal host.journal.journal
---@param policy string
---@param list journal.left_over[] by name
---@param now number
function M.record(journal, policy, list, now)
  local row = journal:get(KIND, policy)
  if are_left_over_recorded(row and row.body or { entries = {}, count = 0 }, list) then return end
  local entries = {}
  for i = 1, math.min(MOST, #list) do entries[i] = { name = list[i].name, why = list[i].why } end
  journal:put(KIND, policy, #list > 0 and "there" or "gone",
    { name = policy, entries = entries, count = #list, at = now }, now)
end

--- The left-over entries that the last run of each policy found.
---@param journal host.journal.journal
---@return journal.left_over_row[]
function M.recorded(journal) return journal:list(KIND, "gone") end

return M
