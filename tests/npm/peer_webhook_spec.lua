--- Our signatures before a receiver that others wrote: standardwebhooks, the library of the scheme's authors.

local moonlatch = require "moonlatch"
local peers = require "peers"

local SCRIPT = [[
local peer = require "peer"
return {
  summary = "tell", needs = { peers = { hook = { "POST /" } } },
  args = { text = { type = "string", required = true, help = "to send" } },
  run = function(args) print(peer.hook:post("/", { type = "test", data = { text = args.text } }).status) end,
}
]]

describe("a message for a receiver of Standard Webhooks", function()
  local lacking = peers.lacking("standardwebhooks")
  if lacking then
    pending(lacking)
    return
  end

  local place, receiver, home

  setup(function()
    place = peers.place()
    receiver = peers.start("webhook.mjs", place)
    home = moonlatch.place()
    home:write("key", ("k"):rep(64))
    home:write("moonlatch.lua", ([[return { profiles = { p = { emulator = true, tenant = "contoso.com",
      cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:2" }, key = { from = "file", path = "key" },
      peers = { hook = { url = %q, ca = %q, credential = { webhook = { from = "file", path = "secret" } } } } } } }]])
      :format(receiver.ready.base, place.path .. "/ca.pem"))
  end)
  teardown(function()
    receiver:__close()
    place:__close()
    local _ <close> = home
  end)

  local function send(text)
    return home:run { "run", home:write("tell.lua", SCRIPT), "--text", text, "--config", home.path .. "/moonlatch.lua" }
  end

  it("verifies, whatever characters it has", function()
    home:write("secret", receiver.ready.secret .. "\n")
    for _, text in ipairs { "plain", "Ünïcode ✅", 'quotes " and \\', ("long "):rep(2000) } do
      local outcome = send(text)
      assert.equal("204\n", outcome.out, outcome.err)
    end
  end)

  it("does not verify when another secret signed it", function()
    home:write("secret", "whsec_" .. ("QUJD"):rep(8))
    local outcome = send "plain"
    assert.equal(1, outcome.status)
    assert.matches("No matching signature found", outcome.err)
  end)
end)
