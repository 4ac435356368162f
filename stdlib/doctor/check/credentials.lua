--- Every credential of the application: when it expires, and whether the journal knows it.

local inventory = require "rotation.inventory"
local layout = require "terminal.layout"
local markers = require "journal.marker"
local time = require "time"

local function describe(credential)
  local ends = inventory.expiry_of(credential)
  return ("'%s' (%s), until %s"):format(credential.displayName or "", credential.keyId,
    ends < math.huge and time.day(ends) or "no end")
end

-- The fix for an unknown credential after the journal was lost. The value in an entry is adopted; of a pasted one a
-- person has to say which one it is.
local function adoption(look, credential, has_journal)
  if has_journal then return "" end
  if look:want "entry" then return look.setup .. " adopts what the entry holds. " end
  return ("If %s has it: %s --in-use %s. "):format(look:want("use").who, look.setup, credential.keyId)
end

local function tell_foreign(record, look, credential, has_journal)
  local minted = markers.of_credential(credential.displayName)
  local retire = ("If nothing uses it: moonlatch journal retire %s"):format(credential.keyId)
  record:warning {
    evidence = "an unknown credential: " .. describe(credential),
    cause = minted and "It was made from another journal: another computer's, or one whose folder was lost."
      or "A person or another program made it. Whoever has it can do everything that the application may.",
    fix = adoption(look, credential, has_journal) .. retire,
  }
end

local function by_end(a, b) return inventory.expiry_of(a) < inventory.expiry_of(b) end

---@type doctor.check
return {
  name = "credentials",
  run = function(record, look)
    local view, found = look:want "view", look:want "application"
    if not view then return record:unknown { evidence = "not checked: there is no application" } end
    local has_journal = look:want "journal" ~= false
    table.sort(view.foreign, by_end)
    for _, credential in ipairs(view.foreign) do tell_foreign(record, look, credential, has_journal) end
    local known = #(found.passwordCredentials or {}) - #view.foreign
    if #view.foreign == 0 then record:ok("%s, known here", layout.count(known, "client secret")) end
  end,
}
