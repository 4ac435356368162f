--- Send one request to the login service, and explain its refusal.

local fail = require "fail"
local http = require "http.client"
local native_oauth = require "host.oauth"
local outage = require "http.outage"
local retry = require "http.retry"
local time = require "time"

local M = {}

local SKEW = 60 -- seconds by which two clocks may differ before it is mentioned

---------------------------------------------------------------------------
-- Failures

local KIND_OF_ERROR = {
  temporarily_unavailable = "transient", server_error = "transient",
  authorization_pending = "pending", slow_down = "pending",
  authorization_declined = "person", expired_token = "person", code_expired = "person", access_denied = "person",
  invalid_request = "config", invalid_scope = "config", invalid_resource = "config", invalid_tenant = "config",
  not_json = "bad_answer", bad_answer = "bad_answer",
}

local function kind_of(failure)
  local known = require("explain.login_codes").of(failure.code)
  if failure.status == 429 then return "throttled" end
  if failure.status >= 500 or failure.status == 408 then return "transient" end
  if known and known.kind then return known.kind end
  if failure.error == "http" then return failure.status < 400 and "bad_answer" or "refused" end
  return KIND_OF_ERROR[failure.error] or "auth"
end

local function said(failure)
  if not failure.status then return failure.message end
  local words = ("HTTP %d %s"):format(failure.status, failure.error)
  if failure.trace_id then words = words .. ", trace id " .. failure.trace_id end
  if failure.correlation_id then words = words .. ", correlation id " .. failure.correlation_id end
  return ("%s (%s)"):format(failure.message, words)
end

-- A refusal because something is not valid yet, or not any more: compare the clocks; the answer contains theirs.
local function blame_clock(reason, failure)
  local ahead = failure.code == 700024 and failure.date and time.now() - failure.date or 0
  if math.abs(ahead) < SKEW then return reason end
  local words = ("%s: this computer's clock is %s %s theirs"):format(reason.cause, time.span(math.abs(ahead)),
    ahead > 0 and "ahead of" or "behind")
  return { cause = words, fix = reason.fix }
end

--- Raise the failure of a sign-in. No other code makes one.
---@param what string
---@param failure table host.oauth.failure or http.retry.failure
---@param who string? the subject of the sentence: whose words these are ("It")
function M.raise(what, failure, who)
  local explain = require "explain.cause" -- loaded only when something fails
  if failure.retry_after and not failure.again then failure.again = time.now() + failure.retry_after end
  local reason = blame_clock(explain.login(failure), failure)
  fail.raise {
    kind = failure.kind == "pending" and "person" or failure.kind, -- nobody waits for a person here
    what = what, why = explain.why(reason, failure, said(failure), who or "It"),
    fix = reason.fix, resumes = reason.resumes, status = failure.status, code = failure.code or failure.error,
    said = said(failure), request_id = failure.trace_id, cause = failure,
    unreachable = outage.is_unreached(failure) or nil,
  }
end

---------------------------------------------------------------------------
-- Asking the login service

---@class oauth.question
---@field what string
---@field build fun(): host.request, host.credential? makes the request of one try, with its credential if it has one
---@field judge fun(answer: host.answer): table?, host.oauth.failure?
---@field application boolean? an application signs in, not a person

-- Add what follows from an answer that refuses: the number that counts, the kind, and who was refused.
local function complete(failure, question)
  failure.code = require("explain.login_codes").choose(failure.codes, failure.message)
  failure.kind, failure.application = kind_of(failure), question.application
  return failure
end

--- Send the request once. Waits.
---@param question oauth.question
---@return table|nil value, table? failure
function M.once(question)
  local request <close>, credential = question.build() -- it and its secrets are wiped after the answer was judged
  local answer <close>, message, kind, maybe_sent = http.send(request, credential,
    { timeout = 30, note = question.what, own = true })
  if not answer then return nil, retry.transport_failure(message, kind, maybe_sent) end
  local value, failure = question.judge(answer)
  if value then return value end
  return nil, complete(failure, question)
end

--- Send the request, anew for each try, until the service answers; raise what stays a failure. Waits.
---@param question oauth.question
---@return table
function M.ask(question)
  local value, failure = retry.run {
    what = question.what, peer = "login", repeatable = true, attempt = function() return M.once(question) end,
  }
  if not value then M.raise(question.what, failure) end
  return value
end

--- A question for a token for Graph.
---@param settings profile
---@param what string
---@param build fun(): host.request, host.credential?
---@return oauth.question
function M.for_token(settings, what, build)
  return { what = what, build = build, judge = function(answer)
    return native_oauth.judge_token(answer, settings.graph)
  end }
end

--- The same, where an application signs in.
---@param settings profile
---@param what string
---@param build fun(): host.request, host.credential?
---@return oauth.question
function M.for_application(settings, what, build)
  local question = M.for_token(settings, what, build)
  question.application = true
  return question
end

---------------------------------------------------------------------------
-- Addresses and scopes

--- The address of the tenant at the login service.
---@param settings profile
---@return string
function M.authority(settings)
  return settings.login .. "/" .. settings.tenant
end

--- The API that the tokens are for, as the login service names it: the origin of Graph, or the service of the scope
--- that a peer has.
---@param settings profile
---@return string
function M.resource(settings)
  if settings.scope then return (settings.scope:gsub("/%.default$", "")) end
  return settings.graph:match("^%a+://[^/]+")
end

--- The scope of a token for the application itself.
---@param settings profile
---@return string
function M.app_scope(settings)
  return M.resource(settings) .. "/.default"
end

--- The delegated permissions to ask for, as the `scope` of a request.
---@param settings profile
---@param scopes string[]
---@return string
function M.user_scope(settings, scopes)
  local list = { "offline_access" }
  for _, scope in ipairs(scopes) do
    list[#list + 1] = scope:find("/", 1, true) and scope or (M.resource(settings) .. "/" .. scope)
  end
  if #list == 1 then list[2] = M.app_scope(settings) end
  return table.concat(list, " ")
end

--- "sign in to 'contoso.onmicrosoft.com' as application 1234"
---@param settings profile
---@return string
function M.as_application(settings)
  return ("sign in to '%s' as application %s"):format(settings.tenant, settings.sign_in.client_id)
end

return M
