--- Where managed identities are had: the one peer that is asked in the clear, and only near by.

local httpd = require "host.httpd"
local oauth = require "host.oauth"
local secret = require "host.secret"
local sys = require "host.sys"
local test_door = require "test_door"

local PATH = "/metadata/identity/oauth2/token"

local function door(kind, base, proxy)
  local made = test_door.new(kind or "real")
  local ok, message = made:peer("identity", base, nil, proxy)
  made:allow("identity", "GET", PATH)
  return made, ok, message
end

-- Send, while the server answers what comes in by `reply`.
local function send(made, server, request, credential, reply)
  local transfer, message, kind = made:submit(request, credential, 5)
  if not transfer then return nil, message, kind end
  local ends = sys.monotonic() + 10
  while sys.monotonic() < ends do
    for _, incoming in ipairs(server:poll(0)) do reply(incoming) end
    for _, done in ipairs(made:poll(10)) do
      if done == transfer then return transfer:answer() end
    end
  end
  error("no answer came")
end

describe("the identity peer", function()
  local server, base

  before_each(function()
    server = httpd.server()
    base = ("http://127.0.0.1:%d"):format(assert(server:listen("127.0.0.1", 0)))
  end)
  after_each(function() server:close() end)

  it("is asked by plain HTTP on this machine, also by a real profile", function()
    for _, kind in ipairs { "real", "emulator" } do
      local made <close> = door(kind, base)
      local request = oauth.machine(base .. PATH, "https://graph.microsoft.com", { client_id = "c" })
      local seen
      local answer = assert(send(made, server, request, nil, function(incoming)
        seen = { incoming:method(), incoming:path(), incoming:query(), incoming:header("metadata") }
        incoming:reply(200, {}, "{}")
      end))
      assert.equal(200, answer:status())
      local query = "api-version=2018-02-01&client_id=c&resource=https://graph.microsoft.com"
      assert.same({ "GET", PATH, query, "true" }, seen)
    end
  end)

  it("is not followed elsewhere", function()
    local made <close> = door("real", base)
    local credential = oauth.service_credential(base .. PATH, secret.from("header-value-1"))
    local count = 0
    local answer = assert(send(made, server, oauth.service(base .. PATH, "r", {}), credential, function(incoming)
      count = count + 1
      assert.equal("header-value-1", incoming:header("x-identity-header"))
      incoming:reply(307, { Location = base .. "/steal" }, "")
    end))
    assert.same({ 307, 1 }, { answer:status(), count })
  end)

  it("is nowhere else, and behind no proxy", function()
    local why = "managed identities are served on this machine or its link (169.254.*.*) only"
    local function refused(...)
      local made <close>, ok, message = door(...)
      made:close()
      assert.is_nil(ok)
      return message
    end
    for _, url in ipairs { "http://10.0.0.4/", "http://identity.example/", "http://169.254.169.254.nip.example/" } do
      assert.equal(("identity cannot be at %s: %s"):format(url, why), refused("real", url))
    end
    local machine = "http://169.254.169.254/"
    assert.matches("managed identities are not reached through a proxy$",
      refused("real", machine, "http://proxy.example:3128"))
    assert.matches("reaches this machine only", refused("emulator", machine))
    local made <close>, ok = door("real", machine)
    assert.is_true(ok)
    assert.equal(0, made:running())
  end)

  it("is the only one that is asked in the clear, and gets no other's token", function()
    local made <close> = door("real", base)
    for _, name in ipairs { "login", "graph", "devolutions" } do
      local ok, message = made:peer(name, "http://graph.example/")
      assert.is_nil(ok)
      assert.matches("does not begin with https://", message)
    end
    local token = oauth.basic("https://login.example/contoso", "c", secret.from("a-secret-1"))
    local request = oauth.machine(base .. PATH, "r", {})
    local transfer, message, kind = made:submit(request, token, 5)
    assert.is_nil(transfer)
    assert.equal("credential", kind)
    assert.matches("and does not go to http://127.0.0.1", message)
    transfer, message, kind = made:submit(oauth.machine(base .. "/other", "r", {}), nil, 5)
    assert.is_nil(transfer)
    assert.equal("undeclared", kind)
    assert.is_string(message)
  end)
end)
