--- Our cards before the library that Microsoft made of Adaptive Cards: adaptivecards.

local json = require "host.json"
local moonlatch = require "moonlatch"
local peers = require "peers"
local sys = require "host.sys"

-- Sends a notice that is made here, by the bundled script.
local SCRIPT = [[
local json = require "json"
local teams = require "bundled.notify.teams"
return {
  summary = "tell", needs = { peers = { teams = { "POST /" } } },
  args = { notice = { type = "string", required = true, help = "JSON" } },
  run = function(args) teams.tell(json.decode(args.notice), { peer = "teams" }) end,
}
]]

local WRONG = [[
local peer = require "peer"
return {
  summary = "tell", needs = { peers = { teams = { "POST /" } } },
  run = function()
    local content = { type = "AdaptiveCard", version = "1.4", body = { { type = "TextBlok", text = "x" } } }
    peer.teams:post("/", { type = "message",
      attachments = { { contentType = "application/vnd.microsoft.card.adaptive", content = content } } })
  end,
}
]]

describe("a card for Teams", function()
  local lacking = peers.lacking("adaptivecards")
  if lacking then
    pending(lacking)
    return
  end

  local place, receiver, home

  setup(function()
    place = peers.place()
    receiver = peers.start("teams.mjs", place)
    home = moonlatch.place()
    home:write("key", ("k"):rep(64))
    home:write("address", receiver.ready.base .. "/workflows/1/invoke?sig=a1b2c3")
    home:write("moonlatch.lua", ([[return { profiles = { p = { emulator = true, tenant = "contoso.com",
      cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:2" }, key = { from = "file", path = "key" },
      peers = { teams = { url = { from = "file", path = "address" }, ca = %q } } } } }]])
      :format(place.path .. "/ca.pem"))
  end)
  teardown(function()
    receiver:__close()
    place:__close()
    local _ <close> = home
  end)

  -- Send a notice; the cards that arrived.
  local function tell(notice)
    local path = place.path .. "/cards"
    if sys.stat(path) then assert(sys.write(path, "", "replace")) end
    local outcome = home:run { "run", home:write("tell.lua", SCRIPT), "--notice", json.encode(notice), "--config",
      home.path .. "/moonlatch.lua" }
    local cards = {}
    for line in (sys.read(path, 1 << 20) or ""):gmatch "[^\n]+" do cards[#cards + 1] = json.decode(line) end
    return outcome, cards
  end

  local function notice_of(items)
    return { kind = "findings", title = "Moonlatch, contoso.com: 2 findings", text = "some text", items = items }
  end

  local HOSTILE = { "[x](http://evil.test)", "**bold** _i_ `c`", "<at>everyone</at>", "{{DATE(2026-12-01)}}",
    "\u{202e}gnp.exe", 'quotes " and \\', "${title}", "- a list\n1. one" }

  it("is one, without a remark, and its texts are as they were written", function()
    local items = {}
    for i, name in ipairs(HOSTILE) do
      items[i] = { title = name, text = name, fix = name, severity = i % 2 == 0 and "critical" or "warning",
        state = i % 3 == 0 and "resolved" or "new" }
    end
    local outcome, cards = tell(notice_of(items))
    assert.equal(0, outcome.status, outcome.err)
    local texts = {}
    for _, one in ipairs(cards[1].texts) do
      assert.is_true(one.plain, one.text)
      texts[#texts + 1] = one.text
    end
    local expected = { "Moonlatch, contoso.com: 2 findings" }
    for _, name in ipairs(HOSTILE) do
      table.move({ name, name, "What to do: " .. name }, 1, 3, #expected + 1, expected)
    end
    assert.same(expected, texts)
  end)

  it("of a test and of a sign of life is one, too", function()
    local notice = { kind = "test", title = "a test", text = "Nothing has to be done.", items = json.array {} }
    local outcome, cards = tell(notice)
    assert.equal(0, outcome.status, outcome.err)
    assert.equal("Nothing has to be done.", cards[1].texts[2].text)
  end)

  it("stays within what Teams takes, and says how many findings it leaves out", function()
    local items, long = {}, ("é"):rep(300)
    for i = 1, 20 do
      items[i] = { title = i .. " " .. long, text = long, fix = long, severity = "warning", state = "new" }
    end
    local outcome, cards = tell(notice_of(items))
    assert.equal(0, outcome.status, outcome.err)
    local last = cards[1].texts[#cards[1].texts].text
    assert.matches("^and %d+ more: `moonlatch expiring`, `moonlatch doctor` and `moonlatch journal list` tell of them$",
      last)
    assert(cards[1].size > 20000, cards[1].size)
  end)

  it("that has an error would be refused there", function()
    local outcome = home:run { "run", home:write("wrong.lua", WRONG), "--config", home.path .. "/moonlatch.lua" }
    assert.equal(1, outcome.status)
    assert.matches("400 InvalidCard: .*TextBlok", outcome.err)
  end)
end)
