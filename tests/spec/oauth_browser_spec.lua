--- Signing in in a browser, played by curl: the page of ours that the browser comes back to.

local contoso = require "contoso"
local crypto = require "host.crypto"
local curl = require "curl"
local httpd = require "host.httpd"
local json = require "host.json"
local log = require "log"
local oauth = require "oauth.sign_in"
local sys = require "host.sys"
local task = require "task"

local PERSON = ("e30.%s.c2ln"):format(crypto.base64url(json.encode {
  oid = "o-2", upn = "ann@contoso.com", tid = "t-1", scp = "User.Read.All",
}))

-- A browser: opens the page it is told, then goes where the words after it say, with the state it was given.
local BROWSER = [[
page=$($AS curl -sS -o /dev/null -w '%{redirect_url}' "$1")
state=$(printf %s "$page" | sed 's/.*[?&]state=\([^&]*\).*/\1/')
port=$(printf %s "$1" | sed 's|.*:\([0-9]*\)/.*|\1|')
printf '%s\n' "$page"
shift
for visit in "$@"; do
  eval "curl -sS -D - $visit"
  printf '\n====\n'
done
]]

local tenant, visits, job, shown, first_as

local function run_browser(text)
  local url = text:match("http://%S+")
  if not url then return end
  shown = url
  job = curl.program({ "bash", "-c", BROWSER, "browser", url, table.unpack(visits) }, { AS = first_as })
end

-- Sign in while the browser makes these visits; what the sign-in gives, and what the browser saw.
local function browse(...)
  visits = { ... }
  local ok, result = pcall(tenant.run, tenant, function() return oauth.sign_in(tenant.profile) end)
  local deadline = os.time() + 20
  while not job:done() do assert(os.time() < deadline, "the browser does not end") end
  local out = job:result().out
  job:__close()
  local pages = {}
  for part in (out:match("^[^\n]*\n(.*)$") or ""):gmatch("(.-)\n====\n") do pages[#pages + 1] = part:gsub("\r", "") end
  return ok, result, pages, out:match("^[^\n]*")
end

local BACK = [["http://localhost:$port/?code=the-code-1&state=$state&session_state=x"]]

local function hex(text) return text:gsub("%%(%x%x)", function(pair) return string.char(tonumber(pair, 16)) end) end

describe("oauth in a browser", function()
  local say = log.instruct
  before_each(function()
    tenant = contoso.new { method = "browser", client_id = "public-1", redirect = "http://localhost" }
    tenant.door:on("POST", contoso.TOKEN, contoso.token { access_token = PERSON, refresh_token = "refresh-1" })
    log.instruct = run_browser
    oauth.use_scopes { "User.Read.All" }
  end)
  after_each(function()
    log.instruct = say
    oauth.use_scopes {}
    tenant:close()
  end)

  it("leads to the sign-in page, takes the code and shows a friendly page", function()
    local ok, person, pages, page = browse(BACK)
    assert.is_true(ok, tostring(person))
    assert.equal("ann@contoso.com", person.name)
    local query = {}
    for name, value in page:match("%?(.*)$"):gmatch("([^&=]+)=([^&]*)") do query[name] = hex(value) end
    local redirect = query.redirect_uri
    assert.matches("^http://localhost:%d+$", redirect)
    assert.equal("https://login.example/contoso.onmicrosoft.com/oauth2/v2.0/authorize", page:match("^[^?]*"))
    assert.same({ "public-1", "code", "query", "S256", "offline_access https://graph.example/User.Read.All" },
      { query.client_id, query.response_type, query.response_mode, query.code_challenge_method, query.scope })
    assert.equal(32, #query.state)
    assert.equal(43, #query.code_challenge)
    local request = tenant.door.requests[1]
    assert.equal(("grant_type=authorization_code&client_id=public-1&redirect_uri=%s&scope=%s"
      .. "&code_verifier=[secret]&code=[secret]"):format(
      redirect:gsub(":", "%%3A"):gsub("/", "%%2F"), query.scope:gsub(" ", "%%20"):gsub(":", "%%3A"):gsub("/", "%%2F")),
      request.body)
    assert.matches("^HTTP/1.1 200 OK", pages[1])
    assert.truthy(pages[1]:find("You are signed in", 1, true))
    assert.truthy(pages[1]:find("Content-Security-Policy: default-src 'none'", 1, true))
    assert.truthy(pages[1]:find("Referrer-Policy: no-referrer", 1, true))
    assert.is_nil(pages[1]:find("the-code-1", 1, true))
    assert.not_equal(shown:match("sign%-in/(.*)$"), query.state)
  end)

  it("accepts 127.0.0.1, a path and a port of the profile's", function()
    local port
    do
      local server <close> = httpd.server()
      port = assert(server:listen("127.0.0.1", 0))
    end
    tenant.profile.sign_in.redirect = ("http://127.0.0.1:%d/back"):format(port)
    local ok, person, pages = browse([["http://127.0.0.1:$port/?code=x&state=$state"]],
      [["http://localhost:$port/back?code=the-code-1&state=$state"]])
    assert.is_true(ok, tostring(person))
    assert.matches("^HTTP/1.1 404", pages[1])
    assert.matches("^HTTP/1.1 200", pages[2])
    local redirect = ("redirect_uri=http%%3A%%2F%%2F127.0.0.1%%3A%d%%2Fback"):format(port)
    assert.truthy(tenant.door.requests[1].body:find(redirect, 1, true))
  end)

  it("believes only what carries its state, by a name of this computer", function()
    local ok, person, pages = browse([["http://localhost:$port/?code=evil&state=wrong"]],
      [["http://localhost:$port/?code=evil"]], [["http://localhost:$port/?error=access_denied&state=wrong"]],
      [["http://localhost:$port/?state=$state"]],
      [[-H "Host: evil.example" "http://localhost:$port/?code=e&state=$state"]],
      [[-X POST -d "code=e&state=$state" "http://localhost:$port/"]], [["http://localhost:$port/favicon.ico"]],
      [["http://localhost:$port/sign-in/guess"]], BACK)
    assert.is_true(ok, tostring(person))
    local statuses = {}
    for i, text in ipairs(pages) do statuses[i] = text:match("^HTTP/1.1 (%d+)") end
    assert.same({ "400", "400", "400", "400", "403", "403", "404", "404", "200" }, statuses)
    assert.equal(1, #tenant.door.requests)
  end)

  -- The same visit as another user of this machine.
  local OTHER = "setpriv --reuid=12345 --regid=12345 --clear-groups"
  local AS_OTHER = "--version >/dev/null; " .. OTHER .. " curl -sS -D - %s"

  it("believes the user who sits at the terminal, and no other", function()
    if sys.user() ~= "root" then return pending "only root can visit as another user" end
    local ok, person, pages = browse(AS_OTHER:format(BACK), BACK)
    assert.is_true(ok, tostring(person))
    assert.matches("^HTTP/1.1 403", pages[1])
    assert.truthy(pages[1]:find("This page is for this computer only", 1, true))
    assert.matches("^HTTP/1.1 200", pages[2])
  end)

  it("does not believe root when somebody else sits at the terminal", function()
    if sys.user() ~= "root" then return pending "only root can visit as another user" end
    local sits = stub(sys, "person", function() return 12345, "ann" end)
    first_as = OTHER
    local ok, person, pages = browse(BACK, AS_OTHER:format(BACK))
    first_as = nil
    sits:revert()
    assert.is_true(ok, tostring(person))
    assert.matches("^HTTP/1.1 403", pages[1])
    assert.matches("^HTTP/1.1 200", pages[2])
  end)

  it("is not begun when nobody can tell who sits at the terminal", function()
    local sits = stub(sys, "person", function() return nil, "cannot find the owner of the terminal: fstat failed" end)
    local ok, failure = pcall(tenant.run, tenant, function() return oauth.sign_in(tenant.profile) end)
    sits:revert()
    assert.is_false(ok)
    assert.matches("cannot find the owner of the terminal: fstat failed", tostring(failure), 1, true)
  end)

  it("says why the page refused, in both places, and none of its words are markup", function()
    local ok, err, pages = browse([["http://localhost:$port/?error=access_denied&error_description=AADSTS65004:+no+]]
      .. [[%3Cscript%3Ealert(1)%3C/script%3E%0d%0aTrace+ID:+5&state=$state"]])
    assert.is_false(ok)
    assert.equal("person", err.kind)
    assert.equal("sign in to 'contoso.onmicrosoft.com' in the browser: the person declined to consent"
      .. " (AADSTS65004: no <script>alert(1)</script>)\n"
      .. "Sign in again and accept, or have an administrator grant consent.", tostring(err))
    assert.truthy(pages[1]:find("no &lt;script&gt;alert(1)&lt;/script&gt;<br>", 1, true))
    assert.equal(0, #tenant.door.requests)
  end)

  it("redeems the code once, whatever comes of it", function()
    tenant.door:on("POST", contoso.TOKEN, { nil, "curl's words", "cut", true })
    local ok, err, pages = browse(BACK)
    assert.is_false(ok)
    assert.equal("network", err.kind)
    assert.equal(1, #tenant.door.requests)
    assert.truthy(pages[1]:find("The sign-in did not succeed", 1, true))
    tenant.door:on("POST", contoso.TOKEN, { 400, {}, { error = "invalid_grant", error_codes = { 54005 },
      error_description = "AADSTS54005: used" } })
    ok, err = browse(BACK)
    assert.is_false(ok)
    assert.matches("the code was used already", err.why)
  end)

  it("lets other tasks go on meanwhile", function()
    local ticks = 0
    visits = { BACK }
    tenant:run(function()
      local ticker = task.spawn(function()
        while true do
          task.sleep(0.01)
          ticks = ticks + 1
        end
      end)
      oauth.sign_in(tenant.profile)
      ticker:cancel()
    end)
    repeat until job:done()
    job:__close()
    assert.is_true(ticks > 1, "only " .. ticks)
  end)

  it("says when the port is taken", function()
    local server <close> = httpd.server()
    local port = assert(server:listen("127.0.0.1", 0))
    tenant.profile.sign_in.redirect = ("http://localhost:%d"):format(port)
    local err = tenant:fails(function() oauth.sign_in(tenant.profile) end)
    assert.equal(("wait for the browser on this computer: cannot listen on 127.0.0.1 port %d: Address already in use\n"
      .. "Name another port in the profile, sign_in = { redirect = \"http://localhost:PORT\" }; or write no port, for "
      .. "any free one."):format(port),
      tostring(err))
  end)
end)
