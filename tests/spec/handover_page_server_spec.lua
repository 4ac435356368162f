-- takes 5 s: a person asks the page by curl
--- The hand-over's page, asked by curl: what it answers, and all that it refuses.

local crypto = require "host.crypto"
local curl = require "curl"
local desks = require "desk"
local desktop = require "http.desktop"
local give = require "handover.deliver"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local neighbour = require "http.neighbour"
local output = require "log.output"
local pages = require "handover.page"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local stage = require "stage"
local states = require "handover.state"
local sys = require "host.sys"
local talk = require "handover.terminal"
local scheduler = require "task.scheduler"
local visit = require "handover.page_server"

local OTHER = "12345" -- a user who is not the one who runs the tests

local desk, page, told, warn, bodies

local function turn(ms) page:turn(ms) end

-- curl's outcome; what was answered is kept, to be searched for the secret.
local function keep(outcome)
  bodies[#bodies + 1] = outcome.head .. outcome.out
  return outcome
end

local function get(...) return keep(curl.run(turn, ...)) end

-- What the page's own script sends.
local function words_for(path, body, changed)
  local sent = {
    Origin = page.base, ["Sec-Fetch-Site"] = "same-origin", ["Content-Type"] = "application/json",
    ["Moonlatch-Session"] = page.session,
  }
  for name, value in pairs(changed or {}) do sent[name] = value or nil end
  local words = { "-d", body or "{}", page.base .. path }
  for name, value in pairs(sent) do table.move({ "-H", name .. ": " .. value }, 1, 2, #words + 1, words) end
  return words
end

local function post(path, body, changed) return get(table.unpack(words_for(path, body, changed))) end

local function status(...) return post(...).status end

local function exchange(token) return post("/session", json.encode { token = token }) end

local function begin()
  local answer = exchange(page:invite():match "#(.+)$")
  assert.equal(200, answer.status, answer.out)
  return json.decode(answer.out).session
end

local function as_other(...)
  local words = { "setpriv", "--reuid=" .. OTHER, "--regid=" .. OTHER, "--clear-groups", "curl", "-sS", "-w",
    "%{http_code}", "-o", "/dev/null", ... }
  return curl.finish(curl.program(words), turn).out
end

local function is_root() return sys.user() == "root" end

describe("the hand-over's page", function()
  before_each(function()
    bodies, told = {}, {}
    desk = desks.new()
    page = visit.open(desk, neighbour.person "test")
    warn = stub(log, "warn", function(text) told[#told + 1] = text end)
  end)
  after_each(function()
    warn:revert()
    page:close()
    for _, body in ipairs(bodies) do assert.is_nil(body:find(desks.SECRET, 1, true), "the secret is in an answer") end
  end)

  it("is the same for everybody, holds nothing, and runs nothing but its own script", function()
    local url = page:invite()
    local answer = get(page.base .. "/")
    assert.equal(200, answer.status)
    for _, text in ipairs { "contoso", "Devolutions PAM", "8f0d6a51", "1c0c7a9e", url:match "#(.+)$" } do
      assert.is_nil(answer.out:find(text, 1, true), text .. " is in the page")
    end
    local function hashed(name)
      local text = answer.out:match("<" .. name .. ">(.-)</" .. name .. ">")
      return "'sha256-" .. crypto.base64(crypto.digest("sha256", text)) .. "'"
    end
    assert.is_nil(answer.out:find("<script>.*<script"))
    assert.is_nil(answer.out:find("https?://"), "the page names another place")
    local headers = {}
    for name, value in answer.head:gsub("\r", ""):gmatch("\n([%w-]+): ([^\n]+)") do headers[name] = value end
    headers.Date, headers["Content-Length"], headers.Connection = nil, nil, nil
    assert.same({
      ["Content-Type"] = "text/html; charset=utf-8", ["Cache-Control"] = "no-store",
      ["Content-Security-Policy"] = "default-src 'none'; style-src " .. hashed "style" .. "; script-src "
        .. hashed "script" .. "; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      ["Referrer-Policy"] = "no-referrer", ["X-Content-Type-Options"] = "nosniff",
      ["Cross-Origin-Opener-Policy"] = "same-origin", ["Cross-Origin-Resource-Policy"] = "same-origin",
    }, headers)
  end)

  it("names the command of the terminal with the options of this run, as text", function()
    hint.use({ profile = "<b>&'" }, { handover = { "profile" } })
    page:close()
    page = visit.open(desk, neighbour.person "test")
    hint.use({}, {})
    local html = get(page.base .. "/").out
    local command = "moonlatch --profile &#39;&lt;b&gt;&amp;&#39;\\&#39;&#39;&#39; handover</code>"
    local first = html:find(command, 1, true)
    assert(first and html:find(command, first + 1, true), html:match "The command <code>[^\n]*")
    assert.is_nil(html:find("@COMMAND@", 1, true))
  end)

  it("gives a session for the token of its address, once, and then the state", function()
    local token = page:invite():match "^http://127%.0%.0%.1:%d+/#([%w_-]+)$"
    assert.equal(43, #token)
    assert.equal(401, status("/session", json.encode { token = "guess" }))
    assert.equal(401, status("/session", "{}"))
    assert.equal(401, status("/state"))
    local session = json.decode(exchange(token).out).session
    assert.equal(43, #session)
    assert.equal(401, exchange(token).status)
    local answer = post("/state")
    assert.matches("\nCache%-Control: no%-store\r\n", answer.head)
    local state = json.decode(answer.out)
    assert.equal("Devolutions PAM", state.name)
    assert.equal("permissions", state.next)
    assert.same({ sys.user(), false, false }, { state.page.person, state.page.given, state.page.tested })
    assert.equal(401, status("/state", "{}", { ["Moonlatch-Session"] = "guess" }))
    assert.equal(401, status("/state", "{}", { ["Moonlatch-Session"] = false }))
    assert.equal(401, status("/state", "{}", { ["Moonlatch-Session"] = token }))
  end)

  it("ends a session when a new address is asked for", function()
    local session = begin()
    assert.equal(200, status "/state")
    local token = page:invite():match "#(.+)$"
    for _, path in ipairs { "/state", "/secret", "/tick", "/tested", "/confirm", "/calendar", "/end" } do
      assert.equal(401, status(path, "{}", { ["Moonlatch-Session"] = session }), path)
    end
    assert.equal(200, exchange(token).status)
    assert.equal(401, status("/state", "{}", { ["Moonlatch-Session"] = session }))
    assert.equal(200, status "/state")
    assert.same({}, desk.log)
  end)

  it("gives the secret once for each address, on record before", function()
    begin()
    local answer = curl.run(turn, table.unpack(words_for("/secret")))
    assert.equal(('{"secret":"%s"}'):format(desks.SECRET), answer.out)
    assert.matches("\nCache%-Control: no%-store\r\n", answer.head)
    assert.same({ "give", "given" }, desk.log)
    local again = post "/secret"
    assert.equal(409, again.status)
    assert.equal("The secret was given once for this address. Press Enter in the terminal for a new address.",
      json.decode(again.out).error)
    assert.is_true(json.decode(post("/state").out).page.given)
    assert.same({ "give", "given" }, desk.log)
    begin()
    assert.equal(200, curl.run(turn, table.unpack(words_for("/secret"))).status)
    assert.same({ "give", "given", "give", "given" }, desk.log)
  end)

  it("ticks, notes the test, and confirms; each answers with the state", function()
    begin()
    local state = json.decode(post("/tick", '{"key":"permissions","done":true}').out)
    assert.same({ "done", "services" }, { state.items[3].state, state.next })
    state = json.decode(post("/tick", '{"key":"permissions","done":false}').out)
    assert.equal("open", state.items[3].state)
    assert.is_true(json.decode(post("/tested", '{"done":true}').out).page.tested)
    state = json.decode(post("/confirm", '{"id":"r-1"}').out)
    assert.equal("in use", state.secret.state)
    assert.same({ "tick permissions true", "tick permissions false", "confirm r-1 true" }, desk.log)
  end)

  it("gives the calendar, and ends when told", function()
    begin()
    local answer = post "/calendar"
    assert.matches("\nContent%-Type: text/calendar; charset=utf%-8\r\n", answer.head)
    assert.equal(desk.calendar(), answer.out)
    assert.is_nil(page.finished)
    assert.equal(200, status "/end")
    assert.is_true(page.finished)
  end)

  it("answers under its own name only", function()
    begin()
    for _, host in ipairs { "localhost:" .. page.port, "127.0.0.1", "evil.example", "127.0.0.1:1", "127.0.0.1.:" ..
      page.port } do
      assert.equal(403, get("-H", "Host: " .. host, page.base .. "/").status, host)
      assert.equal(403, status("/state", "{}", { Host = host }), host)
    end
    assert.equal(200, status "/state")
  end)

  it("answers its own page only", function()
    begin()
    for _, origin in ipairs { "null", "https://evil.example", "http://localhost:" .. page.port, "http://127.0.0.1",
      page.base .. "/", page.base:upper() } do
      assert.equal(403, status("/secret", "{}", { Origin = origin }), origin)
    end
    assert.equal(403, status("/secret", "{}", { Origin = false }))
    for _, site in ipairs { "cross-site", "same-site", "none", "" } do
      assert.equal(403, status("/secret", "{}", { ["Sec-Fetch-Site"] = site }), site)
    end
    assert.equal(403, status("/secret", "{}", { ["Sec-Fetch-Site"] = false }))
    assert.equal(415, status("/secret", "{}", { ["Content-Type"] = "text/plain" }))
    assert.equal(415, status("/secret", "[1", nil))
    assert.equal(415, status("/secret", '"x"', nil))
    assert.same({}, desk.log)
  end)

  it("takes each path by its one method", function()
    begin()
    for _, path in ipairs { "/session", "/state", "/secret", "/tick", "/tested", "/confirm", "/calendar", "/end" } do
      for _, method in ipairs { "GET", "OPTIONS" } do
        local words = words_for(path)
        table.move({ "-X", method }, 1, 2, #words + 1, words)
        assert.equal(405, get(table.unpack(words)).status, method .. " " .. path)
      end
    end
    assert.equal(405, status "/")
    assert.equal(404, status "/secret/")
    assert.equal(404, status "/favicon.ico")
    assert.same({}, desk.log)
  end)

  it("says what the hand-over refuses, and goes on", function()
    begin()
    desk.refuses = "tick 'permissions': not now"
    local answer = post("/tick", '{"key":"permissions","done":true}')
    assert.same({ 409, "tick 'permissions': not now" }, { answer.status, json.decode(answer.out).error })
    assert.equal(409, status "/secret")
    assert.same({ desk.refuses, desk.refuses }, told)
    desk.refuses = nil
    assert.equal('{"secret":', curl.run(turn, table.unpack(words_for("/secret"))).out:sub(1, 10))
  end)

  it("goes on when something fails after the secret was sent", function()
    begin()
    function desk.given() error("the disk is full", 0) end
    assert.equal(200, curl.run(turn, table.unpack(words_for("/secret"))).status)
    assert.same({ "the disk is full" }, told)
    assert.equal(409, status "/secret")
  end)

  it("is gone when it is closed", function()
    begin()
    local words = words_for "/state"
    page:close()
    assert.equal(7, curl.finish(curl.start(table.unpack(words)), function(ms) sys.sleep(ms) end).exit)
  end)

  it("has ten minutes from the last thing a person said", function()
    begin()
    local now = sys.monotonic() // 1 -- sums of whole seconds are exact
    local clock = stub(sys, "monotonic", function() return now end)
    page:invite()
    now = now + 599
    assert.equal(1, page:ends_in())
    begin()
    assert.equal(600, page:ends_in())
    now = now + 500
    post "/state"
    assert.equal(100, page:ends_in())
    post("/tick", '{"key":"licence","done":true}')
    assert.equal(600, page:ends_in())
    clock:revert()
  end)

  it("refuses another user, and says so once", function()
    if not is_root() then return pending "only root can ask as another user" end
    begin()
    assert.equal("403", as_other(page.base .. "/"))
    assert.equal("403", as_other(table.unpack(words_for "/state")))
    assert.same({ "refused the page to the user with the number 12345: it is for the user 'root' only" }, told)
    assert.equal(200, status "/state")
  end)

  it("is for the user whom it is for, and not for root, who runs it", function()
    if not is_root() then return pending "only root can ask as another user" end
    page.person = { uid = math.tointeger(OTHER), name = "ann", refused = {} }
    assert.equal("200", as_other(page.base .. "/"))
    assert.equal(403, get(page.base .. "/").status)
    assert.same({ "refused the page to the user with the number 0: it is for the user 'ann' only" }, told)
  end)

  it("refuses a program whose user is unknown to the kernel", function()
    local incoming = { user = function() return nil end }
    assert.is_false(neighbour.sent(page.person, incoming))
    assert.is_false(neighbour.sent({ uid = 0, name = "root", refused = {} }, incoming))
    assert.matches("^refused the page to a program whose user is unknown to the kernel: ", told[1])
  end)
end)

describe("whom a page is for", function()
  it("is the user who is named, and must exist", function()
    assert.same({ uid = 0, name = "root", refused = {} }, neighbour.person("show a page", "root"))
    local ok, failure = pcall(neighbour.person, "show a page", "nobody-of-that-name")
    assert.is_false(ok)
    assert.equal("show a page: there is no user 'nobody-of-that-name' here\nRun the command in a terminal of your own.",
      tostring(failure))
  end)

  it("is nobody when the owner of the terminal cannot be found", function()
    local person = stub(sys, "person", function() return nil, "cannot find the owner of the terminal: fstat failed" end)
    local ok, failure = pcall(neighbour.person, "show a page")
    person:revert()
    assert.is_false(ok)
    assert.equal("show a page: cannot find the owner of the terminal: fstat failed\nRun the command in a terminal "
      .. "of your own.",
      tostring(failure))
  end)
end)

describe("the page from a terminal", function()
  local journal, before
  before_each(function()
    journal = stage.journal()
    states.record(journal, {
      workflow = "w", name = "Devolutions PAM", tenant = "aaaaaaaa-0000-4000-8000-000000000001", client_id = "c-1",
      application = "obj-1", consumer = "cloud", address = "https://contoso.devolutions.app", linked = false,
      roles = {},
    })
    before = { visit.PATIENCE, talk.ask }
  end)
  after_each(function() visit.PATIENCE, talk.ask = before[1], before[2] end)

  local function secret_row()
    local row = rows:new(journal, { application = "obj-1", app_id = "c-1", name = "Devolutions PAM", workflow = "w",
      key_id = "0000c7e1", hint = "abc", ends = 1.9e9, known_at = 1.8e9, grace = 1 })
    rows:seal(journal, row, secret.from "a-value-of-a-secret")
    rows:put(journal, row, "proven")
    return row
  end

  it("ends by itself, and says why", function()
    local said = {}
    local _ <close> = output.divert_to(function(text) said[#said + 1] = text end)
    visit.PATIENCE = 0
    scheduler.run(function(ms) sys.sleep(ms) return 0 end, pages.serve, journal, states.rows(journal)[1])
    assert.equal("Open this address in a browser on this computer:", said[1])
    assert.matches("^http://127%.0%.0%.1:%d+/#[%w_-]+$", said[2])
    assert.equal("The page ended by itself: nobody used it for ten minutes, or it was open for an hour.", said[#said])
  end)

  it("is offered where there is a desktop, and its word counts", function()
    local here = stub(desktop, "is_available", function() return true end)
    local row, asked = secret_row(), {}
    local serve = stub(pages, "serve", function(_, handover)
      local other = rows:get(journal, row.id)
      give.record_given(journal, other, "page")
      give.confirm(journal, other, handover.body.name)
    end)
    talk.ask = function(prompt)
      asked[#asked + 1] = prompt
      return "p"
    end
    local state = states.read(journal, states.rows(journal)[1], 1.8e9)
    local outcome = talk.ask_until_confirmed(journal, row, state, { renewable = true })
    serve:revert()
    here:revert()
    assert.same({ "confirmed", 1 }, { outcome, #asked })
    assert.equal("Show the client secret now, to paste it there? [s]how, all of it on a [p]age in your browser, or "
      .. "Enter for later: ", asked[1])
  end)
end)
