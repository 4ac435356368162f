--- Does the entry in Devolutions exist, can it be read, and does it hold the secret that works?

local secret = require "host.secret"
local secret_check = require "doctor.check.secret"

local UNFINISHED = { known = true, proven = true }

local function tell_other(record, look, found, values)
  local proof = look:want "entry_proof"
  local pasted = secret_check.is_id(values.entry, found.passwordCredentials or {})
  local fix = look.setup .. " puts the one that works there."
  if pasted then
    return record:broken { evidence = "the entry holds the Secret ID of a credential, where its Value belongs",
      cause = ("Somebody pasted the id %s."):format(pasted.keyId), fix = fix }
  end
  if UNFINISHED[values.newest.state] then
    return record:broken { evidence = "the entry does not hold the newest secret",
      cause = "A run stopped after the secret was made and before it was stored.",
      fix = look.setup .. " goes on there." }
  end
  if proof.accepted then
    return record:warning { evidence = "the entry holds a secret that works, but not the one on record",
      cause = "Another rotator is at work, or somebody pasted a secret of their own.",
      fix = ("Let only one rotate this application. %s adopts it, and retires the one on record."):format(look.setup) }
  end
  record:broken { evidence = ("the entry holds a secret that is refused (AADSTS%s), not the one on record")
    :format(tostring(proof.failure.code)), cause = "Somebody edited the entry by hand.", fix = fix }
end

local function tell_missing(record, look, to)
  record:broken { evidence = ("there is no entry '%s' %s"):format(to.name, to.made),
    cause = "It was deleted, moved or renamed.", fix = look.setup .. " writes it again." }
end

-- The members of the entry that name another application or tenant.
local function other_place(look, found, data)
  if data.clientId ~= found.appId then return ("the client id %s"):format(tostring(data.clientId)) end
  local tenant = look:want("session").tenant
  if tenant and data.tenantId ~= tenant then return ("the tenant %s"):format(tostring(data.tenantId)) end
end

---@type doctor.check
return {
  name = "entry",
  denied = "broken",
  run = function(record, look)
    local to = look:want "entry"
    if not to then return end -- there is no entry: a value that a person pasted into a form cannot be read back
    local found = look:want "application"
    if not found then return record:unknown { evidence = "not checked: there is no application" } end
    if not to.entry then return tell_missing(record, look, to) end
    local elsewhere = other_place(look, found, to.entry.data)
    if elsewhere then
      return record:broken { evidence = ("the entry '%s' names %s"):format(to.name, elsewhere),
        cause = "Somebody edited the entry by hand, or it belongs to another setup.", fix = look.setup }
    end
    local values = look:want "values"
    local same = not values.journal or secret.equals(values.journal, values.entry)
    if not same then return tell_other(record, look, found, values) end
    record:ok("the entry in %s is readable, and holds the secret on record", to:where())
  end,
}
