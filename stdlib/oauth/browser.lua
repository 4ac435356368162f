--- Sign a person in in a browser on this computer. The browser then comes back to a page of ours on loopback:
--- authorization code with PKCE (RFC 6749, 7636, 8252).
---
--- While the program waits for the browser, it looks at the page and at its other requests in turn. The page accepts a
--- request only with the state of this sign-in, only under a loopback name, and only from the user who is at the
--- terminal. Other users can read in the list of processes which page was opened; if one of them signed in there, we
--- would work as that person.
-- opened: whoever signed in there would have us work as them.

local ask = require "oauth.ask"
local crypto = require "host.crypto"
local desktop = require "http.desktop"
local fail = require "fail"
local http = require "http.client"
local log = require "log"
local login_codes = require "explain.login_codes"
local native_oauth = require "host.oauth"
local neighbour = require "http.neighbour"
local sign_in_page = require "oauth.sign_in_page"
local task = require "task"
local time = require "time"

local PATIENCE = 900 -- seconds that a person has, as with a device code
local LOOK = 0.02 -- seconds between two looks while other requests run
local BLOCK = 50 -- milliseconds to wait for the browser when nothing else runs

local BY_SSH = "You are here by ssh: have your own computer lead there (ssh -L %s:localhost:%s …), or set "
  .. 'method = "device_code" in the profile.'

local NAMES = { ["localhost"] = true, ["127.0.0.1"] = true, ["[::1]"] = true }

---@class oauth.browser.visit
---@field server host.httpd.server
---@field redirect string the address to which the browser comes back, with its port
---@field path string the path of that address
---@field start string path of the page that leads to the sign-in
---@field state string
---@field page string address of the sign-in page
---@field person http.neighbour the user who may sign in here

local function refuse_port(port, message)
  fail.raise {
    kind = "config", what = "wait for the browser on this computer", why = message,
    fix = port ~= 0 and 'Name another port in the profile, sign_in = { redirect = "http://localhost:PORT" }; or write '
      .. 'no port, for any free one.' or "Close programs that use many ports, then run the same command again.",
  }
end

-- Listen on both address families where there are both: "localhost" may be either.
local function listen(server, port)
  local found, message = server:listen("127.0.0.1", port)
  if not found then refuse_port(port, message) end
  server:listen("::1", found)
  return found
end

local function open(settings, person)
  local host, port, path = settings.sign_in.redirect:match("^http://([^:/]+):?(%d*)(.*)$")
  local server = neighbour.server(person)
  local found = listen(server, tonumber(port) or 0)
  return setmetatable({
    server = server, path = path == "" and "/" or path, redirect = ("http://%s:%d%s"):format(host, found, path),
    start = "/sign-in/" .. crypto.base64url(crypto.random(12)), state = crypto.base64url(crypto.random(24)),
    person = person,
  }, { __close = function() server:close() end })
end

local function show(incoming, status, text, headers)
  local all = sign_in_page.headers()
  for name, value in pairs(headers or {}) do all[name] = value end
  incoming:reply(status, all, text)
end

-- Was the page asked for under its own name? A page of somebody else may use another name that leads here.
local function is_ours(visit, incoming)
  if not neighbour.sent(visit.person, incoming) then return false end
  local host = (incoming:header("host") or ""):lower():gsub(":%d+$", "")
  return NAMES[host] == true and incoming:method() == "GET"
end

-- Take the answer of the sign-in page from this request; any other request is answered here.
local function take(visit, incoming)
  if not is_ours(visit, incoming) then return show(incoming, 403, sign_in_page.stranger()) end
  if incoming:path() == visit.start then return show(incoming, 302, "", { Location = visit.page }) end
  if incoming:path() ~= visit.path then return show(incoming, 404, sign_in_page.nothing()) end
  local fields = incoming:arguments()
  if fields.state ~= visit.state then return show(incoming, 400, sign_in_page.another()) end
  if not fields.code and not fields.error then return show(incoming, 400, sign_in_page.another()) end
  return fields
end

-- Look once at the page, then let other tasks run.
local function look(visit)
  local busy = http.running() > 0
  for _, incoming in ipairs(visit.server:poll(busy and 0 or BLOCK)) do
    local fields = take(visit, incoming)
    if fields then return fields, incoming end
  end
  task.sleep(LOOK)
end

local function await_browser(visit, what)
  local ends = time.monotonic() + PATIENCE
  repeat
    local fields, incoming = look(visit)
    if fields then return fields, incoming end
  until time.monotonic() >= ends
  fail.raise {
    kind = "person", what = what, why = "nobody signed in within 15 minutes", fix = "Run the command again.",
  }
end

-- The error in the page's address, in the form in which host.oauth gives errors of the token endpoint. Its text comes
-- from outside.
local function failure_of(fields)
  local words = (fields.error_description or ""):gsub("%c.*", ""):gsub(" Trace ID:.*", ""):sub(1, 500)
  return {
    error = fields.error, suberror = fields.error_subcode, code = login_codes.choose(nil, words),
    message = words ~= "" and words or fields.error,
    kind = fields.error == "access_denied" and "person" or "auth",
  }
end

-- Exchange the code for a token. A code works once, so a lost answer is not asked for again.
local function redeem(settings, what, fields, visit, verifier, scope)
  if fields.error then return nil, failure_of(fields) end
  local authority, client_id = ask.authority(settings), settings.sign_in.client_id
  return ask.once(ask.for_token(settings, what, function()
    return native_oauth.code(authority, client_id, fields.code, visit.redirect, verifier, scope)
  end))
end

-- Show the address in any case: no browser may open, or the person may use another one.
local function invite(settings, visit)
  local url = visit.redirect:match("^http://[^/]+") .. visit.start
  local opened = settings.sign_in.open ~= false and desktop.open(url)
  log.instruct((opened and "Your browser opens to sign you in. If it does not, open this page on this computer: "
    or "To sign in, open this page in a browser on this computer: ") .. url)
  local port = url:match(":(%d+)/")
  if not opened and desktop.is_remote() then log.instruct(BY_SSH:format(port, port)) end
end

---@type oauth.way
return function(settings, _, scopes)
  local what = ("sign in to '%s' in the browser"):format(settings.tenant)
  local scope, verifier, challenge = ask.user_scope(settings, scopes), native_oauth.pkce()
  local visit <close> = open(settings, neighbour.person(what))
  visit.page = native_oauth.authorize(ask.authority(settings), settings.sign_in.client_id, visit.redirect, scope,
    visit.state, challenge, settings.sign_in.login_hint)
  invite(settings, visit)
  local fields, incoming = await_browser(visit, what)
  local token, failure = redeem(settings, what, fields, visit, verifier, scope)
  if token then
    verifier:close() -- used once, like the code
    fields.code:close()
    show(incoming, 200, sign_in_page.done())
    return token
  end
  show(incoming, 200, sign_in_page.failed(failure.message))
  ask.raise(what, failure, "The sign-in page")
end
