--- Sign in as an application with its client secret: in the form, or in a Basic header.

local ask = require "oauth.ask"
local native_oauth = require "host.oauth"
local profiles = require "profile.current"

---@type oauth.way
return function(settings, kept)
  local sign_in, authority = settings.sign_in, ask.authority(settings)
  local client_id, scope = sign_in.client_id, ask.app_scope(settings)
  kept.secret = kept.secret or profiles.secret(sign_in.secret, "the client secret to sign in with")
  return ask.ask(ask.for_application(settings, ask.as_application(settings), function()
    if sign_in.client_auth == "basic" then
      local credential = native_oauth.basic(authority, client_id, kept.secret)
      return native_oauth.client_secret(authority, client_id, nil, scope), credential
    end
    return native_oauth.client_secret(authority, client_id, kept.secret, scope)
  end))
end
