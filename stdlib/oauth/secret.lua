--- Sign in as an application with its client secret: in the form, or in a Basic header.

local ask = require "oauth.ask"
local native = require "host.oauth"
local profile = require "profile.current"

---@type oauth.way
return function(settings, kept)
  local sign_in, authority = settings.sign_in, ask.authority(settings)
  local client_id, scope = sign_in.client_id, ask.app_scope(settings)
  kept.secret = kept.secret or profile.secret(sign_in.secret, "the client secret to sign in with")
  return ask.ask(ask.as_application(settings), function()
    if sign_in.client_auth ~= "basic" then return native.client_secret(authority, client_id, kept.secret, scope) end
    return native.client_secret(authority, client_id, nil, scope), native.basic(authority, client_id, kept.secret)
  end, native.judge_token, settings.graph)
end
