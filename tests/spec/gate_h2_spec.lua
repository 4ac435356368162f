-- Many requests in flight over HTTP/2, against nginx.

local graph = require "host.graph"
local nginx = require "nginx"
local sys = require "host.sys"
local test_door = require "test_door"

local ANSWER = [[location /v1.0/ { return 200 '{"protocol":"$server_protocol"}'; }]]

local function open(server)
  local door = test_door.new("emulator")
  assert(door:peer("graph", server.base, server.ca))
  door:mode("read")
  return door
end

local function get(server)
  return graph.request(server.base, "GET", "/users")
end

--- A question, so that no journal is needed; said to be one that must not be asked twice.
local function post_once(server)
  local request = graph.request(server.base, "POST", "/users/getByIds", nil, { ids = { "1" } })
  request:set_repeatable(false)
  return request
end

--- Send `count` requests, at most 100 in flight; how many brought which protocol.
local function load(server, count, make)
  local door <close> = open(server)
  local started, protocols = 0, {}
  repeat
    while started < count and door:running() < 100 do
      assert(door:submit(make(server), nil, 30))
      started = started + 1
    end
    for _, transfer in ipairs(door:poll(1000)) do
      local answer <close>, message = transfer:answer()
      local value = graph.judge(get(server), assert(answer, message))
      protocols[value.protocol] = (protocols[value.protocol] or 0) + 1
      transfer:close()
    end
  until started == count and door:running() == 0
  return protocols
end

describe("many requests", function()
  local server

  setup(function() server = nginx.is_there() and nginx.start(ANSWER, 300) end)
  teardown(function()
    if server then server:close() end
  end)

  it("share connections by HTTP/2, and all are answered when the server retires these", function()
    if not server then return pending("nginx is not installed") end
    local count = tonumber(sys.getenv("GATE_REQUESTS") or 2000)
    local before = sys.monotonic()
    assert.same({ ["HTTP/2.0"] = count }, load(server, count, get))
    local took = sys.monotonic() - before
    if sys.getenv("GATE_REQUESTS") then print(("# %d requests in %.2f s: %d/s"):format(count, took, count // took)) end
  end)

  it("share connections also while others have theirs to themselves", function()
    if not server then return pending("nginx is not installed") end
    local turn = 0
    local protocols = load(server, 2000, function(...)
      turn = turn + 1
      return (turn % 4 == 0 and post_once or get)(...)
    end)
    assert.same({ ["HTTP/1.1"] = 500, ["HTTP/2.0"] = 1500 }, protocols)
  end)

  it("that must not be sent twice have a connection to themselves, so that none is lost", function()
    if not server then return pending("nginx is not installed") end
    assert.same({ ["HTTP/1.1"] = 2000 }, load(server, 2000, post_once))
  end)
end)
