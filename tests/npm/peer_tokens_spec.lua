--- Token answers nobody should believe, by oauth2-mock-server; and our assertions
--- before jose, which knows nothing of how they were made.

local fail = require "fail"
local fake = require "fake_door"
local http = require "http.client"
local oauth = require "oauth.sign_in"
local peers = require "peers"
local scheduler = require "task.scheduler"
local time_clock = require "time.clock"

describe("a token endpoint", function()
  local lacking = peers.lacking("oauth2-mock-server", "jose")
  if lacking then
    pending(lacking)
    return
  end

  local place, peer

  setup(function()
    place = peers.place()
    place:write("secret", "correct horse battery staple")
    peer = peers.start("tokens.mjs", place)
  end)
  teardown(function()
    peer:__close()
    place:__close()
  end)

  local function run(login, sign_in, fn)
    local cloud = { login = login, graph = "https://127.0.0.1:1", tenant = "contoso.onmicrosoft.com" }
    local open <close> = peers.session(place, cloud, sign_in)
    time_clock.use(fake.clock(os.time())) -- waits for the next try pass at once
    return scheduler.run(http.poll, fn or oauth.sign_in, open.profile)
  end

  local function by_secret(client)
    return ('method = "client_secret", client_id = %q, secret = { from = "file", path = "secret" }'):format(client)
  end

  local TOKEN = "access_token is missing, is not a text, or has characters that a header may not have"
  local LIFE = "expires_in is not a whole number of seconds between 1 and 604800"

  -- client id -> kind of the error, words in it
  local REFUSED = {
    throttled = { "throttled", "there were too many requests" },
    broken = { "transient", "the service is in trouble" },
    ended = { "auth", "the sign-in is not valid any more" },
    tokenless = { "bad_answer", TOKEN }, number = { "bad_answer", TOKEN }, crlf = { "bad_answer", TOKEN },
    newline = { "bad_answer", TOKEN }, nul = { "bad_answer", TOKEN }, letters = { "bad_answer", TOKEN },
    long = { "bad_answer", TOKEN },
    past = { "bad_answer", LIFE }, never = { "bad_answer", LIFE },
    huge = { "bad_answer", "the answer is larger than any answer of the service" },
    deep = { "bad_answer", "the answer is not from Microsoft's login service" },
    mac = { "bad_answer", "token_type is not Bearer" },
    list = { "bad_answer", "it is not an object" }, null = { "bad_answer", "it is not an object" },
    both = { "auth", "the application's credential was not accepted" },
    refresh = { "bad_answer", "refresh_token is not a text" },
  }

  for client, expected in pairs(REFUSED) do
    it("is not believed: " .. client, function()
      local started = os.time()
      local ok, err = pcall(run, peer.ready.mock, by_secret(client))
      assert.is_false(ok)
      assert.is_true(fail.is(err), tostring(err))
      assert.equal(expected[1], err.kind, tostring(err))
      assert.truthy(err.why:find(expected[2], 1, true), err.why)
      assert.is_string(err.fix)
      assert.is_nil(tostring(err):find("[\r%z]"))
      assert.is_true(os.time() - started < 10)
    end)
  end

  it("is believed when it says what it should, also as digits", function()
    for _, client in ipairs { "good", "text" } do
      run(peer.ready.mock, by_secret(client), function(settings)
        oauth.sign_in(settings)
        assert.equal("https://127.0.0.1:1", oauth.credential():origin())
      end)
    end
  end)

  it("that has jose verifies what we sign, each time anew", function()
    run(peer.ready.verifier, 'method = "certificate", client_id = "rotator", certificate = { path = "app.pem" }',
      function(settings)
        oauth.sign_in(settings)
        for _ = 1, 3 do oauth.renew() end
      end)
    local ok, err = pcall(run, peer.ready.verifier,
      'method = "certificate", client_id = "somebody", certificate = { path = "app.pem" }')
    assert.is_false(ok)
    assert.matches('unexpected "iss" claim value', err.why)
  end)
end)
