--- Who removed a credential of an application that is gone, and who added one that this journal does not know, as far
--- as the directory's audit log tells.

local graph_clock = require "graph.clock"
local inventory = require "rotation.inventory"
local who = require "evidence.who"

local M = {}

local KEPT = 30 * 86400 -- seconds that the audit log keeps a change at most

---@class rotation.credential_question about a credential that is not as the journal has it
---@field key_id string
---@field name string for a person
---@field is_gone boolean is it gone? Else it is one that the journal does not know

--- Note that a credential on record is gone.
---@param self rotation.Credential
---@param row rotation.row
function M.note_gone(self, row)
  if not row.body.key_id then return end
  self.questions[row.body.key_id] = { key_id = row.body.key_id, name = row.body.marker, is_gone = true }
end

-- A credential that began before the audit log does needs no question.
local function may_be_in_log(credential)
  local from = inventory.credential_start(credential)
  return from == nil or graph_clock.now() - from < KEPT
end

--- Note the credentials that this journal does not know.
---@param self rotation.Credential just sorted
---@param own table? the one that was adopted meanwhile
function M.note_foreign(self, own)
  for _, credential in ipairs(self.view.foreign) do
    local id = credential.keyId
    if credential ~= own and type(id) == "string" and may_be_in_log(credential) then
      local name = type(credential.displayName) == "string" and credential.displayName or id
      self.questions[id] = self.questions[id] or { key_id = id, name = name, is_gone = false }
    end
  end
end

local function in_order(questions)
  local list = {}
  for _, question in pairs(questions) do list[#list + 1] = question end
  table.sort(list, function(a, b)
    if a.is_gone ~= b.is_gone then return a.is_gone end
    return a.key_id < b.key_id
  end)
  return list
end

--- Answer the questions about an application with one reading of the audit log: "'x' was removed: anna@contoso.com did
--- it from 203.0.113.9, …". Of an unknown credential nothing is said while the log does not know who added it, because
--- it may have been there for long. Waits.
---@param journal host.journal.journal?
---@param object_id string of the application
---@param questions table<string, rotation.credential_question>
---@return string? text nil: there is nothing to tell
function M.explain(journal, object_id, questions)
  local explain, parts = who.of_object(journal, object_id), {}
  for _, question in ipairs(in_order(questions)) do
    local found = explain { [question.is_gone and "removed" or "added"] = question.key_id }
    if found.known or question.is_gone then
      parts[#parts + 1] = ("'%s' was %s: %s"):format(question.name, question.is_gone and "removed" or "added",
        found.text)
    end
  end
  return #parts > 0 and table.concat(parts, "; ") or nil
end

return M
