--- Sign in as an application with a token of another issuer (workload identity federation). The platform renews the
--- token's file, so it is read each time.

local ask = require "oauth.ask"
local fail = require "fail"
local native_oauth = require "host.oauth"
local sys = require "host.sys"

local function read(path)
  local token, message = sys.read_secret(path, "platform")
  if token then return token end
  fail.raise {
    kind = "config", what = "read the workload's token from " .. path, why = message,
    fix = "Check `token_file` in the profile's sign_in, and that the token is mounted there.",
  }
end

---@type oauth.way
return function(settings)
  local authority, sign_in = ask.authority(settings), settings.sign_in
  return ask.ask(ask.for_application(settings, ask.as_application(settings), function()
    local assertion = read(sign_in.token_file)
    return native_oauth.client_assertion(authority, sign_in.client_id, assertion, ask.app_scope(settings))
  end))
end
