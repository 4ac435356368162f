--- Prove that a client secret or a certificate's key works: three sign-ins of the application, each on a new
--- connection, over ten seconds or more.

local access_policies = require "entra.access_policies"
local commit = require "journal.commit"
local explain = require "explain.cause"
local fail = require "fail"
local graph_clock = require "graph.clock"
local kinds = require "fail.kinds"
local log = require "log"
local login_codes = require "explain.login_codes"
local oauth = require "oauth.sign_in"
local store = require "evidence.store"
local task = require "task"
local time = require "time"

local M = {}

local TIMES = 3 -- sign-ins
local OVER = 10 -- seconds from the first sign-in to the last
local PAUSE = 5 -- seconds between two sign-ins
local BUDGET = 300 -- seconds for a new credential to be accepted everywhere

local function may_not_have_propagated(failure)
  return login_codes.is_new(failure.code) or kinds.of(failure.kind).passes_by_itself or false
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

-- The fix, with the name of the policy that refuses, where we may read it.
local function with_policy(fix, failure)
  local named = access_policies.names(failure.policies)
  return #named > 0 and ("The policy is '%s'. %s"):format(table.concat(named, "', '"), fix) or fix
end

local function raise_sign_in_refused(client_id, failure)
  local reason = explain.login(failure)
  fail.raise {
    kind = failure.kind or "auth", what = ("sign in as application %s with its new credential"):format(client_id),
    why = reason.cause and ("%s. It said: %s"):format(reason.cause, failure.message) or failure.message,
    fix = reason.fix and with_policy(reason.fix, failure)
      or "Remove the cause that the reason names, then run the same command again: the credential is kept.",
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

-- Seconds to wait before the next sign-in: as long as the service asks for, and a pause at least. Where that is longer
-- than a proof may take, nil: the failure then says from when on the service may be asked again.
local function wait_after(failure)
  local wait = math.max(PAUSE, failure and failure.retry_after or 0)
  if wait <= BUDGET then return wait end
  failure.again = time.now() + wait
end

--- Raise a failure because a new credential was not accepted three times.
---@param kind string "client secret"
---@param name string of the application
---@param proof rotation.proof
function M.raise_not_proven(kind, name, proof)
  local again = proof.failure and proof.failure.again
  fail.raise {
    kind = "transient", resumes = true, what = ("prove the new %s of '%s'"):format(kind, name),
    why = ("%s (%s)"):format(again and "the login service asks to wait longer than a proof may take"
      or "after five minutes it is not accepted everywhere",
      proof.failure and proof.failure.message or "too few sign-ins"),
    fix = ("The new credential is kept, and nothing was replaced. Run the same command again %s: it goes on with that "
      .. "credential."):format(again and "after " .. time.iso(math.ceil(again)) or "in a few minutes"),
  }
end

--- Raise a failure because a token lacks permissions that were granted.
---@param missing string[] permissions
function M.raise_missing(missing)
  fail.raise {
    kind = "denied", what = "find the granted permissions in a token of the application",
    why = "a token does not carry " .. table.concat(missing, ", "),
    fix = "Check that consent was granted: Entra admin center > App registrations > the application > API permissions. "
      .. "Then run the same command again in a few minutes.",
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

---@class rotation.own where a sign-in of ours is put on record, so that it is not taken for the consumer's
---@field journal host.journal.journal? nil: it is not put on record
---@field key_id string? of the credential; nil: not known

-- Put on record, on disk, that we sign in, or that the sign-in was accepted.
local function record_sign_in(client_id, own, at, is_accepted)
  if not own.journal then return end
  store.own_sign_in(own.journal, client_id, own.key_id, at, not is_accepted)
  commit.commit(own.journal)
end

--- Sign in with `sign_in(…)`, and put the sign-in on record before it and after it. Returns what `sign_in` returns; its
--- first result is nil or false when the sign-in was refused. Waits.
---@param client_id string
---@param own rotation.own
---@param sign_in function
---@return any ...
function M.sign_in_on_record(client_id, own, sign_in, ...)
  local at = graph_clock.now()
  record_sign_in(client_id, own, at, false)
  local results = table.pack(sign_in(...))
  if results[1] then record_sign_in(client_id, own, at, true) end
  return table.unpack(results, 1, results.n)
end

--- Sign in once; try again a few times when no answer comes. Returns whether the credential is accepted, and the
--- token's claims or the failure. Waits.
---@param client_id string
---@param value host.secret|host.crypto.key
---@param own rotation.own
---@return boolean accepted, table claims_or_failure
function M.sign_in_once(client_id, value, own)
  local proof, failure
  for try = 1, TIMES do
    proof, failure = M.sign_in_on_record(client_id, own, oauth.prove, client_id, value)
    if proof then return true, proof.claims end
    local wait = kinds.of(failure.kind).passes_by_itself and wait_after(failure)
    if not wait or try == TIMES then break end
    if wait > PAUSE then
      log.progress(("the login service asks to wait: trying again in %s"):format(time.span(wait)))
    end
    task.sleep(wait)
  end
  return false, failure
end

--- Is the credential gone: refused with this code as often, and over as long a time, as a proof takes? One refusal may
--- come from a server of the login service that is behind. Waits.
---@param client_id string
---@param value host.secret|host.crypto.key
---@param own rotation.own
---@param code integer of the login service
---@return boolean
function M.is_refused(client_id, value, own, code)
  for try = 1, TIMES do
    if try > 1 then task.sleep(PAUSE) end
    local accepted, failure = M.sign_in_once(client_id, value, own)
    if accepted or failure.code ~= code then return false end
  end
  return true
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
---@param own rotation.own
---@return rotation.proof
function M.await_proof(client_id, value, roles, own)
  local ends, first, count = time.monotonic() + BUDGET, nil, 0
  local proof = { proven = false, missing = roles }
  while true do
    local accepted, more = M.sign_in_once(client_id, value, own)
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
    local wait = wait_after(not accepted and more or nil)
    if not wait or time.monotonic() + wait > ends then return proof end
    log.progress(accepted and ("proving the new credential: %d sign-ins"):format(count)
      or "proving the new credential: not accepted everywhere yet")
    task.sleep(wait)
  end
end

return M
