-- takes 8 s: each request is a process of curl
--- The server on loopback, with curl as its client.

local await = require "await"
local child = require "child"
local curl = require "curl"
local httpd = require "host.httpd"
local json = require "host.json"
local lfs = require "lfs"
local secret = require "host.secret"

local CA = os.tmpname()
local identity = httpd.identity()
do
  local file <close> = assert(io.open(CA, "w"))
  file:write(identity:ca())
end

--- A server that answers every request by `handle`, and its URL.
local function serve(handle)
  local server = httpd.server(identity)
  local port = assert(server:listen("127.0.0.1", 0))
  local turn = function(ms)
    for _, request in ipairs(server:poll(ms)) do handle(request) end
  end
  return server, turn, "https://127.0.0.1:" .. port
end

local function run(turn, ...)
  return curl.run(turn, "--cacert", CA, ...)
end

--- The open descriptors of this process that lead to a pipe.
local function descriptors()
  local found = {}
  for name in lfs.dir("/proc/self/fd") do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and target:match("^pipe:") then found[tonumber(name)] = true end
  end
  return found
end

describe("host.httpd", function()
  teardown(function() os.remove(CA) end)

  it("sends an answer in chunks where its headers say so, on a connection that stays open", function()
    local body = ("x"):rep(100000)
    local server <close>, turn, url = serve(function(request)
      local empty = request:path() == "/empty"
      request:reply(200, { ["Transfer-Encoding"] = "chunked", ["X-Two"] = "2" }, empty and "" or body)
    end)
    local answer = run(turn, "-w", "%{num_connects}", url .. "/a", url .. "/b", "-o", "-", "-o", "-")
    assert.equal(body .. "1" .. body .. "0", answer.out)
    assert.matches("Transfer%-Encoding: chunked\r\n", answer.head)
    assert.is_nil(answer.head:find("Content-Length", 1, true))
    assert.equal("", run(turn, url .. "/empty").out)
    server:close()
  end)

  it("hands out a request and sends the answer", function()
    local seen
    local server <close>, turn, url = serve(function(request)
      seen = {
        request:method(), request:path(), request:query(), request:header("x-one"),
        request:body(), request:listener(), request:header("absent"),
      }
      request:reply(201, { ["X-Two"] = "2" }, "made")
    end)
    local answer = run(turn, "-X", "PATCH", "-H", "X-One: 1", "-d", "a=b", url .. "/a%20b/c?q=%31")
    assert.same({ "PATCH", "/a%20b/c", "q=%31", "1", "a=b", 1 }, seen)
    assert.equal(0, answer.exit, answer.err)
    assert.equal(201, answer.status)
    assert.equal("made", answer.out)
    assert.matches("X%-Two: 2\r\n", answer.head)
    server:close()
  end)

  it("takes every method the emulator needs", function()
    local seen = {}
    local server <close>, turn, url = serve(function(request)
      seen[#seen + 1] = request:method()
      request:reply(204, {}, "")
    end)
    for _, method in ipairs { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" } do
      assert.equal(204, run(turn, "-X", method, url .. "/").status)
    end
    assert.same({ "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" }, seen)
    server:close()
  end)

  it("keeps the connection and answers small requests at once", function()
    local server <close>, turn, url = serve(function(request) request:reply(200, {}, "ok") end)
    local urls = {}
    for i = 1, 20 do urls[i] = url .. "/" .. i end
    local answer = run(turn, "-w", "%{num_connects} %{time_total}\n", table.unpack(urls))
    local connects, times = 0, {}
    for count, time in answer.out:gmatch("ok(%d) ([%d.]+)") do
      connects = connects + tonumber(count)
      if count == "0" then times[#times + 1] = tonumber(time) end
    end
    assert.equal(1, connects)
    assert.equal(19, #times)
    -- An answer whose last part waits for an acknowledgement takes 40 ms or more, each of them. On a
    -- busy machine any answer may take that long, but not all.
    table.sort(times)
    assert.is_true(times[5] < 0.04, "fifteen of 19 answers took " .. times[5] .. " s or more")
    server:close()
  end)

  it("carries bodies of megabytes both ways", function()
    local size
    local server <close>, turn, url = serve(function(request)
      size = #request:body()
      request:reply(200, {}, ("x"):rep(10 << 20))
    end)
    local answer = run(turn, "-o", "/dev/null", "-w", "%{size_download}", "-H", "Transfer-Encoding: chunked",
      "--data-binary", "@" .. CA, url .. "/")
    assert.equal(#identity:ca(), size)
    assert.equal(tostring(10 << 20), answer.out)
    server:close()
  end)

  it("refuses a body over 8 MiB by itself", function()
    local server <close>, turn, url = serve(function() error("not reached") end)
    local upload = "head -c 9000000 /dev/zero"
      .. " | curl -sS -o /dev/null -w '%%{http_code}' --cacert %s --data-binary @- %s/"
    local job = curl.program { "sh", "-c", upload:format(CA, url) }
    assert.equal("413", curl.finish(job, turn).out)
    server:close()
  end)

  it("drops the connection without an answer", function()
    local server <close>, turn, url = serve(function(request) request:drop() end)
    assert.is_true(curl.DROPPED[run(turn, url .. "/").exit])
    server:close()
  end)

  it("cuts an answer short", function()
    local server <close>, turn, url = serve(function(request)
      request:cut(200, { ["Content-Type"] = "text/plain" }, "0123456789", 4)
    end)
    local answer = run(turn, url .. "/")
    assert.is_true(curl.CUT[answer.exit])
    assert.equal("0123", answer.out)
    assert.matches("Content%-Length: 10", answer.head)
    server:close()
  end)

  it("never cuts nothing off, and drops where there is nothing to cut", function()
    local server <close>, turn, url = serve(function(request)
      local bytes, body = request:query():match("(%d*)&(%d*)")
      request:cut(200, {}, body, tonumber(bytes))
    end)
    assert.equal("012", run(turn, url .. "/?&012345").out)
    assert.equal("01234", run(turn, url .. "/?99&012345").out)
    assert.equal("", run(turn, url .. "/?0&012345").out)
    assert.is_true(curl.DROPPED[run(turn, url .. "/?5&").exit])
    server:close()
  end)

  it("answers later, in any order", function()
    local held = {}
    local server <close>, turn, url = serve(function(request)
      held[#held + 1] = request
      if #held == 2 then
        held[2]:reply(200, {}, "second")
        held[1]:reply(200, {}, "first")
      end
    end)
    local one, two = curl.start("--cacert", CA, url .. "/1"), curl.start("--cacert", CA, url .. "/2")
    local first, second = curl.finish(one, turn), curl.finish(two, turn)
    assert.equal("firstsecond", (first.out .. second.out):gsub("secondfirst", "firstsecond"))
    server:close()
  end)

  it("does not mind a client that is gone", function()
    local held
    local server <close>, turn, url = serve(function(request) held = request end)
    local answer = curl.run(turn, "--cacert", CA, "-m", "0.3", url .. "/")
    assert.equal(28, answer.exit)
    held:reply(200, {}, ("x"):rep(1 << 20))
    turn(50)
    assert.has_error(function() held:reply(200, {}, "") end)
    server:close()
  end)

  it("lifts secrets out of JSON, forms, queries and Basic", function()
    local seen = {}
    local server <close>, turn, url = serve(function(request)
      if request:path() == "/json" then
        seen.json = request:json()
      elseif request:path() == "/bad" then
        seen.value, seen.message = request:json()
      else
        seen.form, seen.query = request:form(), request:arguments()
        seen.user, seen.password = request:basic()
      end
      request:reply(200, {}, "")
    end)
    run(turn, "-d", '{"clientSecret":"s3cr3t-one","name":"n"}', url .. "/json")
    assert.is_true(secret.equals(seen.json.clientSecret, secret.from("s3cr3t-one")))
    assert.equal("n", seen.json.name)
    run(turn, "-d", '{"a":', url .. "/bad")
    assert.is_nil(seen.value)
    assert.is_string(seen.message)
    run(turn, "-d", "client_secret=a%2Bb+c%7E&x=%C3%A9&empty=&bad=%zz%4", "-u", "app%3A1:S3c%3Aret+x",
      url .. "/form?code=abc%20d&$filter=a%20eq%20%271%27")
    assert.is_true(secret.equals(seen.form.client_secret, secret.from("a+b c~")))
    assert.same({ "é", "", "%zz%4" }, { seen.form.x, seen.form.empty, seen.form.bad })
    assert.is_true(secret.equals(seen.query.code, secret.from("abc d")))
    assert.equal("a eq '1'", seen.query["$filter"])
    assert.equal("app:1", seen.user)
    assert.is_true(secret.equals(seen.password, secret.from("S3c:ret x")))
    server:close()
  end)

  it("has no user without a well-formed Basic header", function()
    local users = {}
    local server <close>, turn, url = serve(function(request)
      users[#users + 1] = request:basic() or "none"
      request:reply(200, {}, "")
    end)
    for _, header in ipairs { "Basic", "Basic !!!", "Basic YQ", "Bearer YTpi", "Basic YTpi" } do
      run(turn, "-H", "Authorization: " .. header, url .. "/")
    end
    assert.same({ "none", "none", "none", "none", "a" }, users)
    server:close()
  end)

  it("sends a table as JSON with its secrets in clear", function()
    local server <close>, turn, url = serve(function(request)
      local body = { secretText = secret.from("t0p"), list = json.array {} }
      if request:path() == "/cut" then return request:cut(200, {}, body) end
      request:reply(200, {}, body)
    end)
    local answer = run(turn, url .. "/")
    assert.equal('{"list":[],"secretText":"t0p"}', answer.out)
    assert.matches("Content%-Type: application/json", answer.head)
    assert.equal(('{"list":[],"secretText":"t0p"}'):sub(1, 15), run(turn, url .. "/cut").out)
    server:close()
  end)

  it("raises for a second answer, and for reading after the first", function()
    local server <close>, turn, url = serve(function(request)
      request:reply(200, {}, "once")
      local text = "bad argument #1 to 'reply' (the request was answered already, or its server is closed)"
      local ok, message = pcall(request.reply, request, 200, {}, "twice")
      assert.is_false(ok)
      assert.equal((text:gsub("'reply'", "'?'")), (message:gsub("'reply'", "'?'")))
      assert.has_error(function() request:path() end)
      assert.has_error(function() request:drop() end)
    end)
    assert.equal("once", run(turn, url .. "/").out)
    server:close()
  end)

  it("raises for headers that would break the answer, and can still answer", function()
    local server <close>, turn, url = serve(function(request)
      local ok, message = pcall(request.reply, request, 200, { ["X-A"] = "1\r\nX-B: 2" }, "")
      assert.is_false(ok)
      assert.matches("header 'X%-A' has a line break in its name or value", message)
      assert.has_error(function() request:reply(99, {}, "") end)
      assert.has_error(function() request:cut(200, {}, nil) end)
      request:reply(200, {}, "fine")
    end)
    local answer = run(turn, url .. "/")
    assert.equal("fine", answer.out)
    assert.not_matches("X%-B", answer.head)
    server:close()
  end)

  it("drops a request that is forgotten", function()
    local server <close>, turn, url = serve(function() end)
    local answer = curl.run(function(ms)
      turn(ms)
      collectgarbage()
    end, "--cacert", CA, url .. "/")
    assert.is_true(curl.DROPPED[answer.exit])
    server:close()
  end)

  it("closes with requests open, and those raise from then on", function()
    local held
    local server, turn, url = serve(function(request) held = request end)
    local job = curl.start("--cacert", CA, url .. "/")
    while not held do turn(20) end
    server:close()
    server:close()
    assert.has_error(function() held:reply(200, {}, "late") end)
    assert.has_error(function() server:poll(0) end)
    assert.is_true(curl.finish(job, function() os.execute("sleep 0.02") end).exit > 0)
  end)

  it("delivers an answer given just before it closes", function()
    local done = false
    local server, turn, url = serve(function(request)
      request:reply(200, {}, "you may close this window")
      done = true
    end)
    local job = curl.start("--cacert", CA, url .. "/")
    while not done do turn(20) end
    server:close()
    assert.equal("you may close this window", curl.finish(job, function() os.execute("sleep 0.02") end).out)
  end)

  it("tells its listeners apart", function()
    local server <close> = httpd.server(identity)
    local one, first = server:listen("127.0.0.1", 0)
    local two, second = server:listen("localhost", 0)
    assert.same({ 1, 2 }, { first, second })
    assert.not_equal(one, two)
    local turn = function(ms)
      for _, request in ipairs(server:poll(ms)) do request:reply(200, {}, tostring(request:listener())) end
    end
    assert.equal("1", run(turn, "https://127.0.0.1:" .. one).out)
    assert.equal("2", run(turn, "https://localhost:" .. two).out)
    server:close()
  end)

  it("speaks in the clear where told to, beside its TLS", function()
    local server <close> = httpd.server(identity)
    local port = assert(server:listen("127.0.0.1", 0, true))
    assert.is_number((server:listen("127.0.0.1", 0)))
    local answer = curl.run(function(ms)
      for _, request in ipairs(server:poll(ms)) do request:reply(200, {}, "plain") end
    end, ("http://127.0.0.1:%d/"):format(port))
    assert.equal("plain", answer.out)
  end)

  it("listens on loopback only", function()
    local server <close> = httpd.server(identity)
    for _, host in ipairs { "0.0.0.0", "::", "192.0.2.1", "example.org", "128.0.0.1", "::ffff:10.0.0.1", "" } do
      local port, message = server:listen(host, 0)
      assert.is_nil(port)
      assert.equal(("cannot listen on '%s': it is not a loopback address"):format(host), message)
    end
    local port = assert(server:listen("127.0.0.1", 0))
    local _, message = server:listen("127.0.0.1", port)
    assert.equal(("cannot listen on 127.0.0.1 port %d: Address already in use"):format(port), message)
    server:close()
  end)

  it("is trusted through its own authority only", function()
    local server <close>, turn, url = serve(function(request) request:reply(200, {}, "ok") end)
    assert.equal(60, curl.run(turn, url .. "/").exit)
    assert.equal(60, run(turn, "--resolve", "graph.microsoft.com:" .. url:match("%d+$") .. ":127.0.0.1",
      "https://graph.microsoft.com:" .. url:match("%d+$") .. "/").exit)
    assert.equal("ok", run(turn, "--tlsv1.3", "--http2", url .. "/").out)
    server:close()
  end)

  it("says HTTP/1.1 when asked for HTTP/2", function()
    local server <close>, turn, url = serve(function(request) request:reply(200, {}, "ok") end)
    assert.equal("1.1", run(turn, "--http2", "-o", "/dev/null", "-w", "%{http_version}", url .. "/").out)
    server:close()
  end)

  it("makes an authority that may only vouch for loopback", function()
    local pipe <close> = io.popen("openssl x509 -noout -text -in " .. CA)
    local text = pipe:read("a")
    assert.matches("Name Constraints: critical", text)
    assert.matches("IP:127.0.0.0/255.0.0.0", text)
    assert.matches("CA:TRUE, pathlen:0", text)
    assert.not_matches("PRIVATE", identity:ca())
  end)

  it("speaks plain HTTP without an identity", function()
    local server <close> = httpd.server()
    local port = server:listen("127.0.0.1", 0)
    local answer = curl.run(function(ms)
      for _, request in ipairs(server:poll(ms)) do request:reply(200, {}, "plain") end
    end, "http://127.0.0.1:" .. port .. "/?code=1")
    assert.equal("plain", answer.out)
    server:close()
  end)

  it("returns early from poll, within a fifth of a second", function()
    local server <close> = httpd.server(identity)
    server:listen("127.0.0.1", 0)
    local started = os.time()
    assert.same({}, server:poll(60000))
    assert.is_true(os.time() - started <= 2)
    server:close()
  end)

  it("notices the end of a descriptor it watches", function()
    local server <close> = httpd.server(identity)
    local before = descriptors()
    local place <close> = child.folder()
    assert(os.execute(("mkfifo '%s/end'"):format(place.path)))
    local pipe <close> = io.popen(("echo ignored; read line <'%s/end'"):format(place.path), "r")
    for fd in pairs(descriptors()) do
      if not before[fd] then server:watch(fd) end
    end
    server:poll(50)
    assert.is_false(server:ended())
    io.open(place.path .. "/end", "w"):close()
    await.event("the server notices the end", function()
      server:poll(200)
      return server:ended()
    end)
    server:close()
    pipe:close()
  end)

  it("takes a descriptor that never waits as ended", function()
    local server <close> = httpd.server(identity)
    server:watch(-1)
    assert.is_true(server:ended())
    server:close()
  end)
end)
