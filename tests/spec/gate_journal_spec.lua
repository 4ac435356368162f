-- The gate and the real journal: what changes something is on record, whatever becomes of it.

local graph = require "host.graph"
local hostile = require "hostile"
local journal = require "host.journal"
local secret = require "host.secret"
local sys = require "host.sys"

describe("a change", function()
  local server, folder, key

  setup(function()
    server = hostile.start()
    key = secret.random(32)
  end)
  teardown(function() server:close() end)
  before_each(function() folder = assert(sys.temporary("gate")) end)
  after_each(function() sys.remove_tree(folder) end)

  local function open()
    return assert(journal.open(folder .. "/state", key, "login/tenant"))
  end

  local function post(path)
    return graph.request(server:base(), "POST", path, nil, { displayName = "x" })
  end

  it("is on record before it leaves, with its outcome after", function()
    local kept <close> = open()
    local door <close> = server:door("good", nil, kept)
    local before = #kept:history(100)
    local transfer = assert(door:submit(post("/echo"), nil, 5, "step 'One'"))
    assert.equal(200, assert(hostile.wait(door, transfer)):status())
    local history = kept:history(100)
    assert.equal(before + 2, #history)
    local request, outcome = history[#history - 1], history[#history]
    assert.equal("request", request.kind)
    assert.equal("POST", request.body.method)
    assert.equal("/echo", request.body.path)
    assert.equal("displayName", request.body.members)
    assert.equal("step 'One'", request.body.note)
    assert.matches("^%x+%-", request.body.client_request_id)
    assert.equal("outcome", outcome.kind)
    assert.equal(request.body.id, outcome.body.id)
    assert.equal(200, outcome.body.status)
    assert.is_number(kept:verify())
  end)

  it("is on record with what its note says, whatever characters that has", function()
    local kept <close> = open()
    local door <close> = server:door("good", nil, kept)
    local notes = {
      ['say "é\\" to\tAnna'] = 'say "é\\" to\tAnna', ["\xff\xc3(\x7f€😀\xe2\x82"] = "??(\x7f€😀??", [""] = "",
    }
    for note, kept_as in pairs(notes) do
      assert(hostile.wait(door, assert(door:submit(post("/echo"), nil, 5, note))))
      local history = kept:history(2)
      assert.equal(kept_as, history[1].body.note)
    end
  end)

  it("survives the door in the record, even when nobody waited for it", function()
    do
      local kept <close> = open()
      local door <close> = server:door("good", nil, kept)
      assert(door:submit(post("/silent"), nil, 5))
      assert.equal(1, door:flush())
    end
    local kept <close> = open()
    local history = kept:history(2)
    assert.equal("request", history[1].kind)
    assert.equal("closed", history[2].body.failure)
    assert.is_true(history[2].body.maybe_sent)
  end)

  it("is not sent by a journal that was closed", function()
    local kept = open()
    local door <close> = server:door("good", nil, kept)
    local queued = assert(door:submit(post("/echo/closed"), nil, 5))
    kept:close()
    local _, _, kind, maybe_sent = hostile.wait(door, queued)
    assert.equal("journal", kind)
    assert.is_false(maybe_sent)
    assert.equal("journal", select(3, door:submit(post("/echo/closed"), nil, 5)))
    local request = server:get("/seen")
    local seen = graph.judge(request, assert(hostile.send(door, request)))
    assert.is_nil(seen["/echo/closed"])
  end)

  it("leaves the journal free for others when nothing is in flight", function()
    local kept <close> = open()
    local door <close> = server:door("good", nil, kept)
    assert(hostile.send(door, post("/echo")))
    local other <close> = open()
    other:put("intent", "1", "sent", {}, sys.time())
    assert(other:commit())
  end)

  it("does no harm when door, journal and transfer are collected together", function()
    do
      local kept = open()
      local door = server:door("good", nil, kept)
      assert(door:submit(post("/silent"), nil, 5))
      door:flush()
      assert(door:submit(post("/echo"), nil, 5))
    end
    collectgarbage()
    collectgarbage()
    local kept <close> = open()
    assert.is_number(kept:verify())
  end)
end)
