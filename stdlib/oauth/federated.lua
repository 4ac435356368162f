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
    fix = "Correct `token_file` in sign_in of the profile, or have the platform mount the token there.",
  }
end

---@type oauth.way
return function(settings)
  local authority, sign_in = ask.authority(settings), settings.sign_in
  return ask.ask(ask.as_application(settings), function()
    local assertion = read(sign_in.token_file)
    return native_oauth.client_assertion(authority, sign_in.client_id, assertion, ask.app_scope(settings))
  end, native_oauth.judge_token, settings.graph)
end
