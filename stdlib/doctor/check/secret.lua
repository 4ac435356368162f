--- Does the client secret that the consumer has sign the application in? If not, why not? Where nobody said which
--- secret the consumer has, the check tries the newest one on record.

local explain = require "explain.cause"
local in_use = require "journal.in_use"
local lifetime = require "journal.lifetime"
local secret = require "host.secret"
local time = require "time"

-- Other checks report these causes: disabled, unknown here, blocked by Conditional Access.
local ELSEWHERE = {
  [7000112] = "the service principal is disabled", [700016] = "Entra does not know the application",
  [53003] = "Conditional Access blocks it", [53004] = "a policy blocks it", [530032] = "a policy blocks it",
  [530034] = "a policy blocks it", [530035] = "a policy blocks it",
}

local M = {}

--- The credential whose key id was pasted where its value belongs; nil when there is none.
---@param value host.secret
---@param credentials table[]
---@return table?
function M.is_id(value, credentials)
  for _, credential in ipairs(credentials) do
    local id <close> = secret.from(credential.keyId)
    local upper <close> = secret.from(credential.keyId:upper())
    if secret.equals(value, id) or secret.equals(value, upper) then return credential end
  end
end

local function is_listed(row, credentials)
  for _, credential in ipairs(credentials) do
    if credential.keyId == row.body.key_id then return true end
  end
  return false
end

local function why_invalid(found, row)
  if row and row.body.key_id and not is_listed(row, found.passwordCredentials or {}) then
    return "Somebody removed it from the application."
  end
  return "It is no secret of this application."
end

local PASTE = "moonlatch handover shows the new one once, and the form to paste it into."

-- The fix for a refused secret: bring the newer one to the consumer, where there is a newer one.
local function way_out(look, row, otherwise)
  local waiting = look:want("use").waiting
  return row and waiting and waiting.id ~= row.id and PASTE or look.setup .. otherwise
end

-- `row` belongs to the secret that was tried; nil when only the entry holds that secret.
local function tell_refusal(record, look, found, row, failure)
  local code = failure.code
  if ELSEWHERE[code] then return record:unknown { evidence = "not checked: " .. ELSEWHERE[code] } end
  if code == 7000222 then
    return record:broken { evidence = "the client secret has expired (AADSTS7000222)",
      cause = "It was not renewed in time.", fix = way_out(look, row, " makes a new one, proves it and stores it.") }
  elseif code == 7000215 then
    local pasted = not row and M.is_id(look:want("values").entry, found.passwordCredentials or {})
    return record:broken { evidence = "the client secret is not accepted (AADSTS7000215)",
      cause = pasted and "It is the Secret ID of a credential, not its Value." or why_invalid(found, row),
      fix = way_out(look, row, " finds out, and makes a new one where it must.") }
  end
  local reason = explain.login(failure)
  record:broken { evidence = ("the application cannot sign in: %s"):format(tostring(failure.message)),
    cause = reason.cause, fix = reason.fix or "Look at the sign-in log of the service principal." }
end

---------------------------------------------------------------------------
-- The secret that the consumer has

-- The commands that make the next secret and bring it to the consumer.
local function renewal(look, use)
  if use.waiting then return PASTE end
  return look.setup .. " makes the next one" .. (use.linked and "." or "; then moonlatch handover.")
end

local function tell_dead(record, look, use)
  local waiting = use.waiting ~= nil
  record:broken {
    evidence = in_use.consumer_sentence(use, use.who, time.now()),
    cause = waiting and "The new one was made in time, but nobody said that it was pasted."
      or "Nobody renewed it in time.",
    fix = renewal(look, use),
  }
end

-- The secret works: report how long it still does.
local function tell_working(record, look, use)
  local has = use.has
  local left = has.body.ends and has.body.ends - time.now()
  if not lifetime.expires_soon(has, look.args, time.now()) then
    return record:ok("the client secret that %s has, %s, signs the application in%s", use.who, in_use.short_key_id(has),
      left and ", for another " .. time.span(left) or "")
  end
  record:warning {
    evidence = in_use.consumer_sentence(use, use.who, time.now()),
    cause = use.waiting and "The new one is there; nobody said that it was pasted." or "It is time to renew it.",
    fix = renewal(look, use),
  }
end

-- Why the secret is missing at Entra: removed by this installation, or by somebody else?
local function why_missing(has)
  return has.state == "closed" and ("It was let go of: %s."):format(has.body.why)
    or "Somebody removed it from the application."
end

-- The value is not kept here, so only Entra's list of credentials can tell something.
local function tell_unproven(record, look, found, use)
  local has = use.has
  local sentence = in_use.consumer_sentence(use, use.who, time.now())
  if has.body.key_id and not is_listed(has, found.passwordCredentials or {}) then
    return record:broken { evidence = ("%s was given %s, which Entra does not list"):format(use.who,
      in_use.short_key_id(has)), cause = why_missing(has),
      fix = renewal(look, use) }
  end
  local is_due = lifetime.expires_soon(has, look.args, time.now())
  local how = is_due and record.warning or record.unknown
  how(record, {
    evidence = sentence .. ". Entra lists it; its value is not held here, so no sign-in with it was tried",
    cause = "It was made elsewhere.",
    fix = is_due and renewal(look, use)
      or "To see it work: reset the password of a managed account in Devolutions.",
  })
end

local function tell_used(record, look, found, use)
  if in_use.is_expired(use.has, time.now()) then return tell_dead(record, look, use) end
  local proof = look:want "used_proof"
  if not proof then return tell_unproven(record, look, found, use) end
  if not proof.accepted then return tell_refusal(record, look, found, use.has, proof.failure) end
  tell_working(record, look, use)
end

---------------------------------------------------------------------------
-- Nobody said which secret the consumer has

local function tell_newest(record, look, newest)
  local ends = newest and newest.body.ends
  if not ends then return record:ok "the client secret signs the application in" end
  local left = ends - time.now()
  if lifetime.expires_soon(newest, look.args, time.now()) then
    return record:warning { evidence = ("the client secret works, and expires in %s"):format(time.span(left)),
      cause = "It is time to renew it.", fix = look.setup .. " makes the next one." }
  end
  record:ok("the newest client secret signs the application in, for another %s", time.span(left))
end

local function tell_unsaid(record, look, found)
  local proof = look:want "proof"
  if proof then
    local newest = look:want("values").newest
    if proof.accepted then return tell_newest(record, look, newest) end
    return tell_refusal(record, look, found, newest, proof.failure)
  end
  if #(found.passwordCredentials or {}) == 0 then
    return record:broken { evidence = "the application has no client secret",
      cause = "Nobody made one, or all were removed.", fix = look.setup }
  end
  record:unknown {
    evidence = "the application has a client secret, but neither the journal nor an entry holds its value",
    cause = "It was made elsewhere, or the state folder was lost.", fix = look.setup .. " makes one that is known." }
end

---@type doctor.check
M.name = "client secret"

function M.run(record, look)
  local found = look:want "application"
  if not found then return record:unknown { evidence = "not checked: there is no application" } end
  local use = look:want "use"
  if use.has then return tell_used(record, look, found, use) end
  tell_unsaid(record, look, found)
end

return M
