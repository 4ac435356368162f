-- An answer that nobody asked for, on a connection that is kept: it is taken for nobody's.

local graph = require "host.graph"
local hostile = require "hostile"
local journals = require "journals"

local server

-- Of one kind, for only those share a connection.
local function request_of(method, path, repeatable)
  local request = graph.request(server:base(), method, path, nil, method == "PATCH" and {} or nil)
  request:set_repeatable(repeatable)
  return request
end

local function outcomes(journal)
  local found = {}
  for _, record in ipairs(journal:history(50)) do
    if record.kind == "outcome" then found[#found + 1] = record.body end
  end
  return found
end

-- Ask for something that brings a stray answer, wait until that was sent, and change something.
local function change_after(how, repeatable)
  local place <close> = journals.folder()
  local journal <close> = journals.open(place)
  local door <close> = server:door("good", nil, journal)
  local other <close> = server:door()
  local asked = assert(door:submit(request_of("GET", "/stray/" .. how, repeatable), nil, 10))
  assert(hostile.wait(door, asked))
  assert.equal(200, assert(hostile.send(other, server:get("/go"))):status())
  local answer = assert(hostile.send(door, request_of("PATCH", "/denied", repeatable)))
  return answer, outcomes(journal)
end

describe("an answer that nobody asked for", function()
  setup(function() server = hostile.start() end)
  teardown(function() server:close() end)

  for _, how in ipairs { "next", "split", "late" } do
    for kind, repeatable in pairs { ["once only"] = false, ["also again"] = true } do
      it(("is not that to a change which may be sent %s: %s"):format(kind, how), function()
        local answer, recorded = change_after(how, repeatable)
        assert.equal(403, answer:status())
        assert.equal(1, #recorded)
        assert.equal(403, recorded[1].status)
      end)
    end
  end

  it("is not that to a read either, which goes by a new connection", function()
    local door <close> = server:door()
    local other <close> = server:door()
    local function number()
      local request = server:get("/echo")
      return graph.judge(request, assert(hostile.send(door, request))).connection
    end
    local first = number()
    assert(hostile.send(door, server:get("/stray/next")))
    assert(hostile.send(other, server:get("/go")))
    local second = number()
    assert.is_true(second > first)
    assert.equal(second, number())
    assert.equal(0, door:running())
  end)

  it("costs no connection where there is none", function()
    local place <close> = journals.folder()
    local journal <close> = journals.open(place)
    local door <close> = server:door("good", nil, journal)
    local other <close> = server:door()
    local first = assert(hostile.send(door, request_of("PATCH", "/denied", false))):header("x-connection")
    assert(hostile.send(door, request_of("GET", "/stray/none", false)))
    assert(hostile.send(other, server:get("/go")))
    assert.equal(first, assert(hostile.send(door, request_of("PATCH", "/denied", false))):header("x-connection"))
  end)
end)

describe("the answer to another request", function()
  setup(function() server = hostile.start() end)
  teardown(function() server:close() end)

  for _, path in ipairs { "/id/other", "/id/longer", "/id/empty" } do
    it("is no answer, and what was asked for may have happened: " .. path, function()
      local place <close> = journals.folder()
      local journal <close> = journals.open(place)
      local door <close> = server:door("good", nil, journal)
      local answer, message, kind, maybe_sent = hostile.send(door, request_of("PATCH", path, false))
      assert.is_nil(answer)
      assert.equal("hostile", kind)
      assert.equal("the answer of 127.0.0.1 is refused: it sent the answer to another request: its"
        .. " client-request-id is not the one that was sent", message)
      assert.is_true(maybe_sent)
      local recorded = outcomes(journal)
      assert.equal(1, #recorded)
      assert.same({ "hostile", true }, { recorded[1].failure, recorded[1].maybe_sent })
    end)
  end

  for _, path in ipairs { "/id/ours", "/id/louder" } do
    it("is told from ours: " .. path, function()
      local door <close> = server:door()
      assert.equal(204, assert(hostile.send(door, server:get(path))):status())
    end)
  end
end)
