--- Does the client secret that the consumer has sign the application in? If not, why not? Where nobody confirmed which
--- secret the consumer has, the check tries the newest secret on record.

local explain = require "explain.cause"
local hint = require "log.hint"
local in_use = require "journal.in_use"
local lifetime = require "journal.lifetime"
local login_codes = require "explain.login_codes"
local time = require "time"
local who = require "evidence.who"
local who_did = require "doctor.who_did"

-- Causes that other checks report, by AADSTS code.
local ELSEWHERE = {
  [7000112] = "the service principal is disabled", [700016] = "Entra does not know the application",
  [7000229] = "Entra does not find the service principal",
}

local function reported_elsewhere(code)
  return ELSEWHERE[code] or login_codes.is_policy(code) and "a policy of the tenant blocks it" or nil
end

local M = {}

local function is_tried_secret_listed(row, credentials)
  for _, credential in ipairs(credentials) do
    if credential.keyId == row.body.key_id then return true end
  end
  return false
end

-- Who removed a credential, as a sentence to append.
local function who_removed(facts, found, key_id)
  return who_did(facts, found.id, function(change) return who.has_key(change.removed, key_id) end)
end

local function why_secret_not_accepted(facts, found, row)
  if row and row.body.key_id and not is_tried_secret_listed(row, found.passwordCredentials or {}) then
    return "Somebody removed it from the application." .. who_removed(facts, found, row.body.key_id)
  end
  return "It is not a client secret of this application."
end

local PASTE = "{moonlatch} handover shows the new one once, and the form to paste it into."

-- The fix for a refused secret: give the consumer the newer secret, where there is one.
local function fix_for_refused_secret(facts, row, otherwise)
  local waiting = facts:want("use").waiting
  return row and waiting and waiting.id ~= row.id and hint.text(PASTE) or facts.setup .. otherwise
end

-- Report that the sign-in was refused. `row` is the row of the secret that was tried; nil when only the entry holds it.
local function report_refused_secret(findings, facts, found, row, failure)
  local code = failure.code
  local elsewhere = reported_elsewhere(code)
  if elsewhere then return findings:unknown { id = "elsewhere", evidence = "not checked: " .. elsewhere } end
  if code == 7000222 then
    return findings:broken { id = "works", evidence = "the client secret has expired (AADSTS7000222)",
      cause = "It was not renewed in time.",
      fix = fix_for_refused_secret(facts, row, " makes a new one, proves it and stores it.") }
  elseif code == 7000215 then
    local pasted = not row and facts:want "pasted"
    return findings:broken { id = "works", evidence = "the client secret is not accepted (AADSTS7000215)",
      cause = pasted and "It is the Secret ID of a credential, not its Value."
        or why_secret_not_accepted(facts, found, row),
      fix = fix_for_refused_secret(facts, row, " finds out, and makes a new one where it must.") }
  end
  local reason = explain.login(failure)
  findings:broken { id = "works", evidence = ("the application cannot sign in: %s"):format(tostring(failure.message)),
    cause = reason.cause, fix = reason.fix or "Look at the sign-in log of the service principal." }
end

---------------------------------------------------------------------------
-- The secret that the consumer has

-- The commands that make the next secret and give it to the consumer.
local function secret_renewal_fix(facts, use)
  if use.waiting then return hint.text(PASTE) end
  return facts.setup .. " makes the next one" .. (use.linked and "." or hint.text "; then {moonlatch} handover.")
end

local function report_expired_secret(findings, facts, use)
  local waiting = use.waiting ~= nil
  findings:broken {
    id = "works",
    evidence = in_use.consumer_sentence(use, use.who, time.now()),
    cause = waiting and "The new one was made in time, but nobody said that it was pasted."
      or "Nobody renewed it in time.",
    fix = secret_renewal_fix(facts, use),
  }
end

-- Report that the secret works, and for how long.
local function report_working_secret(findings, facts, use)
  local has = use.has
  local left = has.body.ends and has.body.ends - time.now()
  if not lifetime.expires_soon(has, facts.args, time.now()) then
    return findings:ok("the client secret that %s has, %s, signs the application in%s", use.who,
      in_use.short_key_id(has), left and ", for another " .. time.span(left) or "")
  end
  findings:warning {
    id = "works",
    evidence = in_use.consumer_sentence(use, use.who, time.now()),
    cause = use.waiting and "The new one is there; nobody said that it was pasted." or "It is time to renew it.",
    fix = secret_renewal_fix(facts, use),
  }
end

-- Why Entra does not list the secret: this installation removed it, or somebody else did.
local function why_secret_not_listed(facts, found, has)
  if has.state == "closed" then return ("This installation closed it: %s."):format(has.body.why) end
  return "Somebody removed it from the application." .. who_removed(facts, found, has.body.key_id)
end

-- Report a secret whose value the journal does not have, so that only Entra's list of credentials tells something.
local function report_untried_secret(findings, facts, found, use)
  local has = use.has
  local sentence = in_use.consumer_sentence(use, use.who, time.now())
  if has.body.key_id and not is_tried_secret_listed(has, found.passwordCredentials or {}) then
    return findings:broken { id = "works", evidence = ("%s was given %s, which Entra does not list"):format(use.who,
      in_use.short_key_id(has)), cause = why_secret_not_listed(facts, found, has),
      fix = secret_renewal_fix(facts, use) }
  end
  local is_due = lifetime.expires_soon(has, facts.args, time.now())
  local how = is_due and findings.warning or findings.unknown
  how(findings, {
    id = "works",
    evidence = sentence .. ". Entra lists it; the journal does not have its value, so no sign-in with it was tried",
    cause = "It was made elsewhere.",
    fix = is_due and secret_renewal_fix(facts, use)
      or "To see it work: reset the password of a managed account in Devolutions.",
  })
end

local function report_secret_in_use(findings, facts, found, use)
  if in_use.is_expired(use.has, time.now()) then return report_expired_secret(findings, facts, use) end
  local proof = facts:want "used_proof"
  if not proof then return report_untried_secret(findings, facts, found, use) end
  if not proof.accepted then return report_refused_secret(findings, facts, found, use.has, proof.failure) end
  report_working_secret(findings, facts, use)
end

---------------------------------------------------------------------------
-- Without a confirmation which secret the consumer has

local function report_newest_secret(findings, facts, newest)
  local ends = newest and newest.body.ends
  if not ends then return findings:ok "the client secret signs the application in" end
  local left = ends - time.now()
  if lifetime.expires_soon(newest, facts.args, time.now()) then
    return findings:warning { id = "works",
      evidence = ("the client secret works, and expires in %s"):format(time.span(left)),
      cause = "It is time to renew it.", fix = facts.setup .. " makes the next one." }
  end
  findings:ok("the newest client secret signs the application in, for another %s", time.span(left))
end

local function report_unconfirmed_secret(findings, facts, found)
  local proof = facts:want "proof"
  if proof then
    local newest = facts:want("values").newest
    if proof.accepted then return report_newest_secret(findings, facts, newest) end
    return report_refused_secret(findings, facts, found, newest, proof.failure)
  end
  if #(found.passwordCredentials or {}) == 0 then
    return findings:broken { id = "works", evidence = "the application has no client secret",
      cause = "Nobody made one, or all were removed.", fix = facts.setup }
  end
  findings:unknown {
    id = "works",
    evidence = "the application has a client secret, but neither the journal nor an entry holds its value",
    cause = "It was made elsewhere, or the state folder was lost.",
    fix = facts.setup .. " makes one that the journal knows." }
end

---@type doctor.check
M.name = "client secret"

function M.run(findings, facts)
  local found = facts:want "application"
  if not found then return findings:no_application() end
  local use = facts:want "use"
  if use.has then return report_secret_in_use(findings, facts, found, use) end
  report_unconfirmed_secret(findings, facts, found)
end

return M
