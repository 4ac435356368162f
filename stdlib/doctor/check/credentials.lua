--- Which credentials of the application does the journal not know?

local evidence_rules = require "evidence.rules"
local hint = require "log.hint"
local inventory = require "rotation.inventory"
local layout = require "terminal.layout"
local markers = require "journal.marker"
local time = require "time"
local who = require "evidence.who"
local who_did = require "doctor.who_did"

local function describe_credential(credential)
  local ends = inventory.credential_expiry(credential)
  return ("'%s' (%s), until %s"):format(credential.displayName or "", credential.keyId,
    ends < math.huge and time.day(ends) or "no end")
end

-- The fix for an unknown credential after the journal was lost: the setup adopts the value in an entry; of a pasted
-- client secret a person has to say which one it is.
local function credential_adoption_fix(facts, credential, has_journal)
  if has_journal then return "" end
  if facts:want "entry" then return "Run " .. facts.setup .. ": it adopts what the entry holds. " end
  return ("If %s has it: %s --in-use %s. "):format(facts:want("use").who, facts.setup, credential.keyId)
end

-- "; it was last used from 203.0.113.88, 3 minutes ago", when Entra's log shows it.
local function use_text(facts, credential)
  local logs = facts:want "logs"
  local last = logs and evidence_rules.last_use(logs.uses, credential.keyId, time.now())
  return last and "; it was last used " .. last.text or ""
end

-- " anna@contoso.com did it from 203.0.113.9, 2026-11-30T05:00:12Z (Update application).", when the log knows who added
-- the credential.
local function who_added(facts, credential)
  return who_did(facts, facts:want("application").id, function(change)
    return who.has_key(change.added, credential.keyId)
  end)
end

local function report_unknown_credential(findings, facts, credential, has_journal)
  local minted = markers.of_credential(credential.displayName)
  local retire = hint.text("If nothing uses it: {moonlatch} journal retire %s", credential.keyId)
  findings:warning {
    id = "unknown", about = credential.keyId,
    evidence = "an unknown credential: " .. describe_credential(credential) .. use_text(facts, credential),
    cause = (minted and "It was made from another journal: another computer's, or one whose folder was lost."
      or "A person or another program made it. Whoever has it can do everything that the application may.")
      .. who_added(facts, credential),
    fix = credential_adoption_fix(facts, credential, has_journal) .. retire,
  }
end

local function is_expiring_before(a, b) return inventory.credential_expiry(a) < inventory.credential_expiry(b) end

---@type doctor.check
return {
  name = "credentials",
  run = function(findings, facts)
    local view, found = facts:want "view", facts:want "application"
    if not view then return findings:no_application() end
    local has_journal = facts:want "journal" ~= false
    table.sort(view.foreign, is_expiring_before)
    for _, credential in ipairs(view.foreign) do report_unknown_credential(findings, facts, credential, has_journal) end
    local known = #(found.passwordCredentials or {}) - #view.foreign
    if #view.foreign == 0 then findings:ok("%s, known here", layout.count(known, "client secret")) end
  end,
}
