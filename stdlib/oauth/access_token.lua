--- Sign in with an access token that another tool got, handed in on standard input or a file descriptor. It cannot be
--- renewed here, so its permissions and its expiry are checked at once.

local ask = require "oauth.ask"
local discovery = require "oauth.discovery"
local fail = require "fail"
local log = require "log"
local microsoft_ids = require "base.microsoft_ids"
local native_oauth = require "host.oauth"
local sys = require "host.sys"
local term = require "host.term"
local time = require "time"

local STANDARD_INPUT = 0

local WHAT = "use the access token that was handed in"

local function refuse(kind, why, fix)
  fail.raise { kind = kind, what = WHAT, why = why, fix = fix }
end

local ANOTHER = "Hand in a token for Graph of this tenant: az account get-access-token --tenant TENANT --resource-type "
  .. "ms-graph --query accessToken -o tsv | moonlatch …"

local function read(source)
  local fd = source.from == "fd" and source.fd or STANDARD_INPUT
  if source.from == "stdin" and term.is_terminal("in") then
    refuse("usage", "standard input is a terminal",
      "Pipe it in: az account get-access-token --resource-type ms-graph --query accessToken -o tsv | moonlatch …")
  end
  local token, message = sys.read_secret_fd(fd)
  if token then return token end
  refuse("config", message, "Have the program that starts Moonlatch open it and write the token there.")
end

local function check_audience(settings, claims)
  local aud, resource = claims.aud, ask.resource(settings)
  if aud == microsoft_ids.GRAPH or aud == resource or aud == resource .. "/" then return end
  refuse("config", ("it is for %s, not for %s"):format(tostring(aud or "an unknown API"), resource), ANOTHER)
end

local function check_tenant(settings, claims)
  local tenant, tid = discovery.tenant(settings), tostring(claims.tid)
  if tid == tenant then return end
  refuse("config", ("it is of tenant %s, but '%s' is %s"):format(tid, settings.tenant, tenant), ANOTHER)
end

local function permissions(claims)
  local held = {}
  for scope in (type(claims.scp) == "string" and claims.scp or ""):gmatch("%S+") do held[scope] = true end
  for _, role in ipairs(type(claims.roles) == "table" and claims.roles or {}) do held[role] = true end
  return held
end

local READ = "%.Read%f[%A]" -- "User.Read.All" and "User.Read", not "User.ReadWrite.All"

-- X.ReadWrite.All covers X.Read.All.
local function covers(held, scope)
  return held[scope] or held[(scope:gsub(READ, ".ReadWrite"))]
end

-- Missing read permissions only warn; missing write permissions stop before any change.
local function check_permissions(claims, scopes)
  local held, reads, changes = permissions(claims), {}, {}
  for _, scope in ipairs(scopes) do
    local list = scope:find(READ) and reads or changes
    if not covers(held, scope) then list[#list + 1] = scope end
  end
  if #changes > 0 then
    refuse("denied", "it does not carry " .. table.concat(changes, ", "),
      "Hand in one that does, or let the profile sign in: method = \"browser\" or \"device_code\".")
  end
  if #reads > 0 then
    log.warn("the access token that was handed in does not carry " .. table.concat(reads, ", ")
      .. "; what needs it will not be checked, or fail")
  end
end

---@type oauth.way
return function(settings, kept, scopes)
  if kept.given then
    refuse("auth", "it has expired or is not accepted any more, and it cannot be renewed here",
      "Run the command again with a new one: it goes on where it stopped.")
  end
  local token, why = native_oauth.given(read(settings.sign_in.token), settings.graph, time.now())
  if not token then refuse("config", why, ANOTHER) end
  check_audience(settings, token.claims)
  check_tenant(settings, token.claims)
  check_permissions(token.claims, scopes)
  kept.given, token.final = true, true
  return token
end
