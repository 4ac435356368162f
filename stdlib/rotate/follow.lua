--- Keep up with who changes the passwords of the accounts that policies select. The audit log forgets that after a
--- week, or a month, so that only who looks often can tell.

local refresh = require "evidence.refresh"
local store = require "evidence.store"

local M = {}

local EACH = 6 * 3600 -- seconds between two looks
local LONGEST = 15 -- seconds of one look: who runs this waits for it, and the next run reads on

local function is_due(journal, ids)
  local since, last = store.last_try(journal, "audits")
  if not since or since >= EACH then return true end
  if last.why then return not last.unavailable end
  for _, id in ipairs(ids) do
    if not store.followed(journal, id) then return true end
  end
  return false
end

--- Read the changes of the accounts of a policy that was run, when that is due. What cannot be read stays unknown, and
--- is no failure of the rotation. Waits.
---@param found rotate.outcome
---@param journal host.journal.journal?
function M.accounts(found, journal)
  if not journal or found.terms.target ~= "users" or found.failure then return end
  local ids = {}
  for i, entry in ipairs(found.entries) do ids[i] = entry.id end
  if #ids > 0 and is_due(journal, ids) then refresh.run(journal, { objects = ids }, LONGEST) end
end

return M
