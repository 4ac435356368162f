--- What was sent as a secret is found again in the answer: a far side that echoes it gives no text away.

local crypto = require "host.crypto"
local devolutions = require "host.devolutions"
local gate = require "host.gate"
local graph = require "host.graph"
local json = require "json"
local secret = require "host.secret"

local GRAPH, SERVER = "https://127.0.0.1:9/v1.0", "https://127.0.0.1:9/dvls"
local TEXT = 'Correct-"Horse"-7é' -- escapes in JSON, bytes beyond ASCII

local function patch()
  local value <close> = secret.from(TEXT) -- closed when the answer comes, as the caller's may be
  return graph.request(GRAPH, "PATCH", "/users/0000", nil, { passwordProfile = { password = value } })
end

local function answer(status, body, headers)
  return gate.answer(status, headers or {}, type(body) == "string" and body or json.encode(body))
end

-- No text in the value, at any depth, holds what was sent.
local function assert_clean(value)
  if type(value) == "string" then
    assert.is_nil(value:find(TEXT, 1, true))
    assert.is_nil(value:find("Correct-", 1, true))
  elseif type(value) == "table" then
    for name, member in pairs(value) do
      assert_clean(name)
      assert_clean(member)
    end
  end
end

describe("an answer that echoes the password it was sent", function()
  it("gives it back as a secret where it is the whole of a text", function()
    local value = assert(graph.judge(patch(), answer(200, { displayName = TEXT, list = { TEXT, "plain" }, n = 7 })))
    assert.is_true(secret.is(value.displayName))
    assert.is_true(secret.equals(value.displayName, secret.from(TEXT)))
    assert.equal("value", secret.kind(value.displayName))
    assert.is_true(secret.is(value.list[1]))
    assert.equal("plain", value.list[2])
    assert.equal(7, value.n)
  end)

  it("masks it in a longer text, also escaped and coded", function()
    local value = assert(graph.judge(patch(), answer(200, {
      plain = "it is " .. TEXT .. ", yes", base64 = crypto.base64(TEXT), hex = crypto.hex(TEXT),
      url = "a=Correct%2D%22Horse%22%2D7%C3%A9", json = json.encode(TEXT), other = "nothing here",
    })))
    assert.equal("it is [secret], yes", value.plain)
    assert.equal("[secret]", value.base64)
    assert.equal("[secret]", value.hex)
    assert.equal("a=[secret]", value.url)
    assert.equal('"[secret]"', value.json)
    assert.equal("nothing here", value.other)
  end)

  it("is found however JSON writes its characters", function()
    local coded = TEXT:gsub("[%z\1-\127]", function(c) return ("\\u%04x"):format(c:byte()) end)
    local value = assert(graph.judge(patch(), answer(200, ('{"a":"%s","b":"x%s"}'):format(coded, coded))))
    assert.is_true(secret.is(value.a))
    assert.equal("x[secret]", value.b)
  end)

  it("is refused when it hides the password in a member's name", function()
    local value, failure = graph.judge(patch(), answer(200, { [TEXT] = 1 }))
    assert.is_nil(value)
    assert.equal("bad_answer", failure.kind)
    assert.equal("the answer is not JSON: JSON has a secret in a member's name", failure.message)
  end)

  it("masks it in what a refusal says, and in headers", function()
    local sent = patch()
    local body = { error = { code = "Bad", message = "the password " .. TEXT .. " is weak",
      details = { { code = "x", message = TEXT, target = TEXT } } } }
    local reply = answer(400, body, { ["X-Echo"] = "it is Correct-%22Horse%22-7%C3%A9" })
    local value, failure = graph.judge(sent, reply)
    assert.is_nil(value)
    assert.equal("the password [secret] is weak", failure.message)
    assert_clean(failure)
    assert.equal("it is [secret]", reply:header "x-echo")
    assert_clean(select(2, graph.judge(patch(), answer(500, "<html>" .. TEXT .. "</html>"))))
  end)

  it("does so for each part of a batch", function()
    local function inner(id, text)
      return { id = id, method = "PATCH", url = "/users/" .. id,
        body = { passwordProfile = { password = secret.from(text) } } }
    end
    local sent = graph.request(GRAPH, "POST", "/$batch", nil, {
      requests = { inner("1", "First-Horse-1"), inner("2", "Second-Horse-2") },
    })
    local outcomes = assert(graph.judge_batch(sent, answer(200, { responses = {
      { id = "1", status = 200, body = { mail = "Second-Horse-2" } },
      { id = "2", status = 400, body = { error = { code = "x", message = "not First-Horse-1" } } },
    } })))
    assert.is_true(secret.is(outcomes["1"].value.mail))
    assert.equal("not [secret]", outcomes["2"].failure.message)
  end)

  it("does so at Devolutions Server, too", function()
    local value <close> = secret.from(TEXT)
    local function put()
      return devolutions.request(SERVER, "PUT", "/api/v1/vault/v/entry/e", nil, { data = { password = value } })
    end
    local kept = assert(devolutions.judge(put(), answer(200, { name = TEXT, data = { note = "<" .. TEXT .. ">" } })))
    assert.is_true(secret.is(kept.name))
    assert.equal("<[secret]>", kept.data.note)
    local _, failure = devolutions.judge(put(), answer(400, { message = "bad: " .. TEXT }))
    assert.equal("bad: [secret]", failure.message)
  end)

  it("leaves alone what a call without secrets brings", function()
    local value = assert(graph.judge(graph.request(GRAPH, "GET", "/users/0000"), answer(200, { displayName = "Ann" })))
    assert.equal("Ann", value.displayName)
  end)
end)

describe("the answer to a batch", function()
  local function judge(...)
    local sent = graph.request(GRAPH, "POST", "/$batch", nil, {
      requests = { { id = "1", method = "DELETE", url = "/users/1" }, { id = "2", method = "GET", url = "/users/2" } },
    })
    return graph.judge_batch(sent, answer(200, { responses = { ... } }))
  end

  it("is none when it answers an id twice", function()
    local outcomes, failure = judge({ id = "1", status = 204 }, { id = "2", status = 200, body = {} },
      { id = "1", status = 404, body = { error = { code = "x" } } })
    assert.is_nil(outcomes)
    assert.equal("bad_answer", failure.kind)
    assert.equal("the answer to the batch has two outcomes for the request '1'", failure.message)
    assert.truthy(judge({ id = "1", status = 204 }, { id = "2", status = 200, body = {} }))
  end)
end)
