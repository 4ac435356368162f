--- Rules for what goes wrong.

package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local faults = require "emulator.faults"

local function rules(...)
  local list = faults.new()
  for _, text in ipairs { ... } do assert(list:add(text)) end
  return list
end

local function apply(rule, request)
  return faults.apply(rule, request or {}, function(asked)
    return { status = 201, headers = {}, body = { asked = asked, applied = true } }
  end, function(status) return { status = status, headers = {}, body = { refused = true } } end)
end

describe("a fault rule", function()
  it("meets its call, as often as it says", function()
    local list = rules("POST /applications/*/addPassword drop-after 2")
    assert.is_nil(list:take("graph", "GET", "/v1.0/applications/1/addPassword"))
    assert.is_nil(list:take("graph", "POST", "/v1.0/applications/1/2/addPassword"))
    assert.truthy(list:take("graph", "POST", "/v1.0/applications/1/addPassword"))
    assert.truthy(list:take("graph", "POST", "/v1.0/applications(appId='x')/addPassword") == nil)
    assert.truthy(list:take("graph", "POST", "/beta/applications/2/addPassword"))
    assert.is_nil(list:take("graph", "POST", "/v1.0/applications/3/addPassword"))
    assert.same({ { rule = "POST /applications/*/addPassword drop-after 2", hits = 2, left = 0 } }, list:list())
  end)

  it("knows peers, stars and the nth call", function()
    local list = rules("login * /** 503:2 always", "graph GET /users** slow:5 always @3")
    assert.truthy(list:take("login", "POST", "/t/oauth2/v2.0/token"))
    assert.is_nil(list:take("devolutions", "POST", "/api/v1/login"))
    assert.is_nil(list:take("graph", "GET", "/v1.0/users"))
    assert.is_nil(list:take("graph", "GET", "/v1.0/users/1"))
    assert.truthy(list:take("graph", "GET", "/v1.0/users/1/memberOf"))
    assert.truthy(list:take("graph", "GET", "/v1.0/users"))
    list:clear()
    assert.is_nil(list:take("login", "POST", "/"))
  end)

  it("may mean any method but one", function()
    local list = rules("!GET /** 503 always")
    assert.is_nil(list:take("graph", "GET", "/v1.0/users"))
    assert.truthy(list:take("graph", "PATCH", "/v1.0/users/1"))
    assert.truthy(list:take("login", "POST", "/t/oauth2/v2.0/token"))
  end)

  it("takes letters of patterns for what they are", function()
    local list = rules("PATCH /applications(uniqueName=*) 404")
    assert.truthy(list:take("graph", "PATCH", "/v1.0/applications(uniqueName='a-b.c')"))
    assert.is_nil(rules("GET /a.b 404"):take("graph", "GET", "/v1.0/axb"))
  end)

  it("says what is wrong with it", function()
    local kinds = "there are big, cut, drop-after, drop-before, empty, garbage, hold-after, hold-before, html, slow, "
      .. "stale, and statuses from 400 to 599"
    for text, message in pairs {
      ["POST addPassword 404"] = "a rule reads [PEER] METHOD /PATH KIND[:ARGUMENT] [COUNT] [@NTH]",
      ["GET /users explode"] = 'no kind "explode"; ' .. kinds,
      ["GET /users 200"] = 'no kind "200"; ' .. kinds,
      ["GET /users 404 often"] = '"often" is neither a count, "always" nor @NTH',
    } do
      assert.same({ nil, ("fault %q: %s"):format(text, message) }, { faults.parse(text) })
    end
  end)

  it("refuses without applying", function()
    local answer = apply(rules("* /** 429:7"):take("graph", "GET", "/"))
    assert.same({ status = 429, headers = { ["Retry-After"] = "7" }, body = { refused = true } }, answer)
    assert.same({ how = "drop" }, apply(rules("* /** drop-before"):take("graph", "GET", "/")))
    assert.same({ how = "hold" }, apply(rules("* /** hold-before"):take("graph", "GET", "/")))
  end)

  it("spoils the answer of what was applied", function()
    local function spoil(text) return apply(rules("* /** " .. text):take("graph", "GET", "/")) end
    assert.same({ how = "drop" }, spoil "drop-after")
    assert.same({ how = "hold" }, spoil "hold-after")
    local cut = spoil "cut:4"
    assert.same({ "cut", 4, 201, true }, { cut.how, cut.bytes, cut.status, cut.body.applied })
    assert.same({ 200, "text/html" }, { spoil("html").status, spoil("html").headers["Content-Type"] })
    assert.equal(502, spoil("html:502").status)
    assert.equal(10 << 20, #spoil("big").body - 12)
    assert.same({ 201, "" }, { spoil("empty").status, spoil("empty").body })
    assert.equal(0.25, spoil("slow:250").wait)
    assert.equal(30, spoil("stale:30").body.asked.stale)
  end)
end)
