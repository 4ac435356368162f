-- takes 4 s: each request is a process of curl
--- Listeners with handlers, and answers that are late or wrong.

local curl = require "curl"
local httpd = require "http.server"
local log = require "log"

--- A service with one listener, its turn and its address.
local function serve(handle)
  local listener = { name = "one", host = "127.0.0.1", port = 0, handle = handle }
  local service = httpd.open { plain = true, listeners = { listener } }
  local site = { service = service, turn = function(ms) service:turn(ms) end, url = service.bases.one }
  return setmetatable(site, { __close = function() service:close() end })
end

describe("httpd", function()
  it("gives a handler the request as a table", function()
    local seen
    local site <close> = serve(function(request)
      seen = { request.method, request.path, request.query["$top"], request.text, request.header("x-a"), request.size,
        request.base, request.form().b }
      return 200, { ["X-B"] = "2" }, "fine"
    end)
    local answer = curl.run(site.turn, "-H", "X-A: 1", "-d", "b=1+2", site.url .. "/p%20q?$top=5")
    assert.same({ "POST", "/p%20q", "5", "$top=5", "1", 5, site.url, "1 2" }, seen)
    assert.equal("fine", answer.out)
    assert.matches("X%-B: 2", answer.head)
  end)

  it("answers later without holding others up", function()
    local site <close> = serve(function(request)
      if request.path == "/late" then return httpd.later(0.4, 200, {}, "late") end
      return 200, {}, "now"
    end)
    local late = curl.start("-w", " %{time_total}", site.url .. "/late")
    local now = curl.run(site.turn, "-w", " %{time_total}", site.url .. "/now")
    local after = curl.finish(late, site.turn)
    assert.matches("^now 0%.[0-3]", now.out)
    assert.matches("^late 0%.[4-6]", after.out)
  end)

  it("drops and cuts when told", function()
    local site <close> = serve(function(request)
      return request.path == "/drop" and httpd.drop() or httpd.cut(200, {}, "0123456789", 3)
    end)
    assert.is_true(curl.DROPPED[curl.run(site.turn, site.url .. "/drop").exit])
    assert.equal("012", curl.run(site.turn, site.url .. "/cut").out)
  end)

  it("holds an answer for good while others are given, also when the client has left", function()
    local held = 0
    local site <close> = serve(function(request)
      if request.path ~= "/hold" then return 200, {}, "now" end
      held = held + 1
      return httpd.hold()
    end)
    for _ = 1, 2 do assert.equal(28, curl.run(site.turn, "--max-time", "0.2", site.url .. "/hold").exit) end
    assert.equal("now", curl.run(site.turn, site.url .. "/now").out)
    assert.equal(2, held)
  end)

  it("survives a handler that fails or answers nonsense, and says so", function()
    local warned = {}
    local warn = stub(log, "warn", function(text) warned[#warned + 1] = text end)
    local site <close> = serve(function(request)
      if request.path == "/raise" then error("on purpose") end
      return 200, { ["X-Bad"] = "a\r\nb" }, ""
    end)
    local first, second = curl.run(site.turn, site.url .. "/raise"), curl.run(site.turn, site.url .. "/head")
    warn:revert()
    assert.same({ 500, 500 }, { first.status, second.status })
    assert.matches("on purpose", warned[1])
    assert.matches("header 'X%-Bad' has a line break", warned[2])
  end)

  it("raises when it may not listen there", function()
    local _, failure = pcall(httpd.open, { listeners = { { name = "a", host = "192.0.2.1", port = 0 } } })
    assert.equal("serve on 192.0.2.1: cannot listen on '192.0.2.1': it is not a loopback address\n"
      .. "Name an address of this machine only: 127.0.0.1 or ::1.", tostring(failure))
    local there <close> = httpd.open { plain = true, listeners = { { name = "a", host = "127.0.0.1", port = 0 } } }
    local port = tonumber(there.bases.a:match "%d+$")
    _, failure = pcall(httpd.open, { plain = true, listeners = { { name = "a", host = "127.0.0.1", port = port } } })
    assert.equal(("serve on 127.0.0.1: cannot listen on 127.0.0.1 port %d: Address already in use\nName another port, "
      .. "whose next three ports are free, too; or leave the port out, for free ones."):format(port), tostring(failure))
  end)

  it("serves until it is told to stop", function()
    local site <close> = serve(function() return 200, {}, "" end)
    local asked = 0
    httpd.serve(site.service, function()
      asked = asked + 1
      return asked > 1
    end)
    assert.equal(2, asked)
  end)

  it("words a date as HTTP does", function()
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", httpd.date(784111777))
    assert.equal("Thu, 01 Jan 1970 00:00:00 GMT", httpd.date(0.9))
  end)
end)
