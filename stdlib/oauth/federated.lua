--- Sign in as an application with a token of another issuer (workload identity federation). The platform renews the
--- token's file, so it is read each time.

local ask = require "oauth.ask"
local fail = require "fail"
local native_oauth = require "host.oauth"
local sys = require "host.sys"
local time = require "time"

local function read(path)
  local token, message = sys.read_secret(path, "platform")
  if token then return token end
  fail.raise {
    kind = "config", what = "read the workload's token from " .. path, why = message,
    fix = "Correct `token_file` in sign_in of the profile, or have the platform mount the token there.",
  }
end

-- Of a token that expired Entra only says that it is not valid at this time, of which a wrong clock may be the reason,
-- too. The token's own claim tells the two apart. This computer's clock may be a little fast, so a token that expired a
-- moment ago is sent.
local SKEW = 300 -- seconds

local function check_not_expired(token, path)
  local expiry, now = native_oauth.expiry(token), time.now()
  if not expiry or now - expiry <= SKEW then return end
  fail.raise {
    kind = "config", what = "use the workload's token from " .. path,
    why = ("it expired at %s, %s ago by this computer's clock"):format(time.iso(expiry), time.span(now - expiry)),
    fix = "The platform has to renew the file (Kubernetes: a projected service account token). Check that `token_file` "
      .. "is that mount and not a copy of it.",
  }
end

---@type oauth.way
return function(settings)
  local authority, sign_in = ask.authority(settings), settings.sign_in
  return ask.ask(ask.for_application(settings, ask.as_application(settings), function()
    local assertion = read(sign_in.token_file)
    check_not_expired(assertion, sign_in.token_file)
    return native_oauth.client_assertion(authority, sign_in.client_id, assertion, ask.app_scope(settings))
  end))
end
