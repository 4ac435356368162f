--- Does the entry in Devolutions exist, can it be read, and does it hold the client secret that works?

local secret = require "host.secret"

local UNFINISHED = { known = true, proven = true }

local function report_other_value(findings, facts, values)
  local pasted = facts:want "pasted"
  local fix = "Run " .. facts.setup .. ": it puts the one that works there."
  if pasted then
    return findings:broken { id = "value",
      evidence = "the entry holds the Secret ID of a credential, where its Value belongs",
      cause = ("Somebody pasted the id %s."):format(pasted.keyId), fix = fix }
  end
  if UNFINISHED[values.newest.state] then
    return findings:broken { id = "value", evidence = "the entry does not hold the newest secret",
      cause = "A run stopped after the secret was made and before it was stored.",
      fix = "Run " .. facts.setup .. ": it goes on there." }
  end
  local proof = facts:want "entry_proof"
  if proof.accepted then
    return findings:warning { id = "value", evidence = "the entry holds a secret that works, but not the one on record",
      cause = "Another rotator is at work, or somebody pasted a secret of their own.",
      fix = ("Let only one program rotate this application, then run %s: it adopts that secret, and retires the one on "
        .. "record."):format(facts.setup) }
  end
  findings:broken { id = "value",
    evidence = ("the entry holds a secret that is refused (AADSTS%s), not the one on record")
    :format(tostring(proof.failure.code)), cause = "Somebody edited the entry by hand.", fix = fix }
end

local function report_entry_missing(findings, facts, to)
  findings:broken { id = "missing", evidence = ("there is no entry '%s' %s"):format(to.name, to.made),
    cause = "It was deleted, moved or renamed.", fix = "Run " .. facts.setup .. ": it writes it again." }
end

-- The member of the entry that names another application or tenant, as text; nil when none does.
local function other_application_or_tenant(facts, found, data)
  if data.clientId ~= found.appId then return ("the client id %s"):format(tostring(data.clientId)) end
  local tenant = facts:want("session").tenant
  if tenant and data.tenantId ~= tenant then return ("the tenant %s"):format(tostring(data.tenantId)) end
end

---@type doctor.check
return {
  name = "entry",
  denied = "broken",
  run = function(findings, facts)
    local to = facts:want "entry"
    if not to then return end -- there is no entry: a value that a person pasted into a form cannot be read back
    local found = facts:want "application"
    if not found then return findings:no_application() end
    if not to.entry then return report_entry_missing(findings, facts, to) end
    local elsewhere = other_application_or_tenant(facts, found, to.entry.data)
    if elsewhere then
      return findings:broken { id = "other application",
        evidence = ("the entry '%s' names %s"):format(to.name, elsewhere),
        cause = "Somebody edited the entry by hand, or it belongs to another setup.",
        fix = "Write it anew: " .. facts.setup }
    end
    local values = facts:want "values"
    local same = not facts:want "pasted" and (not values.journal or secret.equals(values.journal, values.entry))
    if not same then return report_other_value(findings, facts, values) end
    findings:ok("the entry in %s is readable, and holds the secret on record", to:where())
  end,
}
