--- The cause and the fix for an error of a service, in our words.
---
--- These texts are for people. Programs branch on kinds: Microsoft promises neither its AADSTS numbers nor its texts.

local graph_errors = require "explain.graph_errors"
local hint = require "log.hint"
local kinds = require "fail.kinds"
local login_codes = require "explain.login_codes"
local sets = require "base.sets"
local time = require "time"

local M = {}

---@class explain.reason
---@field cause string? a sentence without its full stop
---@field fix string? sentences
---@field resumes boolean? the fix says that the same command, run again, goes on
---@field source string? who says so: "docs" or "field"

-- The reason with the commands of its fix as this run's options make them.
local function with_commands(reason)
  if not reason.fix then return reason end
  local filled = {}
  for name, value in pairs(reason) do filled[name] = value end
  filled.fix = hint.text(reason.fix)
  return filled
end

--- What an AADSTS number means; nil when it is unknown here.
---@param code integer|string 7000215, "7000215" or "AADSTS7000215"
---@return explain.reason|nil
function M.aadsts(code)
  local entry = login_codes.of(code)
  return entry and with_commands { cause = entry.cause, fix = entry.fix, source = entry.source } or nil
end

local SIGN_IN = {
  authorization_declined = { cause = "the person declined",
    fix = "Run the command again and accept, or have somebody sign in who may." },
  expired_token = { cause = "the code was not used in time", fix = "Run the command again for a new code." },
  code_expired = { cause = "the code was not used in time", fix = "Run the command again for a new code." },
  invalid_grant = { cause = "the sign-in is not valid any more", fix = "Sign in again: {moonlatch} login.",
    application = { cause = "what the application showed is not valid, or a policy refuses it",
      fix = "The sign-in log (Service principal sign-ins) says more." } },
  invalid_client = { cause = "the application's credential was not accepted",
    fix = "Check the client id and the secret named in the profile's sign_in." },
  interaction_required = { cause = "a person has to do something at the sign-in page",
    fix = "Sign in again: {moonlatch} login.",
    application = { cause = "the tenant asks for something that only a person can do",
      fix = "An application cannot do it: the sign-in log (Service principal sign-ins) says what is asked for." } },
  invalid_scope = { cause = "a permission that is asked for does not exist, or this sign-in was not granted it",
    fix = "Check the names of the permissions in the script's needs; then sign in again: {moonlatch} login." },
  not_json = { cause = "the answer is not from Microsoft's login service",
    fix = "Check `login` in the profile, and whether a proxy answers instead." },
  bad_answer = { cause = "the login service's answer breaks the rules of OAuth",
    fix = "Check `login` in the profile, and whether a proxy answers instead." },
  http = { cause = "the answer is not from Microsoft's login service, or the service failed",
    fix = "Check `login` in the profile, and whether a proxy answers instead; or try again in some minutes." },
}

-- The answer for an unknown error.
local REFUSED = {
  cause = "the login service refuses",
  fix = "The message says why; https://login.microsoftonline.com/error explains codes that begin with AADSTS.",
}

-- Microsoft's suberrors: what a refused sign-in lacks (the names are in MSAL's source code).
local SUBERRORS = {
  basic_action = SIGN_IN.interaction_required,
  additional_action = { cause = "a person has to do something at the sign-in page and outside of it",
    fix = "Sign in again: {moonlatch} login. Do what the page asks for (register a device, turn off a VPN)." },
  message_only = { cause = "the sign-in page shows a problem that cannot be solved there",
    fix = "Sign in in a browser, read the message, and tell an administrator." },
  user_password_expired = { cause = "the password has expired", fix = "Change it, then sign in again." },
  consent_required = { cause = "nobody has consented to the permissions that are asked for",
    fix = "Have an administrator grant consent to the application." },
  bad_token = { cause = "the sign-in is not valid any more: it was revoked (a new password revokes it)",
    fix = "Sign in again: {moonlatch} login." },
  token_expired = { cause = "the sign-in is not valid any more: it expired",
    fix = "Sign in again: {moonlatch} login." },
  protection_policy_required = { cause = "a policy of the tenant requires a managed app on this device",
    fix = "Sign in as an application, or have the policy exclude this." },
  client_mismatch = { cause = "the sign-in belongs to another application",
    fix = "Check `client_id` in the profile, then sign in again: {moonlatch} login." },
}

local function by_kind(failure)
  local kind = kinds.of(failure.kind)
  if kind.cause then return { cause = kind.cause, fix = kind.fix } end
end

-- The reason in its form for who signs in.
local function for_who(reason, failure)
  return reason and failure.application and reason.application or reason
end

local function by_word(failure)
  return for_who(SUBERRORS[failure.suberror] or SIGN_IN[failure.error], failure)
end

local LOOK_UP = "Look the code up at https://login.microsoftonline.com/error?code=%d."

-- Say that a number is unknown. A suberror has one meaning; an error stands for many causes, so what it often means is
-- only a guess.
local function by_unknown_code(failure)
  if not failure.code then return nil end
  local unknown = ("the code AADSTS%d is unknown to Moonlatch"):format(failure.code)
  local known, fix = for_who(SUBERRORS[failure.suberror], failure), LOOK_UP:format(failure.code)
  if known then return { cause = ("%s (%s)"):format(known.cause, unknown), fix = known.fix .. " " .. fix } end
  local guess = for_who(SIGN_IN[failure.error], failure)
  if not guess then return { cause = unknown, fix = fix } end
  return {
    cause = ("%s; %s often means that %s"):format(unknown, failure.error, guess.cause),
    fix = ("%s If it is that: %s"):format(fix, guess.fix),
  }
end

-- The reason that a known number stands for, with the policies that the answer names.
local function by_known_code(failure)
  local entry = login_codes.of(failure.code)
  if not entry then return nil end
  local cause = entry.cause
  if failure.policies and #failure.policies > 0 then
    cause = ("%s (id of the policy: %s)"):format(cause, table.concat(failure.policies, ", "))
  end
  return { cause = cause, fix = failure.application and entry.application_fix or entry.fix, source = entry.source }
end

-- Add when to try again, where the service says how long to wait.
local function with_moment(reason, failure)
  if not failure.again then return with_commands(reason) end
  local when = ("Run the same command again after %s: the service asks not to be asked before.")
    :format(time.iso(math.ceil(failure.again)))
  return { cause = reason.cause, fix = when, source = reason.source, resumes = true }
end

-- Why there is no answer, or none that tells whether the call was carried out; nil when there is one.
local function by_missing_answer(failure)
  if failure.kind == "unknown_outcome" then return with_commands(kinds.kinds.unknown_outcome) end
  if failure.transport then return with_commands(kinds.transport(failure)) end
end

local REDIRECT = {
  cause = "the login service sent a redirect; redirects are never followed, because secrets go to the login service"
    .. " and nowhere else",
  fix = "Check `login` in the profile, and whether a proxy or a network's sign-in page answers instead.",
}

--- Why a sign-in failed.
---@param failure table host.oauth.failure or http.retry.failure; `application`: an application signs in
---@return explain.reason
function M.login(failure)
  if failure.transport then return with_commands(kinds.transport(failure)) end
  if failure.status and failure.status >= 300 and failure.status < 400 then return REDIRECT end
  local reason = by_known_code(failure) or by_kind(failure) or by_unknown_code(failure) or by_word(failure) or REFUSED
  return with_moment(reason, failure)
end

local WHERE_IDENTITIES_ARE = "They are there on Azure's virtual machines, in App Service and in Container Apps, once "
  .. "one is turned on (not in Azure Arc or Cloud Shell). Elsewhere use \"workload_identity\" or \"certificate\"."

local NO_IDENTITY = { cause = "this machine has no endpoint of managed identities", fix = WHERE_IDENTITIES_ARE }

local FOREIGN_IDENTITY = {
  cause = "the answer is not from Azure's endpoint of managed identities", fix = WHERE_IDENTITIES_ARE,
}

local UNKNOWN_IDENTITY = {
  cause = "this machine or service does not have that identity",
  fix = "Turn on its own identity, or assign the one that sign_in of the profile names by client_id, object_id or"
    .. " resource_id.",
}

--- Why a managed identity gave no token; nil for a cause that it shares with other sign-ins.
---@param failure table host.oauth.failure or http.retry.failure
---@return explain.reason|nil
function M.identity(failure)
  if failure.transport and not failure.maybe_sent and kinds.transport(failure) ~= kinds.transports.peer then
    return NO_IDENTITY
  end
  if failure.error == "invalid_request" and failure.message:lower():find("identity not found", 1, true) then
    return UNKNOWN_IDENTITY
  end
  local is_foreign = failure.error == "http" or failure.error == "not_json"
  if is_foreign and failure.kind ~= "transient" and failure.kind ~= "throttled" then return FOREIGN_IDENTITY end
end

local function holds(text, part)
  return (text or ""):lower():find(part:lower(), 1, true) ~= nil
end

local function has_member(body, name)
  return type(body) == "table" and body[name] ~= nil
end

local function matches(rule, failure, context)
  return (not rule.status or rule.status == failure.status)
    and (not rule.code or rule.code == failure.code)
    and (not rule.exists or failure.exists == true)
    and (not rule.kind or rule.kind == failure.kind)
    and (not rule.text or holds(failure.message, rule.text))
    and (not rule.method or rule.method == context.method)
    and (not rule.path or (context.path or ""):find(rule.path) ~= nil)
    and (not rule.member or has_member(context.body, rule.member))
end

-- Does the rule for a whole kind not know the code?
local function is_strange(rule, failure)
  local code = failure.code
  if not rule.usual or code == nil or code == "" then return false end
  return not sets.of(rule.usual)[code]
end

local function by_rule(failure, context)
  for _, rule in ipairs(graph_errors) do
    if matches(rule, failure, context) then
      local cause = rule.cause
      if is_strange(rule, failure) then
        cause = ("the code %s is unknown to Moonlatch; HTTP %s often means that %s")
          :format(failure.code, tostring(failure.status), cause)
      end
      return { cause = cause, fix = rule.fix, source = rule.source }
    end
  end
end

--- Why a Graph call failed.
---@param failure table host.graph.failure or http.retry.failure
---@param context { method: string?, path: string?, body: table?, fresh_write: boolean? }? the call
---@return explain.reason
function M.graph(failure, context)
  context = context or {}
  local unanswered = by_missing_answer(failure)
  if unanswered then return unanswered end
  if failure.lagged and failure.status == 403 then
    return {
      cause = ("Graph refused this for %s, although the token has the permission: Entra may not know yet what was made"
        .. " a moment ago, or a directory role is missing"):format(time.span(failure.lagged)),
      fix = hint.text("Run the same command again in some minutes: it goes on where it stopped. If it is refused again,"
        .. " see who we are with `{moonlatch} whoami`."),
    }
  end
  if context.fresh_write and failure.status ~= 403 and (failure.lag or failure.kind == "missing") then
    return {
      cause = "Entra has not replicated the last change after two minutes",
      fix = "Run the same command again in some minutes: it goes on where it stopped.",
    }
  end
  return with_moment(by_rule(failure, context) or by_kind(failure) or {}, failure)
end

-- Why a service refuses, by the kind of the failure, where it has no reason of its own. %s is the peer's name.
local SERVICE = {
  auth = { cause = "the service did not accept our credential",
    fix = "Check the credential of peers.%s in the profile; to store it anew: {moonlatch} login --secret peer-%s" },
  denied = { cause = "our credential may not do this",
    fix = "Give the identity behind peers.%s of the profile the right to make this call." },
  missing = { cause = "it does not exist, or our credential may not see it",
    fix = "Check the path of the call, and the address of peers.%s in the profile." },
  conflict = { cause = "it exists already, or somebody else changed it at the same time",
    fix = "Run this again: the present state is read first." },
  refused = { cause = "the service refuses this", fix = "The message says why; the log of the service says more." },
  bad_answer = { cause = "the answer is not one of the service that was meant, or was damaged",
    fix = "Check the address of peers.%s in the profile, and whether a proxy answers instead." },
}

local DEVOLUTIONS = {
  auth = { cause = "the session was not accepted",
    fix = "Check the application key and secret in the profile, and that the application is enabled." },
  denied = { cause = "the application identity may not do this",
    fix = "In Devolutions Server, give it access to the vault, with View and View password." },
  missing = { cause = "it does not exist, or the application identity may not see it",
    fix = "Check the name, and give the application identity access to the vault." },
  conflict = SERVICE.conflict,
  refused = { cause = "Devolutions Server refuses this",
    fix = "The message says why; the log of the server says more." },
  bad_answer = { cause = "the answer is not from Devolutions Server's API, or was damaged",
    fix = "Check `devolutions.server` in the profile, and whether a proxy answers instead." },
}

-- The reason that the service's table has, else the one that all services share.
local function by_service(reasons, failure, name)
  local reason = reasons[failure.kind]
  if reason then reason = { cause = reason.cause, fix = (reason.fix:gsub("%%s", name)) } end
  return by_missing_answer(failure) or with_moment(reason or by_kind(failure) or {}, failure)
end

--- Why a call to Devolutions Server failed.
---@param failure table host.devolutions.failure or http.retry.failure
---@return explain.reason
function M.devolutions(failure) return by_service(DEVOLUTIONS, failure, "devolutions") end

--- Why a call to a peer of the profile failed.
---@param failure table host.peer.failure or http.retry.failure
---@param name string of the peer
---@return explain.reason
function M.peer(failure, name)
  if failure.kind == "unknown_outcome" then
    return { cause = kinds.kinds.unknown_outcome.cause, fix = ("Look at the service behind peers.%s of the profile "
      .. "whether the change was made, before you run the command again."):format(name) }
  end
  if failure.transport == "certificate" then
    return { cause = kinds.transports.certificate.cause, fix = ("If the service has an authority of its own, name it: "
      .. "peers.%s = { ca = \"FILE\", … } in the profile. Otherwise stop: the server may be somebody else's.")
      :format(name) }
  end
  if failure.message:find("texts that are secrets", 1, true) then
    return { cause = "the memory for secrets, which is never swapped out, is too small for the secrets of this answer",
      fix = ("Ask for less at once: a page, or one object; and let go of earlier answers. Where most texts of these "
        .. 'answers are no secrets, say where the secrets are: peers.%s = { answers = { "data.token" }, … } in the '
        .. "profile."):format(name) }
  end
  return by_service(SERVICE, failure, name)
end

--- The sentence that says why: our cause, then the words of the service, and whose words they are.
---@param reason explain.reason
---@param failure table a failure without a status was found on our side
---@param said string
---@param who string "Graph"
---@return string
function M.why(reason, failure, said, who)
  if not reason.cause then return said end
  if not failure.status then return ("%s (%s)"):format(reason.cause, said) end
  return ("%s. %s said: %s"):format(reason.cause, who, said)
end

return M
