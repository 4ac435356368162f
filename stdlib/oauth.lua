--- Who we are: signing in, and the credential for Graph, renewed before it ends.
--
-- Tokens never become Lua strings: host.oauth puts them into credentials. This
-- module decides when to ask for one, and says what a refusal means.

local explain = require "explain"
local fail = require "fail"
local http = require "http"
local log = require "log"
local native = require "host.oauth"
local profile = require "profile"
local retry = require "retry"
local shared = require "shared"
local task = require "task"
local time = require "time"

local M = {}

local EARLY = 300 -- seconds before its end at which a token is renewed

---@class oauth.principal
---@field name string user principal name, or the application's name
---@field oid string object id of the user or service principal
---@field appid string? client id
---@field tenant string GUID
---@field kind "user"|"app"
---@field scopes string[] delegated
---@field roles string[] application permissions
---@field wids string[] role template ids

---@class oauth.held
---@field credential host.credential
---@field refresh_token host.secret?
---@field claims table
---@field renew_at number

--- Where a person's sign-in is kept from one run to the next.
---@class oauth.keeper
---@field renew fun(exchange: fun(refresh_token: host.secret): host.oauth.token): host.oauth.token? calls `exchange`
--- with the newest refresh token there is, and returns what it gives once the refresh token in that is durable;
--- nil when nothing is kept, or what is kept is of no use any more
---@field keep fun(token: host.oauth.token) what a new sign-in gave; it is durable when this returns

local signed ---@type table? the profile signed in with
local keeper ---@type oauth.keeper?
local held ---@type oauth.held?
local client_secret ---@type host.secret?
local scopes = {} ---@type string[]
local tenants = {} ---@type table<string, string> authority -> GUID

---------------------------------------------------------------------------
-- Failures

-- Temporary on their side, whatever the HTTP status says (reference-error-codes).
local PASSING_CODES = { [90033] = true, [90006] = true, [90012] = true, [90024] = true, [50033] = true }

local KIND_OF_ERROR = {
  temporarily_unavailable = "transient", server_error = "transient",
  authorization_pending = "pending", slow_down = "pending",
  authorization_declined = "person", expired_token = "person", code_expired = "person",
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

-- The one place where a failed sign-in becomes an error.
local function raise(what, failure)
  local reason = explain.login(failure)
  fail.raise {
    kind = failure.kind, what = what, why = explain.why(reason, failure, said(failure), "It"),
    fix = reason.fix, status = failure.status, code = failure.code or failure.error,
    request_id = failure.trace_id, cause = failure,
  }
end

---------------------------------------------------------------------------
-- One request

local function once(what, request, judge, ...)
  local answer <close>, message, kind, maybe_sent = http.send(request, nil, { timeout = 30, note = what })
  if not answer then return nil, retry.transport(message, kind, maybe_sent) end
  local value, failure = judge(answer, ...)
  if not value then failure.kind = kind_of(failure) end
  return value, failure
end

-- Send what `build` builds until it is answered; raise what stays a failure.
local function ask(what, build, judge, ...)
  local more = table.pack(...)
  local value, failure = retry.run {
    what = what, repeatable = true,
    attempt = function() return once(what, build(), judge, table.unpack(more, 1, more.n)) end,
  }
  if not value then raise(what, failure) end
  return value
end

local function authority_of(settings)
  return settings.login .. "/" .. settings.tenant
end

local function resource_of(settings)
  return settings.graph:match("^%a+://[^/]+")
end

---------------------------------------------------------------------------
-- Ways to get a token

local function app_scope(settings)
  return resource_of(settings) .. "/.default"
end

local function user_scope(settings)
  local list = { "offline_access" }
  for _, scope in ipairs(scopes) do
    list[#list + 1] = scope:find("/", 1, true) and scope or (resource_of(settings) .. "/" .. scope)
  end
  if #list == 1 then list[2] = app_scope(settings) end
  return table.concat(list, " ")
end

local function by_client_secret(settings)
  local sign_in = settings.sign_in
  client_secret = client_secret or profile.secret(sign_in.secret, "the client secret to sign in with")
  return ask(("sign in to '%s' as application %s"):format(settings.tenant, sign_in.client_id), function()
    return native.client_secret(authority_of(settings), sign_in.client_id, client_secret, app_scope(settings))
  end, native.judge_token, settings.graph)
end

-- Ask until the person has signed in, at the pace the service wants (RFC 8628, 3.5).
local function await_person(settings, code)
  local what = ("sign in to '%s' with a device code"):format(settings.tenant)
  local interval, ends = code.interval, time.now() + code.expires_in
  repeat
    task.sleep(interval)
    local request = native.device_token(authority_of(settings), settings.sign_in.client_id, code.device_code)
    local token, failure = once(what, request, native.judge_token, settings.graph)
    if token then return token end
    if failure.error == "slow_down" then interval = interval + 5 end
    local go_on = { pending = true, transient = true, throttled = true, network = true }
    if not go_on[failure.kind] then raise(what, failure) end
    if failure.retry_after then interval = math.max(interval, failure.retry_after) end
  until time.now() >= ends
  raise(what, { kind = "person", error = "expired_token", message = "nobody signed in while the code was valid" })
end

local function by_device_code(settings)
  local client_id = settings.sign_in.client_id
  local code = ask(("ask '%s' for a device code"):format(settings.tenant), function()
    return native.device_code(authority_of(settings), client_id, user_scope(settings))
  end, native.judge_device_code)
  log.say(code.message)
  return await_person(settings, code)
end

local function by_refresh(settings, refresh_token)
  return ask(("renew the sign-in to '%s'"):format(settings.tenant), function()
    return native.refresh(authority_of(settings), settings.sign_in.client_id, refresh_token, user_scope(settings))
  end, native.judge_token, settings.graph)
end

local METHODS = { client_secret = by_client_secret, device_code = by_device_code }

-- By a refresh token, the kept one before the one we hold: another process may have
-- renewed it since. nil when there is none.
local function renewed(settings)
  local function exchange(refresh_token) return by_refresh(settings, refresh_token) end
  local token = keeper and keeper.renew(exchange)
  if token then return token end
  return held and held.refresh_token and exchange(held.refresh_token)
end

local function fetch(settings)
  local token = renewed(settings)
  if token then return token end
  local method = METHODS[settings.sign_in.method]
  if method then
    token = method(settings)
    if keeper and token.refresh_token then keeper.keep(token) end
    return token
  end
  fail.raise {
    kind = "config", what = ("sign in to '%s'"):format(settings.tenant),
    why = ("the profile's sign_in.method is '%s'"):format(tostring(settings.sign_in.method)),
    fix = "Use \"device_code\" for a person or \"client_secret\" for an application.",
  }
end

---------------------------------------------------------------------------
-- The token in use

local function hold(token)
  local early = math.min(EARLY, token.expires_in / 2)
  held = {
    credential = token.credential, claims = token.claims,
    refresh_token = token.refresh_token or held and held.refresh_token, -- not each answer brings a new one
    renew_at = time.now() + token.expires_in - early,
  }
end

local function is_fresh()
  return held and time.now() < held.renew_at
end

-- Get a new token, once for all who want one now.
local renew = shared.wrap(function() hold(fetch(signed)) end)

local function split(text)
  local list = {}
  for word in (text or ""):gmatch("%S+") do list[#list + 1] = word end
  return list
end

local function list_of(value)
  return type(value) == "table" and value or {}
end

---@return oauth.principal
local function principal_of(claims)
  local is_user = type(claims.scp) == "string" and claims.idtyp ~= "app"
  return {
    name = claims.upn or claims.unique_name or claims.app_displayname or claims.appid or "?",
    oid = claims.oid, appid = claims.appid, tenant = claims.tid, kind = is_user and "user" or "app",
    scopes = is_user and split(claims.scp) or {}, roles = list_of(claims.roles), wids = list_of(claims.wids),
  }
end

---------------------------------------------------------------------------
-- Public

--- The delegated permissions to ask for when a person signs in ("User.Read.All", …).
---@param list string[]
function M.use_scopes(list)
  scopes = list
end

--- The delegated permissions that will be asked for.
---@return string[]
function M.scopes()
  return scopes
end

--- Keep sign-ins there from now on (nil: nowhere). No access token is used before the
--- refresh token that came with it is durable.
---@param new oauth.keeper?
function M.keep(new)
  keeper = new
end

--- Sign in as the profile says; whom we are then.
---@param settings table a profile
---@return oauth.principal
function M.sign_in(settings)
  signed, held, client_secret = settings, nil, nil
  renew()
  return principal_of(held.claims)
end

--- Forget the token, and with it who we are.
function M.sign_out()
  signed, held, client_secret = nil, nil, nil
end

--- The credential for Graph; signs in or renews first when needed.
---@return host.credential
function M.credential()
  signed = signed or profile.current()
  while not is_fresh() do renew() end
  return held.credential
end

--- What the token in use says of us (read, not verified: Graph decides).
---@return table
function M.claims()
  M.credential()
  return held.claims
end

--- Whom the token in use is for.
---@return oauth.principal
function M.principal()
  return principal_of(M.claims())
end

--- Get a new token now: after a 401, or when a permission was just granted.
--- With the credential that was refused, nothing is done when another is in use already.
---@param refused host.credential?
function M.renew(refused)
  signed = signed or profile.current()
  if refused and held and held.credential ~= refused then return end
  renew()
end

--- Does this secret sign the application in? One request, on a connection of its own.
---@param client_id string
---@param secret host.secret
---@return { claims: table }|nil proof, table? failure with kind, error, code, message
function M.prove(client_id, secret)
  local settings = signed or profile.current()
  local request = native.client_secret(authority_of(settings), client_id, secret, app_scope(settings))
  request:set_fresh()
  local what = ("prove a secret of application %s"):format(client_id)
  local token, failure = once(what, request, native.judge_token, settings.graph)
  if not token then return nil, failure end
  token.credential:close()
  return { claims = token.claims }
end

--- The tenant's GUID, by discovery; asked for once.
---@param settings table? a profile; the current one by default
---@return string
function M.tenant(settings)
  settings = settings or signed or profile.current()
  local authority = authority_of(settings)
  if not tenants[authority] then
    tenants[authority] = ask(("find the tenant '%s' at %s"):format(settings.tenant, settings.login), function()
      return native.discovery(authority)
    end, native.judge_discovery, authority).tenant
  end
  return tenants[authority]
end

return M
