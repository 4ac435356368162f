--- Sign in as an application with a certificate and its key. They are in a file: in clear, or sealed with the profile's
--- key, as `setup/rotator` leaves them.

local ask = require "oauth.ask"
local assertion = require "oauth.assertion"
local certificate_source = require "oauth.certificate_source"
local log = require "log"
local sys = require "host.sys"
local time = require "time"

local SOON = 14 * 86400 -- seconds before its expiry date from which a certificate causes a warning

-- Check the dates. Entra refuses an expired certificate too, with a less helpful text.
local function check_dates(source, about)
  local now = time.now()
  if about.not_before and now < about.not_before then
    certificate_source.refuse(source, "it is not valid before " .. time.iso(about.not_before),
      "Set this computer's clock right; or use the certificate from that moment on.")
  elseif about.not_after and now >= about.not_after then
    certificate_source.refuse(source, "it expired on " .. time.iso(about.not_after), certificate_source.HOW_TO_MAKE)
  elseif about.not_after and about.not_after - now < SOON then
    log.warn(("the certificate %s expires in %s, on %s"):format(source.path, time.span(about.not_after - now),
      time.iso(about.not_after)))
  end
end

local function open(settings, source)
  local key = certificate_source.read(settings)
  local about = key:describe()
  check_dates(source, about)
  return key, assertion.header(about)
end

-- Read the file again when it changed: a certificate is renewed while a service runs.
local function refresh(settings, kept)
  local source = settings.sign_in.certificate
  local path = certificate_source.paths(settings)
  local stat = sys.stat(path, true)
  local stamp = stat and ("%s %s %s"):format(path, stat.modified, stat.size)
  if kept.key and (not stamp or stamp == kept.stamp) then return end
  kept.key, kept.header = open(settings, source)
  kept.stamp = stamp
end

---@type oauth.way
return function(settings, kept)
  refresh(settings, kept)
  return ask.ask(ask.for_application(settings, ask.as_application(settings), function()
    return assertion.request(settings, settings.sign_in.client_id, kept.key, kept.header)
  end))
end
