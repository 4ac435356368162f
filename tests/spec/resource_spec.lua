local json = require "host.json"
local resource = require "resource.new"
local secret = require "host.secret"

describe("what is not known yet", function()
  it("stays unknown whatever is asked of it", function()
    assert.equal(resource.unknown, resource.unknown.appId)
    assert.equal(resource.unknown, "id " .. resource.unknown)
    assert.equal("known after apply", tostring(resource.unknown))
    for _ in ipairs(resource.unknown) do error "it has no items" end
  end)

  it("is found inside other values", function()
    assert.is_false(resource.known(resource.unknown))
    assert.is_false(resource.known { data = { id = resource.unknown } })
    assert.is_true(resource.known { data = { id = "x" }, list = json.array {} })
    assert.is_true(resource.known(nil))
    assert.is_true(resource.known(secret.from "s3cret"))
  end)
end)

describe("comparing", function()
  it("names the members that differ, in order, and ignores what nobody asked for", function()
    local changes = resource.compare({ a = 1, b = { "x" }, c = 3, z = 9 }, { b = { "y" }, a = 1, c = 4 })
    assert.equal(2, #changes)
    assert.same({ "b", "c" }, { changes[1].member, changes[2].member })
    assert.equal(3, changes[2].from)
    assert.equal(4, changes[2].to)
  end)

  it("sees a list that is longer as different", function()
    assert.equal(1, #resource.compare({ tags = { "a", "b" } }, { tags = { "a" } }))
    assert.equal(0, #resource.compare({ tags = { "a" } }, { tags = { "a" } }))
  end)

  it("compares secrets by value, without opening them", function()
    local one, same, other = secret.from "value-1", secret.from "value-1", secret.from "value-2"
    assert.equal(0, #resource.compare({ s = one }, { s = same }))
    assert.equal(1, #resource.compare({ s = one }, { s = other }))
    assert.equal(1, #resource.compare({ s = "value-1" }, { s = same }))
  end)

  it("takes the unknown as different from anything", function()
    assert.equal(1, #resource.compare({ s = secret.from "v" }, { s = resource.unknown }))
    assert.equal(1, #resource.compare({ s = "v" }, { s = resource.unknown }))
    assert.equal(1, #resource.compare({ s = { x = 1 } }, { s = resource.unknown }))
  end)
end)

describe("a kind of resource", function()
  local Thing = resource.kind "thing"

  it("makes resources that name themselves", function()
    assert.equal("thing 'x'", tostring(Thing { name = "x" }))
  end)

  it("cannot be read while what it is made from is unknown", function()
    assert.is_false(Thing { name = "x", from = { resource.unknown } }:readable())
    assert.is_true(Thing { name = "x", from = { "id" } }:readable())
  end)

  it("can be read ahead, once", function()
    local reads = 0
    function Thing.read() reads = reads + 1; return { n = reads } end
    local thing = Thing { name = "x" }
    assert.same({ n = 1 }, thing:fetch())
    assert.same({ value = { n = 1 } }, thing.fetched)
  end)

  it("is not ours without proof", function()
    local ours, why = Thing { name = "x" }:ours({}, {})
    assert.is_false(ours)
    assert.equal("nothing proves that it was made here", why)
  end)
end)
