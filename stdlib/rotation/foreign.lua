--- The credentials of an application that this journal does not know: who made them, as far as their names tell.

local credential_changes = require "rotation.credential_changes"
local hint = require "log.hint"
local markers = require "journal.marker"

local M = {}

-- Who made a credential that the journal does not know, as far as its name tells, and how it is removed.
local function who_made_credential(self, credential)
  local made = markers.of_credential(credential.displayName)
  if not made then return "made by a person" end
  local retire = hint.text "{moonlatch} journal retire " .. credential.keyId
  local journal, installation = self.run.journal, markers.installation_of(made)
  for _, own in ipairs(journal and journal.installations and journal:installations() or {}) do
    if own == installation then
      return "made here, and not on record any more; perhaps in use. Once nothing uses it, remove it with: " .. retire
    end
  end
  return "of another journal, and perhaps in use; once nothing uses it, remove it with: " .. retire
end

--- Report the credentials of the application that this journal does not know: they are left as they are.
---@param self rotation.Credential
function M.report(self)
  local own = self.row and self.kind.find(self.row, self.view.foreign) -- adopted, so not foreign any more
  credential_changes.note_foreign(self, own)
  for _, credential in ipairs(self.view.foreign) do
    local name = type(credential.displayName) == "string" and credential.displayName or credential.keyId
    if credential ~= own then self.run:leave(self.kind.name, name, who_made_credential(self, credential)) end
  end
end

return M
