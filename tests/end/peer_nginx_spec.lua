--- nginx as a login service that leads elsewhere, wants a certificate of ours, or
--- speaks HTTP/2: where a client secret goes, and where it does not.

local fail = require "fail"
local fake = require "fake_door"
local http = require "http.client"
local nginx = require "nginx"
local oauth = require "oauth.sign_in"
local peers = require "peers"
local scheduler = require "task.scheduler"
local sys = require "host.sys"
local time_clock = require "time.clock"

local CANARY = "canary-T3rr1ble-s3cret"

local CONFIGURATION = [[
  ssl_certificate FOLDER/cert.pem;
  ssl_certificate_key FOLDER/key.pem;
  ssl_client_certificate FOLDER/ca.pem;
  default_type application/json;
  log_format all '$server_protocol $request_method $request_uri $request_body $http_authorization';
  access_log FOLDER/stolen all;
  server {
    listen 127.0.0.1:LOGIN ssl http2;
    access_log FOLDER/asked all;
    location /other/    { return 307 https://127.0.0.1:TRAP$request_uri; }
    location /found/    { return 302 https://127.0.0.1:TRAP$request_uri; }
    location /plain/    { return 308 http://127.0.0.1:PLAIN$request_uri; }
    location /file/     { return 302 file:///etc/passwd; }
    location /loop/     { return 307 $request_uri; }
    location /refresh/ {
      add_header Refresh "0; url=https://127.0.0.1:TRAP/" always;
      return 401 '{"error":"invalid_client"}';
    }
    location /good/     { return 200 '{"token_type":"Bearer","expires_in":3600,"access_token":"$server_protocol"}'; }
  }
  server { listen 127.0.0.1:TRAP ssl; return 200 '{"token_type":"Bearer","expires_in":3600,"access_token":"x"}'; }
  server { listen 127.0.0.1:PLAIN; return 200 '{"token_type":"Bearer","expires_in":3600,"access_token":"x"}'; }
  server {
    listen 127.0.0.1:STRICT ssl;
    access_log FOLDER/asked all;
    ssl_verify_client on;
    return 200 '{"token_type":"Bearer","expires_in":3600,"access_token":"x"}';
  }
]]

describe("nginx", function()
  if not nginx.is_there() then
    pending("is not there: install nginx-light to be led astray by it")
    return
  end

  local place, child
  local ports = {}

  setup(function()
    place = peers.place()
    place:write("secret", CANARY)
    for _, name in ipairs { "LOGIN", "TRAP", "PLAIN", "STRICT" } do ports[name] = nginx.free_port() end
    child = nginx.run(place.path, CONFIGURATION, ports)
  end)
  teardown(function()
    child:kill("TERM")
    child:close()
    place:__close()
  end)

  local function log_of(name) return assert(sys.read(place.path .. "/" .. name, 1 << 20)) end

  -- It answers first and writes its log then.
  local function asked(least)
    local ends = sys.monotonic() + 5
    repeat
      local count = select(2, log_of("asked"):gsub("\n", ""))
      if count >= least or sys.monotonic() > ends then return count end
      sys.sleep(10)
    until false
  end

  local function sign_in(tenant, auth, port)
    local login = "https://127.0.0.1:" .. ports[port or "LOGIN"]
    local cloud = { login = login, graph = "https://127.0.0.1:1", tenant = tenant }
    local open <close> = peers.session(place, cloud,
      ('method = "client_secret", client_id = "c", client_auth = %q, secret = { from = "file", path = "secret" }')
      :format(auth or "post"))
    time_clock.use(fake.clock(os.time()))
    return scheduler.run(http.poll, oauth.sign_in, open.profile)
  end

  for _, tenant in ipairs { "other", "found", "plain", "file", "loop" } do
    for _, auth in ipairs { "post", "basic" } do
      it(("leads nobody on with a redirect: %s, secret by %s"):format(tenant, auth), function()
        local before = asked(0)
        local ok, err = pcall(sign_in, tenant, auth)
        assert.is_false(ok)
        assert.is_true(fail.is(err, "bad_answer"), tostring(err))
        assert.matches("^the login service sent a redirect; redirects are never followed", err.why)
        assert.is_nil(tostring(err):find(CANARY, 1, true))
        assert.equal(before + 1, asked(before + 1))
        assert.equal("", log_of "stolen")
      end)
    end
  end

  it("leads nobody on by a header that browsers heed", function()
    local ok, err = pcall(sign_in, "refresh")
    assert.is_false(ok)
    assert.equal("auth", err.kind)
    assert.equal("", log_of "stolen")
  end)

  it("is told that we have no certificate for TLS, when it wants one", function()
    local ok, err = pcall(sign_in, "strict", "post", "STRICT")
    assert.is_false(ok)
    assert.is_true(fail.is(err, "refused"), tostring(err))
    assert.matches("HTTP 400", err.why)
  end)

  it("speaks HTTP/2 with us", function()
    local before = asked(0)
    sign_in("good")
    asked(before + 1)
    assert.matches("HTTP/2.0 POST /good/oauth2/v2.0/token", log_of "asked")
  end)
end)
