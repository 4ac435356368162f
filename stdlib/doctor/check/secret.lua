--- Does the client secret on record sign the application in? If not, why not.

local explain = require "explain"
local secret = require "secret"
local time = require "time"

-- Told by other checks: disabled, unknown here, blocked by Conditional Access.
local ELSEWHERE = {
  [7000112] = "the service principal is disabled", [700016] = "Entra does not know the application",
  [53003] = "Conditional Access blocks it", [53004] = "a policy blocks it", [530032] = "a policy blocks it",
  [530034] = "a policy blocks it", [530035] = "a policy blocks it",
}

local M = {}

--- The credential whose id was pasted where its value belongs.
---@param value host.secret
---@param credentials table[]
---@return table?
function M.is_id(value, credentials)
  for _, credential in ipairs(credentials) do
    local id <close> = secret.from(credential.keyId)
    local upper <close> = secret.from(credential.keyId:upper())
    if value:equals(id) or value:equals(upper) then return credential end
  end
end

local function is_listed(newest, credentials)
  for _, credential in ipairs(credentials) do
    if credential.keyId == newest.body.key_id then return true end
  end
  return false
end

local function why_invalid(found, values)
  local newest = values.newest
  if newest and newest.body.key_id and not is_listed(newest, found.passwordCredentials or {}) then
    return "Somebody removed it from the application."
  end
  return "It is no secret of this application."
end

local function tell_refusal(record, look, found, values, failure)
  local code = failure.code
  if ELSEWHERE[code] then return record:unknown { evidence = "not checked: " .. ELSEWHERE[code] } end
  if code == 7000222 then
    return record:broken { evidence = "the client secret has expired (AADSTS7000222)",
      cause = "It was not renewed in time.", fix = look.setup .. " makes a new one, proves it and stores it." }
  elseif code == 7000215 then
    local pasted = not values.journal and M.is_id(values.entry, found.passwordCredentials or {})
    return record:broken { evidence = "the client secret is not accepted (AADSTS7000215)",
      cause = pasted and "It is the Secret ID of a credential, not its Value." or why_invalid(found, values),
      fix = look.setup .. " finds out, and makes a new one where it must." }
  end
  local reason = explain.login(failure)
  record:broken { evidence = ("the application cannot sign in: %s"):format(tostring(failure.message)),
    cause = reason.cause, fix = reason.fix or "Look at the sign-in log of the service principal." }
end

local function tell_end(record, look, newest)
  local ends = newest and newest.body.ends
  if not ends then return record:ok "the client secret signs the application in" end
  local left = ends - time.now()
  if left <= look.args.renew_before then
    return record:warning { evidence = ("the client secret works, and ends in %s"):format(time.span(left)),
      cause = "It is time to renew it.", fix = look.setup .. " makes the next one." }
  end
  record:ok("the client secret signs the application in, for another %s", time.span(left))
end

---@type doctor.check
M.name = "client secret"

function M.run(record, look)
  local found = look:want "application"
  if not found then return record:unknown { evidence = "not checked: there is no application" } end
  local values, proof = look:want "values", look:want "proof"
  if proof then
    if proof.accepted then return tell_end(record, look, values.newest) end
    return tell_refusal(record, look, found, values, proof.failure)
  end
  if #(found.passwordCredentials or {}) == 0 then
    return record:broken { evidence = "the application has no client secret",
      cause = "Nobody made one, or all were removed.", fix = look.setup }
  end
  record:unknown {
    evidence = "the application has a client secret, but neither the journal nor an entry holds its value",
    cause = "It was made elsewhere, or the state folder was lost.", fix = look.setup .. " makes one that is known." }
end

return M
