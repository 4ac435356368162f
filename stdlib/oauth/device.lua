--- Sign a person in on another device, with a code that is shown here (RFC 8628).

local ask = require "oauth.ask"
local desktop = require "http.desktop"
local kinds = require "fail.kinds"
local log = require "log"
local native_oauth = require "host.oauth"
local task = require "task"
local time = require "time"

local EXPIRED = 70020 -- AADSTS number of an expired code

-- A policy against device codes refuses at the page only: the program goes on waiting (Azure/azure-cli issue 32420).
local BLOCKED_AFTER = 60 -- seconds
local BLOCKED = "Still waiting for you to sign in. If the page says that you do not have access (53003), a Conditional"
  .. " Access policy blocks device codes: stop this with Ctrl-C, and sign in with method = \"browser\", or as an"
  .. " application."

local LOOK = 0.2 -- seconds between two looks for the Enter key
local BY_ITSELF = "   (an emulator: it signs in by itself, unless --approve says none)"
local OPENS_PAGE = "Press Enter to open that page in your browser.\n"

-- Wait, and open the page when the person asks for it.
local function pause(seconds, offer)
  if not offer then return task.sleep(seconds) end
  local ends = time.now() + seconds
  repeat
    task.sleep(LOOK)
    offer:look()
  until time.now() >= ends
end

-- Ask until the person has signed in, as often as the service allows (RFC 8628, 3.5).
local function await_person(settings, code, offer)
  local what = ("sign in to '%s' with a device code"):format(settings.tenant)
  local interval, ends = code.interval, time.now() + code.expires_in
  local question = ask.for_token(settings, what, function()
    return native_oauth.device_token(ask.authority(settings), settings.sign_in.client_id, code.device_code)
  end)
  local hint = time.now() + BLOCKED_AFTER
  repeat
    pause(interval, offer)
    if hint and time.now() >= hint then
      log.instruct(BLOCKED)
      hint = nil
    end
    local token, failure = ask.once(question)
    if token then return token end
    if failure.error == "slow_down" then interval = interval + 5 end
    if failure.kind ~= "pending" and not kinds.of(failure.kind).passes_by_itself then ask.raise(what, failure) end
    if failure.retry_after and time.now() + failure.retry_after >= ends then
      failure.again = time.now() + failure.retry_after
      ask.raise(what, failure)
    end
    interval = math.max(interval, failure.retry_after or 0)
  until time.now() >= ends
  ask.raise(what, { kind = "person", code = EXPIRED, error = "expired_token",
    message = "the time of the code is over" })
end

---@type oauth.way
return function(settings, _, scopes)
  local client_id, scope = settings.sign_in.client_id, ask.user_scope(settings, scopes)
  local code = ask.ask {
    what = ("ask '%s' for a device code"):format(settings.tenant), judge = native_oauth.judge_device_code,
    build = function() return native_oauth.device_code(ask.authority(settings), client_id, scope) end,
  }
  local is_emulator = settings.kind == "emulator"
  log.instruct(("To sign in, open %s and enter this code:\n\n    %s%s\n"):format(code.verification_uri, code.user_code,
    is_emulator and BY_ITSELF or ""))
  local offer <close> = not is_emulator and desktop.offer(code.verification_uri) or nil
  if offer then log.instruct(OPENS_PAGE) end
  local token = await_person(settings, code, offer)
  code.device_code:close() -- used once; on failure it stays registered, so that logs mask it
  return token
end
