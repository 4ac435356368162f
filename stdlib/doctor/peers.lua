--- Ask the services at the profile's addresses whether they answer, and whether they are the right services.

local explain = require "explain.cause"
local fail = require "fail"
local http = require "http.client"
local native_devolutions = require "host.devolutions"
local native_graph = require "host.graph"
local native_oauth = require "host.oauth"
local retry = require "http.retry"
local time = require "time"

local M = {}

local WAIT = 10 -- seconds

---@class doctor.peer
---@field base string
---@field status integer
---@field ahead number? how far its clock is ahead of ours, in seconds
---@field took number seconds

local MONTHS = {}
for place, name in ipairs { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" } do
  MONTHS[name] = place
end

--- Parse an HTTP date, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), to seconds; nil for any other text.
---@param text string?
---@return number?
function M.parse_http_date(text)
  local day, month, year, clock = (text or ""):match("^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d) GMT$")
  return day and MONTHS[month] and time.parse(("%s-%02d-%sT%sZ"):format(year, MONTHS[month], day, clock)) or nil
end

local function raise_peer_not_reached(who, base, failure)
  local reason = explain.graph(failure)
  fail.raise {
    kind = "network", what = ("reach %s at %s"):format(who, base),
    why = reason.cause and ("%s (%s)"):format(reason.cause, failure.message) or failure.message,
    fix = reason.fix, cause = failure,
  }
end

-- Send one request without a credential. For the difference of the clocks, the server's date is taken to be of the
-- middle of the round trip. Requests that are also made to sign in are sent with Moonlatch's own rights, the request to
-- Graph with the script's.
local function ask_peer(who, base, request)
  local sent, now = time.monotonic(), time.now()
  local answer <close>, message, kind = http.send(request, nil,
    { timeout = WAIT, note = "reach " .. who, own = request:peer() ~= "graph" })
  if not answer then raise_peer_not_reached(who, base, retry.transport_failure(message, kind)) end
  local took = time.monotonic() - sent
  local date = M.parse_http_date(answer:header "date")
  return {
    base = base, status = answer:status(), took = took, ahead = date and date + 0.5 - (now + took / 2) or nil,
    type = answer:header "content-type" or "",
  }
end

local function raise_wrong_peer(who, peer, how)
  fail.raise {
    kind = "config", what = ("find %s at %s"):format(who, peer.base),
    why = ("another service answers there (HTTP %d, %s)"):format(peer.status, peer.type),
    fix = how, cause = { message = "status " .. peer.status },
  }
end

local CLOUD = "Check `cloud` in the profile: the login and Graph addresses have to be those of the tenant's cloud."

--- Ask the login service. Raises a failure when nothing answers, or another service does. Waits.
---@param profile profile
---@return doctor.peer
function M.login(profile)
  local who = "the login service"
  local peer = ask_peer(who, profile.login, native_oauth.discovery(profile.login .. "/" .. profile.tenant))
  if peer.status >= 500 then return peer end
  if (peer.status ~= 200 and peer.status ~= 400) or not peer.type:find("json", 1, true) then
    raise_wrong_peer(who, peer, CLOUD)
  end
  return peer
end

--- Ask Graph, which refuses a request without a token. Waits.
---@param profile profile
---@return doctor.peer
function M.graph(profile)
  local peer = ask_peer("Graph", profile.graph, native_graph.request(profile.graph, "GET", "/organization"))
  if peer.status < 500 and peer.status ~= 401 then raise_wrong_peer("Graph", peer, CLOUD) end
  return peer
end

--- Ask Devolutions Server. Waits.
---@param devolutions table the profile's
---@return doctor.peer
function M.devolutions(devolutions)
  local who = "Devolutions Server"
  local peer = ask_peer(who, devolutions.server,
    native_devolutions.request(devolutions.server, "GET", "/api/public-instance-information"))
  if peer.status < 500 and peer.status ~= 200 then
    raise_wrong_peer(who, peer, "Check `server` under devolutions in the profile, with the path of the instance.")
  end
  return peer
end

return M
