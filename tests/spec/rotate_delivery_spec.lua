-- Delivering a client secret to the sinks of a policy: what is given to a script, and what is not.

local delivery = require "rotate.delivery"
local secret = require "host.secret"
local sink_loaded = require "sink.loaded"

describe("the delivery of a client secret to a sink script", function()
  local calls, stored, is_confirming

  local function script(can)
    return { kind = "script", loaded = sink_loaded {
      name = "sinks/mine", path = "mine.lua", can = can, args = {}, needs = {}, rights_name = "mine",
      declaration = {
        where = function() return "the shelf" end,
        read = function() return stored end,
        store = function(_, item, value)
          calls[#calls + 1] = value and "store" or "store nothing"
          stored = { value = value, client_id = item.client_id, marker = item.marker }
        end,
        remove = function() calls[#calls + 1] = "remove" end,
      },
    } }
  end

  local function open(...)
    local run = {
      ensure = function(_, place) return #place:differs(place.stored or {}) > 0 and place:create() end,
      change = function(_, change) change.act() end,
      await = function() calls[#calls + 1] = "person" end,
    }
    return delivery.open(run, {
      sinks = { ... }, options = {}, tenant = { me = { tenant = "tenant" } }, terms = { name = "mine" },
      confirms_by_storing = function() return is_confirming end,
    }, { displayName = "Billing", appId = "client", id = "object" })
  end

  local function credential(fields)
    return {
      value = fields.value, row = { id = "r1", state = fields.state, body = fields.body },
      is_held = function() return fields.value ~= nil end, check_place = function() end,
      is_placed = function() return fields.state ~= "proven" end,
      is_confirmed = function() return fields.state == "confirmed" end,
      placed = function(_, state, where) calls[#calls + 1] = state .. ": " .. where end,
      confirm = function(_, how) calls[#calls + 1] = how end,
    }
  end

  before_each(function() calls, stored, is_confirming = {}, nil, true end)

  it("stores it, and confirms what was read back", function()
    local value <close> = secret.from "a client secret"
    open(script { read_back = true }):deliver(credential { value = value, state = "proven", body = {} })
    assert.same({ "store", "stored: the shelf of sinks/mine", "stored in the shelf of sinks/mine, "
      .. "which, the configuration says, the consumer reads" }, calls)
    assert.is_true(secret.equals(stored.value, value))
  end)

  it("gives nothing of a client secret that a person made", function()
    for _, can in ipairs { { read_back = true }, {} } do
      calls = {}
      is_confirming = false
      open(script(can)):deliver(credential { state = "confirmed", body = { by_person = true, delivered = {} } })
      for _, call in ipairs(calls) do assert.is_nil(call:find "^store ", call) end
      assert.is_nil(stored)
    end
  end)

  it("does not count as in use in a plan when one of the sinks does not show that", function()
    is_confirming = false
    assert.is_false(open(script { read_back = true }, script {}).place:confirms())
    is_confirming = true
    assert.is_true(open(script { read_back = true }).place:confirms())
    assert.is_nil(open(script {}).place)
  end)

  it("does not write over a value that is not marked as one of the application", function()
    for _, client_id in ipairs { "another", false } do
      local theirs <close> = secret.from "another secret"
      stored = { value = theirs, client_id = client_id or nil }
      local ok, failure = pcall(open, script { read_back = true })
      assert.is_false(ok)
      assert.equal("not_ours", failure.kind)
      assert.same({}, calls)
    end
  end)

  it("names the script, and the function, when what it returns is no answer", function()
    for text, result in pairs {
      ["read returned neither nil nor a table"] = "x", ["read returned a string in the member value"] = { value = "x" },
      ["read returned a value that is not a secret"] = { value = io.stdout },
    } do
      stored = result
      local ok, failure = pcall(open, script { read_back = true })
      assert.is_false(ok)
      assert.same({ "config", "call `read` of the sink sinks/mine", text, "Correct the function `read` in mine.lua." },
        { failure.kind, failure.what, failure.why, failure.fix })
    end
  end)
end)
