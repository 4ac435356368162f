--- Sign in as the managed identity of the Azure machine or service on which this runs.
---
--- The endpoint of a machine has a link-local address; that of App Service and Container Apps is in the environment.
--- The gate lets these two be asked over plain HTTP, and nothing else (Microsoft Learn: how-to-use-vm-token,
--- overview-managed-identity of App Service).

local ask = require "oauth.ask"
local fail = require "fail"
local kinds = require "fail.kinds"
local native_oauth = require "host.oauth"
local sys = require "host.sys"
local task = require "task"
local time = require "time"

local M = {}

local MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
local WAITS = { 2, 6, 14, 30 } -- seconds between tries (how-to-use-vm-token, "Retry guidance")
local UPDATING = 70 -- seconds until an endpoint that answers 410 works again

local header ---@type host.secret? proves to the service's endpoint that we run in it

-- The secret header. Reading it removes it from the environment, so it is read once.
local function service_header()
  header = header or sys.take_env("IDENTITY_HEADER")
  return header
end

---@class oauth.identity.endpoint
---@field url string
---@field header host.secret? for App Service and Container Apps; a machine's endpoint needs none

--- The endpoint. A profile may name its address for an emulator only.
---@param settings profile
---@return oauth.identity.endpoint
function M.endpoint(settings)
  local service = service_header() and (settings.sign_in.endpoint or sys.getenv("IDENTITY_ENDPOINT"))
  if service then return { url = service, header = header } end
  return { url = settings.sign_in.endpoint or MACHINE }
end

--- What the gate must allow: the origin, and the path of the GET.
---@param settings profile
---@return string origin, string path
function M.place(settings)
  local url = M.endpoint(settings).url
  local origin, path = url:match("^(%a+://[^/?#]+)(/[^?#]*)$")
  if origin then return origin, path end
  fail.raise {
    kind = "config", what = "find the managed identity's endpoint", why = ("'%s' is not the address of such an "
      .. "endpoint"):format(url),
    fix = "Unset the environment variable IDENTITY_ENDPOINT: App Service and Container Apps set it themselves.",
  }
end

-- Name one of several identities, in the words of the endpoint.
local function which(sign_in, endpoint)
  local resource_name = endpoint.header and "mi_res_id" or "msi_res_id"
  return { client_id = sign_in.client_id, object_id = sign_in.object_id, [resource_name] = sign_in.resource_id }
end

local LONGEST = 180 -- seconds that the endpoint may ask us to wait; a longer wait is left to a person

local function build(settings)
  local endpoint, resource = M.endpoint(settings), ask.resource(settings)
  local asked = which(settings.sign_in, endpoint)
  if not endpoint.header then return native_oauth.machine(endpoint.url, resource, asked) end
  local credential = native_oauth.service_credential(endpoint.url, endpoint.header)
  return native_oauth.service(endpoint.url, resource, asked), credential
end

-- Seconds until the next try; nil for no more tries. Where nothing listens, there is no identity.
local function patience(failure, tries)
  if failure.transport and not failure.maybe_sent then return tries == 1 and 1 or nil end
  local is_passing = kinds.of(failure.kind).passes_by_itself or failure.status == 404 or failure.status == 410
    or failure.transport == "timeout" or failure.transport == "cut"
  if not is_passing or not WAITS[tries] then return nil end
  local least = failure.status == 410 and tries == #WAITS and UPDATING - WAITS[1] - WAITS[2] - WAITS[3] or 0
  if (failure.retry_after or 0) > LONGEST then
    failure.again = time.now() + failure.retry_after
    return nil
  end
  return math.max(WAITS[tries], failure.retry_after or 0, least)
end

local function raise(what, failure)
  local explain = require "explain.cause" -- loaded only when something fails
  local reason = explain.identity(failure)
  if not reason then ask.raise(what, failure, "The endpoint") end
  fail.raise {
    kind = failure.kind, what = what, why = explain.why(reason, failure, failure.message, "The endpoint"),
    fix = reason.fix, resumes = reason.resumes, status = failure.status, code = failure.error, cause = failure,
  }
end

--- Get a token for the identity of this machine.
---@type oauth.way
function M.fetch(settings)
  local what = ("sign in to '%s' with the managed identity"):format(settings.tenant)
  local tries = 0
  while true do
    tries = tries + 1
    local token, failure = ask.once {
      what = what, application = true, build = function() return build(settings) end,
      judge = function(answer) return native_oauth.judge_identity(answer, settings.graph, time.now()) end,
    }
    if token then return token end
    local wait = patience(failure, tries)
    if not wait then raise(what, failure) end
    task.sleep(wait)
  end
end

return M
