--- What many calls learn from one: that a far side cannot be reached, or wants to be left alone.

local contoso = require "contoso"
local fail = require "fail"
local graph = require "graph"
local task = require "task"

local tenant

local function run(...) return tenant:run(...) end

local function places(count)
  local list = {}
  for i = 1, count do list[i] = i end
  return list
end

local function read(n) return graph.get(graph.path("/users/{id}", ("%d"):format(n))) end

local NOBODY = { nil, "Connection refused", "connect", false }

describe("a far side that cannot be reached", function()
  before_each(function()
    tenant = contoso.new()
    tenant.door:on("GET", "/v1.0/groups", { 200, {}, {} })
  end)
  after_each(function() tenant:close() end)

  it("is tried by one call for all", function()
    tenant.door:on("GET", "/v1.0/users/{id}", NOBODY)
    local errors = {}
    run(function()
      graph.get("/groups") -- signed in
      local tasks = {}
      for i = 1, 5000 do
        tasks[i] = task.spawn(function()
          local ok, err = pcall(read, i)
          errors[i] = not ok and err
        end)
      end
      for _, one in ipairs(tasks) do one:wait() end
    end)
    assert.equal(5000, #errors)
    for _, err in ipairs(errors) do assert.is_true(fail.is(err, "network")) end
    assert.is_true(tenant.door:count("GET", "/v1.0/users/{id}") <= 100 + 3)
    assert.is_true(tenant:passed() < 12)
  end)

  it("fails the items of each that had not begun", function()
    tenant.door:on("PATCH", "/v1.0/users/{id}", NOBODY)
    local outcomes, failures = run(function()
      graph.get("/groups")
      return task.each(places(2000), 10, function(n) graph.patch(graph.path("/users/{id}", tostring(n)), {}) end)
    end)
    assert.equal(2000, #outcomes)
    assert.equal(2000, failures)
    assert.is_true(outcomes[2000].result.unreachable)
    assert.is_true(tenant.door:count("PATCH", "/v1.0/users/{id}") <= 10 + 3)
  end)

  it("cancels the rest of map", function()
    tenant.door:on("GET", "/v1.0/users/{id}", NOBODY)
    local err = tenant:fails(function() task.map(places(2000), 100, read) end)
    assert.equal("network", err.kind)
    assert.is_true(tenant.door:count("GET", "/v1.0/users/{id}") <= 103)
  end)

  it("is not tried again when its certificate is wrong", function()
    tenant.door:on("GET", "/v1.0/users/{id}", { nil, "self-signed certificate", "certificate", false })
    local err = tenant:fails(function() task.map(places(2000), 100, read) end)
    assert.equal("network", err.kind)
    assert.equal(0, tenant:passed())
    assert.is_true(tenant.door:count("GET", "/v1.0/users/{id}") <= 100)
  end)

  it("lets all go on when one gets through", function()
    local refused = 0
    tenant.door:on("GET", "/v1.0/users/{id}", function()
      if tenant:passed() < 2 then
        refused = refused + 1
        return table.unpack(NOBODY, 1, 4)
      end
      return 200, {}, { id = "x" }
    end)
    local found = run(function() return task.map(places(1000), 200, read) end)
    assert.equal(1000, #found)
    assert.is_true(refused <= 103)
  end)

  it("is tried also for what must not be sent twice, for it was not sent", function()
    tenant.door:once("POST", "/v1.0/applications", NOBODY)
    tenant.door:on("POST", "/v1.0/applications", { 201, {}, { id = "a" } })
    assert.equal("a", run(graph.post, "/applications", { displayName = "x" }).id)
  end)

  it("is tried by another when the one who tried is cancelled", function()
    tenant.door:on("GET", "/v1.0/users/{id}", function()
      if tenant:passed() < 3 then return table.unpack(NOBODY, 1, 4) end
      return 200, {}, { id = "x" }
    end)
    run(function()
      graph.get("/groups")
      local leader = task.spawn(read, 1)
      task.sleep(0.1)
      local other = task.spawn(read, 2)
      task.sleep(0.1)
      leader:cancel()
      assert.equal("x", other:wait().id)
    end)
  end)

  it("is tried by another when the time of the one who tried is over", function()
    tenant.door:on("GET", "/v1.0/users/{id}", function()
      if tenant:passed() < 3 then return table.unpack(NOBODY, 1, 4) end
      return 200, {}, { id = "x" }
    end)
    run(function()
      graph.get("/groups")
      local leader = task.spawn(function() return pcall(task.within, 0.5, read, 1) end)
      task.sleep(0.1)
      local other = task.spawn(read, 2)
      assert.is_false((leader:wait()))
      assert.equal("x", other:wait().id)
    end)
  end)
end)

describe("a service that asks to wait", function()
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  local function throttle_once(seconds)
    local refusals = 0
    tenant.door:on("GET", "/v1.0/users/{id}", function()
      if tenant:passed() < seconds then
        refusals = refusals + 1
        return 429, { ["retry-after"] = tostring(seconds) }, { error = { code = "TooManyRequests", message = "" } }
      end
      return 200, {}, { id = "x" }
    end)
    return function() return refusals end
  end

  it("is left alone by the others who want the same", function()
    local refusals = throttle_once(30)
    assert.equal(5000, #run(function() return task.map(places(5000), 100, read) end))
    assert.is_true(refusals() <= 100)
    assert.is_true(tenant:passed() >= 30 and tenant:passed() < 32)
  end)

  it("for longer than anybody may wait is asked by none of the others", function()
    tenant.door:on("GET", "/v1.0/users/{id}", {
      429, { ["retry-after"] = "3600" }, { error = { code = "TooManyRequests", message = "" } },
    })
    run(function()
      pcall(read, 1)
      for i = 2, 200 do
        local ok, err = pcall(read, i)
        assert.is_false(ok)
        assert.is_true(fail.is(err, "throttled"))
        assert.matches("^Run the same command again after ", err.fix)
      end
    end)
    assert.equal(1, tenant.door:count("GET", "/v1.0/users/{id}"))
    assert.equal(0, tenant:passed())
  end)

  it("is still asked for other things", function()
    throttle_once(30)
    tenant.door:on("GET", "/v1.0/groups/{id}", { 200, {}, { id = "g" } })
    run(function()
      local waiting = task.spawn(read, 1)
      task.sleep(1)
      graph.get("/groups/g")
      assert.is_true(tenant:passed() < 2)
      waiting:wait()
    end)
  end)
end)
