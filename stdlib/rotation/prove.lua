--- Prove that a client secret or a certificate's key works: three sign-ins of the application, each on a new
--- connection, over ten seconds or more.

local explain = require "explain.cause"
local fail = require "fail"
local kinds = require "fail.kinds"
local log = require "log"
local oauth = require "oauth.sign_in"
local task = require "task"
local time = require "time"

local M = {}

local TIMES = 3 -- sign-ins
local OVER = 10 -- seconds from the first sign-in to the last
local PAUSE = 5 -- seconds between two sign-ins
local BUDGET = 300 -- seconds for a new credential to be accepted everywhere

-- AADSTS codes for a credential that has not propagated yet: wrong secret, unknown application, certificate not on the
-- application.
local NOT_YET = { [7000215] = true, [700016] = true, [700027] = true }

local function may_not_have_propagated(failure)
  return NOT_YET[failure.code] or kinds.of(failure.kind).passes_by_itself or false
end

--- Which of these roles are missing in a token.
---@param claims table
---@param roles string[]
---@return string[] missing
function M.missing_roles(claims, roles)
  local there, missing = {}, {}
  for _, role in ipairs(claims and claims.roles or {}) do there[role] = true end
  for _, role in ipairs(roles) do
    if not there[role] then missing[#missing + 1] = role end
  end
  return missing
end

local function raise_sign_in_refused(client_id, failure)
  local reason = explain.login(failure)
  fail.raise {
    kind = failure.kind or "auth", what = ("sign in as application %s with its new credential"):format(client_id),
    why = reason.cause and ("%s. It said: %s"):format(reason.cause, failure.message) or failure.message,
    fix = reason.fix or "The credential is kept in the journal. Run the same command again once this is settled.",
    resumes = reason.resumes or not reason.fix or nil,
    code = failure.code or failure.error, status = failure.status, cause = failure,
  }
end

--- Raise the failure of a sign-in when it tells nothing about the credential: no answer, or an outage of the service.
---@param client_id string
---@param failure table
function M.raise_if_passing(client_id, failure)
  if kinds.of(failure.kind).passes_by_itself then raise_sign_in_refused(client_id, failure) end
end

---------------------------------------------------------------------------
-- Reporting

--- Raise a failure because a new credential was not accepted three times.
---@param kind string "client secret"
---@param name string of the application
---@param proof rotation.proof
function M.raise_not_proven(kind, name, proof)
  fail.raise {
    kind = "transient", resumes = true, what = ("prove the new %s of '%s'"):format(kind, name),
    why = ("after five minutes it is not accepted everywhere (%s)")
      :format(proof.failure and proof.failure.message or "too few sign-ins"),
    fix = "The new credential is kept, and nothing was replaced. Run the same command again in a few minutes: it "
      .. "goes on with that credential.",
  }
end

--- Raise a failure because a token lacks permissions that were granted.
---@param missing string[] permissions
function M.raise_missing(missing)
  fail.raise {
    kind = "denied", what = "find the granted permissions in a token of the application",
    why = "a token does not carry " .. table.concat(missing, ", "),
    fix = "Look at the consent under API permissions in the portal. Entra can take a few minutes; "
      .. "then run the same command again.",
  }
end

--- Ask a person to look at the application's sign-ins.
---@param run workflow.Run
---@param what string what the person has to find out
---@param why string
function M.await_person(run, what, why)
  run:await { what = what, why = why, how = {
    "look at the application's sign-ins in the Entra admin center: Sign-in logs > Service principal sign-ins",
    "then run apply again",
  } }
end

--- The result of a proof, for people: "signs in; a token carries User.Read.All"
---@param text string
---@param roles string[]
---@return string
function M.proof_text(text, roles)
  return #roles == 0 and text or ("%s; a token carries %s"):format(text, table.concat(roles, ", "))
end

--- Sign in once; try again a few times when no answer comes. Returns whether the credential is accepted, and the
--- token's claims or the failure. Waits.
---@param client_id string
---@param value host.secret|host.crypto.key
---@return boolean accepted, table claims_or_failure
function M.sign_in_once(client_id, value)
  local proof, failure
  for try = 1, TIMES do
    if try > 1 then task.sleep(PAUSE) end
    proof, failure = oauth.prove(client_id, value)
    if proof then return true, proof.claims end
    if not kinds.of(failure.kind).passes_by_itself then break end
  end
  return false, failure
end

---@class rotation.proof
---@field proven boolean were there three sign-ins, long enough apart?
---@field claims table? of the last token
---@field missing string[] roles that the last token did not carry
---@field failure table? the last refusal, when not proven

--- Sign in until the credential is proven and the token carries these roles, or until five minutes have passed. Raises
--- a failure for a refusal that does not pass by itself. Waits.
---@param client_id string
---@param value host.secret|host.crypto.key
---@param roles string[]
---@return rotation.proof
function M.await_proof(client_id, value, roles)
  local ends, first, count = time.monotonic() + BUDGET, nil, 0
  local proof = { proven = false, missing = roles }
  while true do
    local accepted, more = M.sign_in_once(client_id, value)
    if accepted then
      count, first = count + 1, first or time.monotonic()
      proof.claims, proof.missing, proof.failure = more, M.missing_roles(more, roles), nil
      proof.proven = proof.proven or (count >= TIMES and time.monotonic() - first >= OVER)
      if proof.proven and #proof.missing == 0 then return proof end
    elseif may_not_have_propagated(more) then
      count, first, proof.failure = 0, nil, more
    else
      raise_sign_in_refused(client_id, more)
    end
    if time.monotonic() + PAUSE > ends then return proof end
    log.progress(accepted and ("proving the new credential: %d sign-ins"):format(count)
      or "proving the new credential: not accepted everywhere yet")
    task.sleep(PAUSE)
  end
end

return M
