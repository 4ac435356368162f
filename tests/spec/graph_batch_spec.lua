--- graph.batch, graph.by_ids, options as data: on a network that is not there.

local contoso = require "contoso"
local graph = require "graph"
local json = require "host.json"
local task = require "task"

local tenant

local function run(...) return tenant:run(...) end

local BATCH = "/v1.0/$batch"

-- Answers every part by `fn(part) -> status, body, headers`, in an order of the server's own.
local function answer_parts(fn)
  tenant.door:on("POST", BATCH, function(request)
    local responses = {}
    for _, part in ipairs(request.body.requests) do
      local status, body, headers = fn(part)
      if status then
        table.insert(responses, 1, { id = part.id, status = status, body = body, headers = headers })
      end
    end
    return 200, { date = "Thu, 01 Jan 2026 00:00:10 GMT" }, { responses = json.array(responses) }
  end)
end

local function reads(count)
  local parts = {}
  for i = 1, count do parts[i] = { path = graph.path("/users/{id}", ("u%d"):format(i)), select = { "id", "mail" } } end
  return parts
end

local function sizes()
  local list = {}
  for _, request in ipairs(tenant.door.requests) do
    if request.path == BATCH then list[#list + 1] = #request.body.requests end
  end
  return table.concat(list, " ")
end

describe("graph.batch", function()
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  it("sends twenties, and gives outcomes in the order of the parts", function()
    answer_parts(function(part) return 200, { id = part.url:match("/users/(%w+)") } end)
    local parts = reads(45)
    local outcomes, failures = run(graph.batch, parts)
    assert.equal(0, failures)
    assert.equal("20 20 5", sizes())
    for i, outcome in ipairs(outcomes) do
      assert.equal(parts[i], outcome.item)
      assert.is_true(outcome.ok)
      assert.equal(("u%d"):format(i), outcome.result.id)
    end
  end)

  it("sends of each part what a call of its own would", function()
    answer_parts(function() return 204 end)
    run(graph.batch, {
      { path = "/users", filter = { displayName = "O'Brien" }, search = { mail = "x" }, top = 5 },
      { method = "PATCH", path = "/users/1", body = { department = "x" } },
    })
    local parts = tenant.door.requests[2].body.requests
    assert.same({ id = "1", method = "GET", headers = { ConsistencyLevel = "eventual" },
      url = "/users?$filter=displayName%20eq%20'O''Brien'&$search=%22mail:x%22&$top=5" }, parts[1])
    assert.same({ id = "2", method = "PATCH", url = "/users/1", body = { department = "x" },
      headers = { ["Content-Type"] = "application/json" } }, parts[2])
  end)

  it("tries a part again by its own status, alone and as late as it was told", function()
    local tries = {}
    answer_parts(function(part)
      tries[part.id] = (tries[part.id] or 0) + 1
      if part.id == "2" and tries["2"] == 1 then
        return 429, { error = { code = "TooManyRequests", message = "" } }, { ["Retry-After"] = "7" }
      elseif part.id == "3" and tries["3"] < 3 then
        return 503, { error = { code = "serviceNotAvailable", message = "" } }
      end
      return 200, { id = part.id }
    end)
    local _, failures = run(graph.batch, reads(4))
    assert.equal(0, failures)
    assert.same({ ["1"] = 1, ["2"] = 2, ["3"] = 3, ["4"] = 1 }, tries)
    assert.is_true(tenant:passed() >= 7)
  end)

  it("gives a part's failure as its result and raises nothing", function()
    answer_parts(function(part)
      if part.id == "1" then return 403, { error = { code = "Authorization_RequestDenied", message = "no" } } end
      if part.id == "2" then return 404, { error = { code = "Request_ResourceNotFound", message = "" } } end
      return 200, { id = part.id }
    end)
    local parts = reads(3)
    parts[1].what, parts[2].missing = "read the first", "nil"
    local outcomes, failures = run(graph.batch, parts)
    assert.equal(1, failures)
    assert.equal("denied", outcomes[1].result.kind)
    assert.equal("read the first", outcomes[1].result.what)
    assert.equal(403, outcomes[1].result.status)
    assert.equal("no", outcomes[1].result.message)
    assert.is_true(outcomes[2].ok)
    assert.is_nil(outcomes[2].result)
    assert.equal("3", outcomes[3].result.id)
  end)

  it("knows nothing of a change whose answer is missing, and asks again for a read's", function()
    local asked = 0
    answer_parts(function(part)
      if part.method == "POST" then return nil end
      asked = asked + 1
      if asked == 1 then return nil end
      return 200, {}
    end)
    local outcomes = run(graph.batch, {
      { method = "POST", path = "/applications/1/addPassword", body = {} }, { path = "/users/1" },
    })
    assert.equal("unknown_outcome", outcomes[1].result.kind)
    assert.equal("bad_answer", outcomes[2].result.kind)
  end)

  it("sends the parts again that may be, when the whole batch got no answer", function()
    tenant.door:once("POST", BATCH, { nil, "broken", "cut", true })
    answer_parts(function() return 200, { id = "x" } end)
    local outcomes, failures = run(graph.batch, {
      { method = "POST", path = "/applications/1/addPassword", body = {} }, { path = "/users/1" },
      { method = "PATCH", path = "/users/1", body = {} },
    })
    assert.equal(1, failures)
    assert.equal("unknown_outcome", outcomes[1].result.kind)
    assert.equal("x", outcomes[2].result.id)
    assert.equal("x", outcomes[3].result.id)
    assert.equal("3 2", sizes())
  end)

  it("loses no outcome to a deadline", function()
    answer_parts(function(part)
      if part.id == "2" then
        return 429, { error = { code = "TooManyRequests", message = "" } }, { ["Retry-After"] = "60" }
      elseif part.id == "3" then
        return 503, { error = { code = "UnknownError", message = "" } }
      end
      return 201, { keyId = "k" }
    end)
    local function make(n) return { method = "POST", path = ("/applications/%d/addPassword"):format(n), body = {} } end
    local outcomes, failures = run(function()
      return task.within(2, graph.batch, { make(1), make(2), { path = "/users/1" } })
    end)
    assert.equal(2, failures)
    assert.equal("k", outcomes[1].result.keyId)
    assert.equal("throttled", outcomes[2].result.kind)
    assert.equal("timeout", outcomes[3].result.kind)
  end)

  it("refuses what is no batch", function()
    tenant.door:on("POST", BATCH, { 200, {}, { value = {} } })
    local outcomes = run(graph.batch, reads(1))
    assert.equal("bad_answer", outcomes[1].result.kind)
    assert.truthy(tostring(outcomes[1].result):find("the answer is not a batch", 1, true))
  end)
end)

describe("graph.by_ids", function()
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  it("asks a thousand at a time and gives what there is in the order of the ids", function()
    local asked = {}
    tenant.door:on("POST", "/v1.0/directoryObjects/getByIds", function(request)
      local value = {}
      asked[#asked + 1] = #request.body.ids
      assert.same({ "user" }, request.body.types)
      assert.equal("id", request.query["$select"])
      for _, id in ipairs(request.body.ids) do
        if id ~= "id7" then table.insert(value, 1, { id = id }) end
      end
      return 200, {}, { value = json.array(value) }
    end)
    local ids = {}
    for i = 1, 2500 do ids[i] = ("id%d"):format(i) end
    local objects, by_id = run(graph.by_ids, ids, { types = { "user" }, select = { "id" } })
    assert.same({ 1000, 1000, 500 }, asked)
    assert.equal(2499, #objects)
    assert.equal("id8", objects[7].id)
    assert.equal("id2500", by_id.id2500.id)
    assert.same({}, (run(graph.by_ids, {})))
  end)
end)

describe("graph's options", function()
  before_each(function()
    tenant = contoso.new()
    tenant.door:on("GET", "/v1.0/*", { 200, {}, { value = json.array {} } })
  end)
  after_each(function() tenant:close() end)

  local function query_of(options)
    run(graph.get, "/users", options)
    local request = tenant.door.requests[#tenant.door.requests]
    return request.query
  end

  it("take a filter as data", function()
    assert.equal("accountEnabled eq true and displayName eq 'O''Brien'",
      query_of({ filter = { displayName = "O'Brien", accountEnabled = true } })["$filter"])
    assert.equal("id in ('a', 'b''c')", query_of({ filter = { id = { "a", "b'c" } } })["$filter"])
    assert.equal("createdDateTime ge 2026-01-01T00:00:00Z and userType eq 'Guest'",
      query_of({ filter = { "createdDateTime ge %t and userType eq %s", 1767225600, "Guest" } })["$filter"])
    assert.equal("x eq 1", query_of({ filter = "x eq 1" })["$filter"])
    assert.equal("displayName eq 'it''s'", graph.filter { displayName = "it's" })
  end)

  it("take a search as data, with its quotes escaped", function()
    assert.equal([["displayName:a\"b\\c" AND "mail:x"]],
      query_of({ search = { displayName = [[a"b\c]], mail = "x" } })["$search"])
  end)

  it("take what to expand as data", function()
    assert.equal("memberOf,owners", query_of({ expand = { "memberOf", "owners" } })["$expand"])
    assert.equal("memberOf($filter=displayName eq 'x';$select=id,displayName),owners",
      query_of({ expand = { owners = {},
        memberOf = { select = { "id", "displayName" }, filter = { displayName = "x" } } } })["$expand"])
  end)

  it("ask for the advanced query mode where it is needed", function()
    assert.equal("true", query_of({ advanced = true, filter = "x ne 1" })["$count"])
    assert.is_nil(query_of({ filter = "x eq 1" })["$count"])
  end)

  it("refuse names and places mixed", function()
    assert.has_error(function() query_of { filter = { displayName = "x", [true] = 1 } } end)
  end)

  it("count", function()
    tenant.door:on("GET", "/v1.0/users/$count", { 200, {}, "12345" })
    assert.equal(12345, run(graph.count, "/users", { filter = { accountEnabled = true } }))
  end)

  it("put a key that begins with a dollar sign where it is one", function()
    assert.equal("/users('%24x@y')/memberOf", graph.path("/users/{id}/memberOf", "$x@y"))
    assert.equal("/users/a%23EXT%23@y", graph.path("/users/{id}", "a#EXT#@y"))
  end)
end)
