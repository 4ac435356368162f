--- Sign in, and hold the credential for Graph, which is renewed before it expires.
---
--- Tokens never become Lua strings: host.oauth puts them into credentials. This module decides when to ask for a token;
--- each other file of oauth/ is one method of asking.

local ask = require "oauth.ask"
local discovery = require "oauth.discovery"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local microsoft_ids = require "base.microsoft_ids"
local native_oauth = require "host.oauth"
local profiles = require "profile.current"
local scope = require "oauth.scope"
local secret = require "host.secret"
local sets = require "base.sets"
local single_flight = require "task.single_flight"
local time = require "time"

local M = {}

local EARLY = 300 -- seconds before its expiry from which a token is renewed

---@class oauth.principal
---@field name string user principal name, or the application's name
---@field oid string object id of the user or service principal
---@field appid string? client id
---@field tenant string GUID
---@field kind "user"|"app"
---@field scopes string[] delegated
---@field roles string[] application permissions
---@field wids string[] role template ids

---@class oauth.signed_in
---@field credential host.credential
---@field refresh_token host.secret?
---@field withheld string? scopes that were asked for and not granted
---@field claims table
---@field renew_at number
---@field ends number

--- One method of getting a token: for this profile, with what is `kept` between the tokens of one sign-in, and the
--- delegated permissions to ask for. A token that is `final` cannot be renewed, and is used until it expires.
---@alias oauth.way fun(settings: profile, kept: table, scopes: string[]): host.oauth.token

--- Keeps a person's sign-in from one run to the next.
---@class oauth.keeper
---@field renew fun(exchange: oauth.exchange): host.oauth.token?, boolean? calls `exchange` with the newest refresh
--- token and the scopes that its sign-in was not granted, and returns the new token once its refresh token is durable;
--- nil when nothing is kept; nil and true when the sign-in has expired
---@field keep fun(token: host.oauth.token) keep the token of a new sign-in; durable when this returns

---@alias oauth.exchange fun(refresh_token: host.secret, withheld: string?): host.oauth.token

local signed ---@type profile? the profile signed in with
local keeper ---@type oauth.keeper?
local held ---@type oauth.signed_in?
local kept = {} ---@type table of this sign-in: its secret or key
local scopes = {} ---@type string[]
---------------------------------------------------------------------------
-- Getting a token

-- Note what was asked for and not granted, for the renewals of this sign-in.
local function note_withheld(token, asked, before)
  token.withheld = scope.withheld(asked, token.scope, before)
  return token
end

local function by_refresh(settings, refresh_token, withheld)
  local asked = scope.of_renewal(ask.user_scope(settings, scopes), withheld)
  local token = ask.ask(ask.for_token(settings, ("renew the sign-in to '%s'"):format(settings.tenant), function()
    return native_oauth.refresh(ask.authority(settings), settings.sign_in.client_id, refresh_token, asked)
  end))
  return note_withheld(token, asked, withheld)
end

---@type table<string, fun(): oauth.way>
local WAYS = {
  browser = function() return require "oauth.browser" end,
  certificate = function() return require "oauth.certificate" end,
  client_secret = function() return require "oauth.client_secret" end,
  device_code = function() return require "oauth.device" end,
  managed_identity = function() return require("oauth.identity").fetch end,
  token = function() return require "oauth.access_token" end,
  workload_identity = function() return require "oauth.federated" end,
}

--- Get a token for another service than Graph, as an application. The token goes to the origin of the peer only. Waits.
---@param peer profile.peer with a scope in its credential
---@param kept_for_peer table what is kept between the tokens for this peer
---@return host.oauth.token
function M.token_for_peer(peer, kept_for_peer)
  local profile = profiles.current()
  local settings = setmetatable({
    graph = peer.url, scope = peer.credential.scope, sign_in = peer.credential.sign_in or profile.sign_in,
  }, { __index = profile })
  local method = settings.sign_in.method
  if method ~= "browser" and method ~= "device_code" and method ~= "token" then
    return WAYS[method]()(settings, kept_for_peer, {})
  end
  fail.raise {
    kind = "config", what = ("get a token for the peer '%s'"):format(peer.name),
    why = ("the profile signs in as a person (method = \"%s\"), and a token for another service is asked for as an "
      .. "application"):format(method),
    fix = ("Name an application beside the scope: peers = { %s = { credential = { scope = …, sign_in = { method = "
      .. "\"certificate\", client_id = \"…\", certificate = { path = \"…\" } } } } }."):format(hint.key(peer.name)),
  }
end

-- Get a token with a refresh token. The kept one is tried before ours, because another process may have renewed it. Nil
-- when there is none.
local function renewed(settings)
  local function exchange(refresh_token, withheld) return by_refresh(settings, refresh_token, withheld) end
  local token, over
  if keeper then token, over = keeper.renew(exchange) end
  if token or over then return token end
  return held and held.refresh_token and exchange(held.refresh_token, held.withheld)
end

local function fetch(settings)
  local token = renewed(settings)
  if token then return token end
  local way = WAYS[settings.sign_in.method]
  if way then
    token = note_withheld(way()(settings, kept, scopes), ask.user_scope(settings, scopes))
    if keeper and token.refresh_token then keeper.keep(token) end
    return token
  end
  fail.raise {
    kind = "config", what = ("sign in to '%s'"):format(settings.tenant),
    why = ("the profile's sign_in.method is '%s'"):format(tostring(settings.sign_in.method)),
    fix = "Use \"browser\" or \"device_code\" for a person; \"certificate\", \"workload_identity\", "
      .. "\"managed_identity\" or \"client_secret\" for an application.",
  }
end

---------------------------------------------------------------------------
-- The token in use

local function split(text)
  local list = {}
  for word in (text or ""):gmatch("%S+") do list[#list + 1] = word end
  return list
end

local function list_of(value)
  return type(value) == "table" and value or {}
end

-- The directory roles among the claims; tokens also list an id that is none.
local function directory_roles(claims)
  local list = {}
  for _, id in ipairs(list_of(claims.wids)) do
    if not microsoft_ids.not_roles[id] then list[#list + 1] = id end
  end
  return list
end

---@return oauth.principal
local function principal_of(claims)
  local is_user = type(claims.scp) == "string" and claims.idtyp ~= "app"
  return {
    name = claims.upn or claims.unique_name or claims.app_displayname or claims.appid or "?",
    oid = claims.oid, appid = claims.appid, tenant = claims.tid, kind = is_user and "user" or "app",
    scopes = is_user and split(claims.scp) or {}, roles = list_of(claims.roles), wids = directory_roles(claims),
  }
end

--- The moment from which a token that was just made is renewed.
---@param token host.oauth.token
---@return number
function M.renewal_moment(token)
  local early = token.final and 0 or math.min(EARLY, token.expires_in / 2)
  return time.now() + token.expires_in - early
end

local function hold(token)
  held = {
    credential = token.credential, claims = token.claims, renew_at = M.renewal_moment(token),
    ends = time.now() + token.expires_in,
    refresh_token = token.refresh_token or held and held.refresh_token, -- not every answer has a new one
    withheld = token.withheld,
  }
end

local function is_fresh()
  return held and time.now() < held.renew_at
end

-- Get a new token, once for all tasks that ask for one now.
local renew = single_flight.wrap(function() hold(fetch(signed)) end)

---------------------------------------------------------------------------
-- Interface

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

--- Keep sign-ins there from now on (nil: nowhere). An access token is used only after the refresh token that came with
--- it is durable.
---@param new oauth.keeper?
function M.keep(new)
  keeper = new
end

--- Tell a person who is about to sign in what the consent page asks for, and for which client, where it asks for more
--- than somebody consented to before.
---@param settings profile
---@param consented string[]? the scopes that an earlier sign-in had
function M.announce(settings, consented)
  local before, new = sets.of(consented or {}), {}
  for _, one in ipairs(scopes) do
    if not before[one] then new[#new + 1] = one end
  end
  if #new == 0 then return end
  local client_id = settings.sign_in.client_id
  local client = microsoft_ids.clients[client_id]
  log.instruct(("Signing in to '%s' through %s. On first use its consent page asks for:")
    :format(settings.tenant, client and ("'%s'"):format(client) or "the application " .. client_id))
  log.instruct("  " .. table.concat(new, ", "))
end

--- Sign in as the profile says. Returns the principal. Waits.
---@param settings profile
---@return oauth.principal
function M.sign_in(settings)
  signed, held, kept = settings, nil, {}
  renew()
  return principal_of(held.claims)
end

--- Forget the token and the principal.
function M.sign_out()
  signed, held, kept = nil, nil, {}
end

--- The principal of the token at hand; nil before a sign-in. Never waits.
---@return oauth.principal|nil
function M.signed_in()
  return held and principal_of(held.claims)
end

--- The credential for Graph. Signs in or renews first, when needed; then it waits.
---@return host.credential
function M.credential()
  signed = signed or profiles.current()
  while not is_fresh() do renew() end
  return held.credential
end

--- The claims of the token in use. They are read, not verified: Graph decides.
---@return table
function M.claims()
  M.credential()
  return held.claims
end

--- The principal of the token in use. Waits when there is none.
---@return oauth.principal
function M.principal()
  return principal_of(M.claims())
end

--- When the token in use expires. One that can be renewed is renewed before.
---@return number
function M.expires()
  M.credential()
  return held.ends
end

--- Get a new token now: after a 401, or when a permission was granted a moment ago. Does nothing when another
--- credential than the one that was refused is in use already. Waits.
---@param refused host.credential?
function M.renew(refused)
  signed = signed or profiles.current()
  if refused and held and held.credential ~= refused then return end
  renew()
end

-- The request by which a certificate's key, or a secret, signs in.
local function proving(settings, client_id, proof)
  if secret.is(proof) then
    return native_oauth.client_secret(ask.authority(settings), client_id, proof, ask.app_scope(settings))
  end
  local assertion = require "oauth.assertion"
  return assertion.request(settings, client_id, proof, assertion.header(proof:describe()))
end

-- Send one request, on a connection of its own.
local function try(client_id, proof)
  local settings = signed or profiles.current()
  return ask.once(ask.for_application(settings, ("prove a credential of application %s"):format(client_id), function()
    local request = proving(settings, client_id, proof)
    request:set_fresh()
    return request
  end))
end

--- Does this client secret, or this key with its certificate, sign the application in? Waits.
---@param client_id string
---@param proof host.secret|host.crypto.key
---@return { claims: table }|nil proof, table? failure with kind, error, code, message
function M.prove(client_id, proof)
  local token, failure = try(client_id, proof)
  if not token then return nil, failure end
  token.credential:close()
  return { claims = token.claims }
end

--- A credential for Graph of another application than the signed-in one, for single calls. Raises a failure when the
--- sign-in fails. Waits.
---@param client_id string
---@param proof host.secret|host.crypto.key
---@return { credential: host.credential, claims: table }
function M.application(client_id, proof)
  local token, failure = try(client_id, proof)
  if token then return token end
  return ask.raise(("sign in as application %s"):format(client_id), failure)
end

--- The tenant's GUID, by discovery; asked for once. Waits.
---@param settings profile? the current one by default
---@return string
function M.tenant(settings)
  return discovery.tenant(settings or signed or profiles.current())
end

return M
