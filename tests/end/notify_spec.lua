-- takes 15 s: a provider, its hand-over, and looks at them
--- moonlatch notify: the bundled scripts that tell, by the built program, at a service that shares nothing with it.

local job = require "setup_job"
local json = require "host.json"
local process = require "host.process"
local sys = require "host.sys"

local must = job.must
local NAME = "PAM <!here> [x](http://evil.test)"

local RULES = [[
local notice = require "notice"
local what = { expiring = { first = "400d" }, rotation = {} }
return notice { summary = "all of them", rules = {
  { to = "notify/webhook", what = what }, { to = "notify/slack", what = what }, { to = "notify/teams", what = what },
  { to = "notify/sendmail", args = { to = { "a@contoso.com", "b@contoso.com" } }, what = what },
} }
]]

describe("moonlatch notify", function()
  local emu, child, service, rules

  local function read_log()
    local requests = {}
    for line in assert(sys.read(service.log, 1 << 20)):gmatch "[^\n]+" do
      requests[#requests + 1] = assert(json.decode(line))
    end
    return requests
  end

  -- The requests that arrived since the log was last emptied.
  local function arrived()
    local requests = read_log()
    assert(sys.write(service.log, "", "replace"))
    return requests
  end

  local function notify(...) return emu:run { "notify", rules, "--offline", ... } end

  -- Put peers and a program into the profile.
  local function configure(webhook)
    local hook = ('{ url = { from = "file", path = %q }, ca = %q }'):format(emu.place.path .. "/hook", service.ca)
    local peers = ('notices = { url = "%s/webhook", ca = %q, credential = { webhook = { from = "file", path = %q } } }'
      .. ", slack = %s, teams = %s"):format(service.base, service.ca, webhook, hook, hook)
    emu:configure(function(text)
      return (text:gsub("peers = %b{}, programs = %b{},\n", "")
        :gsub("emulator = { clock", ("peers = {%s}, programs = { sendmail = { '/usr/bin/tee', '%s' } },\n%%0")
          :format(peers, emu.place.path .. "/mail")))
    end)
  end

  setup(function()
    emu = job.emulator("cloud")
    local folder = emu.place.path .. "/service"
    assert(sys.mkdir(folder))
    child = assert(process.start({ "/usr/bin/python3", "-B", SOURCE .. "/tests/service.py", folder }, nil, nil, "kept"))
    service = assert(json.decode(assert(child:line(30))))
    emu.place:write("whsec", "whsec_" .. service.signing)
    emu.place:write("wrong", "whsec_" .. service.signing:reverse():gsub("^=+", ""):sub(1, 40))
    emu.place:write("hook", service.base .. service.hook .. "?sig=a1b2c3d4e5")
    rules = emu.place:write("rules.lua", RULES)
    assert(sys.write(service.log, "", "replace"))
    configure(emu.place.path .. "/whsec")
  end)
  teardown(function()
    child:close()
    local _ <close> = emu
  end)

  it("sends a test to each target", function()
    local outcome = must(notify("--test"), 0)
    assert.equal("notify/webhook: delivered\nnotify/slack: delivered\nnotify/teams: delivered\n"
      .. 'notify/sendmail to=["a@contoso.com","b@contoso.com"]: delivered\n', outcome.out)
    assert.equal(3, #arrived())
  end)

  it("sends a sign of life when there is nothing to tell, once", function()
    local status, document = emu:json { "notify", rules, "--offline" }
    assert.equal(0, status)
    for i = 1, 4 do assert.same({ "alive", 1, 0 }, { document.targets[i].notices[1].kind,
      document.targets[i].delivered, document.targets[i].waiting }) end
    assert.equal(3, #arrived())
    local outcome = must(notify(), 0)
    assert.truthy(outcome.out:find("notify/webhook: nothing to tell, 0 delivered", 1, true), outcome.out)
    assert.equal(0, #arrived())
  end)

  it("tells what expires, signed, and with a hostile name as text", function()
    must(job.apply(emu, "--name", NAME), 1)
    must(notify(), 0)
    local requests = arrived()
    local data = json.decode(requests[1].body).data
    assert.equal(data.id, requests[1].headers["webhook-id"])
    assert.same({ "/webhook", "findings", 2 }, { requests[1].path, data.kind, #data.items })
    assert.truthy(data.items[1].title:find("^the client secret …%x+ of 'PAM <!here> %[x%]%(http://evil.test%)', "
      .. "waiting: expires in 365 days, on "), data.items[1].title)

    local slack = json.decode(requests[2].body)
    assert.is_false(slack.mrkdwn)
    assert.is_nil(slack.text:find "[<>]")
    assert.truthy(slack.text:find("PAM &lt;!here&gt;", 1, true))

    local card = json.decode(requests[3].body).attachments[1].content
    assert.equal("AdaptiveCard", card.type)
    for _, block in ipairs(card.body) do
      assert.same({ "RichTextBlock", "TextRun" }, { block.type, block.inlines[1].type }) -- no Markdown is read there
    end
    assert.equal(data.title, card.body[1].inlines[1].text)

    local mail = assert(sys.read(emu.place.path .. "/mail", 65536))
    assert.truthy(mail:find("\r\nTo: a@contoso.com,\r\n b@contoso.com\r\nSubject: =?utf-8?B?", 1, true), mail)
    assert.equal(0, #(must(notify(), 0) and arrived()))
  end)

  it("sends no secret and no hint", function()
    local path = emu.place.path .. "/given"
    must(emu:run { "handover", "--secret-file", path }, 0)
    local secret = assert(sys.read(path, 4096)):gsub("%s+$", "")
    must(emu:run { "handover", "--confirm" }, 0)
    must(notify(), 0)
    local bodies = {}
    for i, request in ipairs(arrived()) do bodies[i] = request.body end
    local text = table.concat(bodies) .. assert(sys.read(emu.place.path .. "/mail", 65536))
    assert.truthy(text:find("resolved", 1, true))
    assert.is_nil(text:find(secret, 1, true))
    assert.is_nil(text:find(secret:sub(1, 8), 1, true))
  end)

  it("tells by the others that one target cannot be told, and tries again with the same id", function()
    configure(emu.place.path .. "/wrong")
    emu:later "340d"
    must(job.apply(emu, "--name", NAME), 1)
    local outcome = must(notify(), 1)
    assert.truthy(outcome.out:find("notify/webhook: 1 notice, 0 delivered, 1 waiting", 1, true), outcome.out)
    assert.truthy(outcome.err:find("error: send a notice to the webhook\n  why: ", 1, true), outcome.err)
    local first = arrived()[1]
    must(notify(), 1)
    local told = json.decode(arrived()[1].body).text -- the webhook is not tried yet: this is Slack
    assert.truthy(told:find("notices are not delivered to notify/webhook", 1, true), told)

    configure(emu.place.path .. "/whsec")
    emu:later "1d"
    must(notify(), 0)
    local again, slack = table.unpack(arrived()) -- what waits goes first
    assert.same({ first.headers["webhook-id"], first.body }, { again.headers["webhook-id"], again.body })
    assert.truthy(json.decode(slack.body).text:find("resolved: notices are not delivered to notify/webhook", 1, true))
  end)

  it("tells that a policy could not run, once, and then that it could", function()
    emu:fault "login POST /** 400 always"
    must(emu:run { "rotate", "policies/app-client-secrets", "--yes" }, 1)
    emu:control("DELETE", "/faults")
    must(notify(), 0)
    local item = json.decode(arrived()[1].body).data.items[1]
    assert.same({ "new", "rotation", "critical" }, { item.state, item.kind, item.severity })
    assert.truthy(item.title:find("policies/app-client-secrets could not run: ", 1, true), item.title)
    must(notify(), 0)
    assert.equal(0, #arrived())
    emu:run { "rotate", "policies/app-client-secrets", "--yes" }
    must(notify(), 0)
    local items = json.decode(arrived()[1].body).data.items
    assert.same({ "resolved", item.key }, { items[#items].state, items[#items].key })
  end)

  it("tells what could not be looked at, with exit status 3", function()
    emu:fault "login POST /** 400 always"
    local outcome = must(emu:run { "notify", rules }, 3)
    emu:control("DELETE", "/faults")
    assert.truthy(outcome.out:find("unknown: it is not known what expires in the tenant", 1, true), outcome.out)
    assert.truthy(arrived()[1].body:find("it is not known what expires in the tenant", 1, true))
  end)

  it("tells by mail that Graph sends, and says why Graph does not", function()
    local function mail_from(mailbox)
      return emu:run { "notify", emu.place:write("mail.lua", ([[return require("notice") { summary = "mail", rules = {
        { to = "notify/mail", args = { mailbox = %q, to = { "a@contoso.com" } }, what = { rotation = {} } } } }]])
        :format(mailbox)), "--offline", "--test" }
    end
    emu:control("DELETE", "/requests")
    must(mail_from "adele@contoso.onmicrosoft.com", 0)
    local sent
    for _, request in ipairs(emu:control("GET", "/requests").requests) do
      if request.path:find("/sendMail", 1, true) then sent = request end
    end
    assert.same({ "POST", 202 }, { sent.method, sent.status })
    local outcome = must(mail_from "priya@contoso.onmicrosoft.com", 1) -- a person sends from the own mailbox only
    assert.truthy(outcome.err:find("error: send a mail from priya@contoso.onmicrosoft.com\n  why: ", 1, true),
      outcome.err)
    assert.truthy(outcome.err:find("ErrorAccessDenied", 1, true), outcome.err)
    must(mail_from "nobody@contoso.onmicrosoft.com", 1)
  end)

  it("explains rules that cannot be used", function()
    local function refused(...)
      local outcome = must(emu:run { "notify", ... }, 2)
      return outcome.err
    end
    assert.truthy(refused():find("why: RULES is missing\n  fix: Copy one and edit it: moonlatch scripts copy "
      .. "notices/team", 1, true))
    assert.truthy(refused("policies/tier0-users"):find("why: the script of that name has no rules for notices", 1,
      true))
    local wrong = emu.place:write("wrong.lua", (RULES:gsub("notify/webhook", "doctor")))
    local outcome = must(emu:run { "notify", wrong }, 1)
    assert.truthy(outcome.err:find("why: this script has no function `tell`", 1, true), outcome.err)
    outcome = must(emu:run { "run", "notify/teams" }, 2)
    assert.truthy(outcome.err:find('why: this script tells what rules for notices hand to it\n  fix: Name it in such '
      .. 'rules: to = "notify/teams".', 1, true), outcome.err)
    outcome = must(emu:run { "run", rules }, 2)
    assert.truthy(outcome.err:find("fix: Run `moonlatch notify " .. rules .. "`.", 1, true), outcome.err)
  end)
end)
