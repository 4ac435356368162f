--- Send one request to the login service, and explain its refusal.

local fail = require "fail"
local http = require "http.client"
local outage = require "http.outage"
local retry = require "http.retry"
local time = require "time"

local M = {}

local SKEW = 60 -- seconds by which two clocks may differ before it is mentioned

---------------------------------------------------------------------------
-- Failures

-- Codes of temporary trouble at the service, whatever the HTTP status says (Microsoft Learn: reference-error-codes).
local PASSING_CODES = { [90033] = true, [90006] = true, [90012] = true, [90024] = true, [50033] = true }

local KIND_OF_ERROR = {
  temporarily_unavailable = "transient", server_error = "transient",
  authorization_pending = "pending", slow_down = "pending",
  authorization_declined = "person", expired_token = "person", code_expired = "person", access_denied = "person",
  invalid_request = "config", invalid_scope = "config", invalid_resource = "config", invalid_tenant = "config",
  not_json = "bad_answer", bad_answer = "bad_answer",
}

local function kind_of(failure)
  if failure.status == 429 or failure.code == 90055 then return "throttled" end
  if failure.status >= 500 or failure.status == 408 or PASSING_CODES[failure.code] then return "transient" end
  if failure.error == "http" then return failure.status < 400 and "bad_answer" or "refused" end
  return KIND_OF_ERROR[failure.error] or "auth"
end

local function said(failure)
  local source = failure.status and ("HTTP %d %s"):format(failure.status, failure.error) or nil
  local trace = failure.trace_id and ("trace id " .. failure.trace_id) or nil
  local ids = source and trace and (source .. ", " .. trace) or source
  return ids and ("%s (%s)"):format(failure.message, ids) or failure.message
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
  local reason = blame_clock(explain.login(failure), failure)
  fail.raise {
    kind = failure.kind, what = what, why = explain.why(reason, failure, said(failure), who or "It"),
    fix = reason.fix, resumes = reason.resumes, status = failure.status, code = failure.code or failure.error,
    said = said(failure), request_id = failure.trace_id, cause = failure,
    unreachable = outage.is_unreached(failure) or nil,
  }
end

---------------------------------------------------------------------------
-- Requests

--- Send once the request that `build` makes, with its credential if it has one. Waits.
---@param what string
---@param build fun(): host.request, host.credential?
---@param judge function of host.oauth
---@param ... any further arguments of judge
---@return table|nil value, table? failure
function M.once(what, build, judge, ...)
  local request <close>, credential = build() -- the request and its secrets are wiped after the answer was judged
  local answer <close>, message, kind, maybe_sent = http.send(request, credential,
    { timeout = 30, note = what, own = true })
  if not answer then return nil, retry.transport_failure(message, kind, maybe_sent) end
  local value, failure = judge(answer, ...)
  if not value then failure.kind = kind_of(failure) end
  return value, failure
end

--- Send what `build` makes, anew for each try, until the service answers; raise what stays a failure. Waits.
---@param what string
---@param build fun(): host.request, host.credential?
---@param judge function
---@param ... any
---@return table
function M.ask(what, build, judge, ...)
  local more = table.pack(...)
  local value, failure = retry.run {
    what = what, peer = "login", repeatable = true,
    attempt = function() return M.once(what, build, judge, table.unpack(more, 1, more.n)) end,
  }
  if not value then M.raise(what, failure) end
  return value
end

---------------------------------------------------------------------------
-- Addresses and scopes

--- The address of the tenant at the login service.
---@param settings profile
---@return string
function M.authority(settings)
  return settings.login .. "/" .. settings.tenant
end

--- The origin of the API that the tokens are for.
---@param settings profile
---@return string
function M.resource(settings)
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
