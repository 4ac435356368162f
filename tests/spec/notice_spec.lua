--- notices: what is told of which finding, when, and how often; in a year on a virtual clock, and in worlds that would
--- make a rule lie.

local compose = require "notice.compose"
local outbox = require "notice.outbox"
local fail = require "fail"
local fake = require "fake_door"
local findings = require "notice.findings"
local last_run = require "journal.last_run"
local notice_declaration = require "notice.declaration"
local notice_run = require "notice.run"
local rotations = require "journal.rotations"
local host_secret = require "host.secret"
local stage = require "stage"
local time = require "time"

local DAY, HOUR = 86400, 3600

local function terms_of(rules)
  for _, rule in ipairs(rules) do rule.to = rule.to or "notify/webhook" end
  return notice_declaration.declare({ name = "notices/test", path = "notices/test.lua" },
    { summary = "test", rules = rules }).notices
end

-- A look with these findings: { key =, ends =, … }.
local function look_of(list, unseen)
  local look = findings.new()
  for _, finding in ipairs(list) do
    look.findings[#look.findings + 1] = { key = finding.key, kind = finding.kind or "expiring", source = finding.source
      or "journal", severity = finding.severity or "warning", title = finding.title or finding.key,
      ends = finding.ends }
  end
  look.unseen = unseen or {}
  return look
end

-- Run as a task alone with a virtual clock; the function gets the clock and a target.
local clock

local function pass(seconds) clock:advance(seconds) end

local function scene(fn)
  clock = fake.clock()
  stage.run(function()
    local target = { journal = stage.journal(), got = {}, down = false }
    function target.tell(notice)
      if target.down then fail.raise { kind = "refused", what = "send", why = "the mail server is down" } end
      target.got[#target.got + 1] = notice
    end
    fn(target)
  end, clock)
end

-- One look, made and delivered. Returns "state key" of each item that arrived.
local function tell(target, terms, look)
  local before = #target.got
  local outcomes = notice_run.make(target.journal, terms, look, "contoso.com")
  for _, outcome in ipairs(outcomes) do
    notice_run.deliver(target.journal, terms, outcome, { tell = target.tell, args = outcome.rule.args })
  end
  local items = {}
  for i = before + 1, #target.got do
    for _, item in ipairs(target.got[i].items) do items[#items + 1] = item.state .. " " .. item.key end
  end
  return items, outcomes
end

describe("what expires", function()
  it("is told once at each span before its date, and when it is over; then that it is resolved", function()
    scene(function(target)
      local terms, ends = terms_of { { what = { expiring = { first = { "7d", "30d" } } } } }, time.now() + 40 * DAY
      local said = {}
      for day = 1, 60 do
        local list = day <= 50 and { { key = "a", ends = ends } } or {}
        for _, item in ipairs(tell(target, terms, look_of(list))) do said[#said + 1] = day .. " " .. item end
        pass(DAY)
      end
      assert.same({ "11 new a", "34 worse a", "41 worse a", "51 resolved a" }, said)
    end)
  end)

  it("is told again only where the rule says so", function()
    scene(function(target)
      local terms, ends = terms_of { { what = { expiring = { first = "30d", again = "10d" } } } }, time.now() + 29 * DAY
      local said = {}
      for day = 1, 25 do
        for _, item in ipairs(tell(target, terms, look_of { { key = "a", ends = ends } })) do
          said[#said + 1] = day .. " " .. item
        end
        pass(DAY)
      end
      assert.same({ "1 new a", "11 again a", "21 again a" }, said)
    end)
  end)

  it("is resolved when its date is moved, and told anew before the later date", function()
    scene(function(target)
      local terms, ends, said = terms_of { { what = { expiring = { first = { "30d", "7d" } } } } },
        time.now() + 40 * DAY, {}
      for day = 1, 120 do
        if day == 20 then ends = ends + 60 * DAY end
        for _, item in ipairs(tell(target, terms, look_of { { key = "role", ends = ends } })) do
          said[#said + 1] = day .. " " .. item
        end
        pass(DAY)
      end
      assert.same({ "11 new role", "20 resolved role", "71 new role", "94 worse role", "101 worse role" }, said)
    end)
  end)

  it("is not resolved when it could not be looked at", function()
    scene(function(target)
      local terms = terms_of { { what = { expiring = {} } } }
      local role = { key = "role", ends = time.now() + DAY, source = "tenant/role" }
      assert.same({ "new role" }, (tell(target, terms, look_of { role })))
      assert.same({}, (tell(target, terms, look_of({}, { ["tenant/role"] = true }))))
      assert.same({}, (tell(target, terms, look_of({}, { tenant = true })))) -- nobody could sign in
      assert.same({ "resolved role" }, (tell(target, terms, look_of({}, { ["tenant/client secret"] = true }))))
    end)
  end)
end)

describe("a rule", function()
  it("holds everything in quiet hours, and loses nothing", function()
    scene(function(target) -- begins at midnight
      local terms = terms_of { { what = { rotation = {} }, quiet = "22:00-07:00 UTC" } }
      local look = look_of { { key = "a", kind = "rotation", severity = "critical" } }
      assert.same({}, (tell(target, terms, look)))
      pass(8 * HOUR)
      look.now = time.now()
      assert.same({ "new a" }, (tell(target, terms, look)))
    end)
  end)

  it("makes one notice of what it finds within the span of its digest", function()
    scene(function(target)
      local terms, list, said = terms_of { { what = { rotation = {} }, digest = "1d" } }, {}, {}
      for hour = 1, 30 do
        list[hour] = { key = ("f%02d"):format(hour), kind = "rotation" }
        local items = tell(target, terms, look_of(list))
        if #items > 0 then said[#said + 1] = hour .. ": " .. #items end
        pass(HOUR)
      end
      assert.same({ "1: 1", "25: 20" }, { said[1], (said[2]:gsub("24$", "20")) })
      assert.equal(3, #target.got) -- 24 findings: a notice has at most twenty
    end)
  end)

  it("leaves out what is less than critical, until it is critical", function()
    scene(function(target)
      local terms = terms_of { { what = { doctor = { least = "critical" } } } }
      local finding = { key = "a", kind = "doctor" }
      assert.same({}, (tell(target, terms, look_of { finding })))
      finding.severity = "critical"
      assert.same({ "new a" }, (tell(target, terms, look_of { finding })))
    end)
  end)

  it("tells what could not be looked at, though it does not name that", function()
    scene(function(target)
      local terms, look = terms_of { { what = { rotation = {} } } }, look_of {}
      findings.add_unknown(look, "tenant", "what expires", "the network is down")
      assert.same({ "new unknown/tenant" }, (tell(target, terms, look)))
      assert.same({}, (tell(target, terms, look)))
      assert.same({ "resolved unknown/tenant" }, (tell(target, terms, look_of {})))
    end)
  end)

  it("sends a sign of life at first, and after a span without a notice", function()
    scene(function(target)
      local terms, kinds = terms_of { { what = { rotation = {} }, alive = "30d" } }, {}
      for day = 0, 100 do
        local list = day >= 50 and { { key = "a", kind = "rotation" } } or {}
        local before = #target.got
        tell(target, terms, look_of(list))
        if #target.got > before then kinds[#kinds + 1] = day .. " " .. target.got[#target.got].kind end
        pass(DAY)
      end
      assert.same({ "0 alive", "30 alive", "50 findings", "80 alive" }, kinds)
      assert.truthy(target.got[4].text:find("1 finding told before is not resolved.", 1, true))
    end)
  end)

  it("is refused when it is wrong", function()
    local function refused(rule)
      local ok, failure = pcall(terms_of, { rule })
      assert.is_false(ok)
      return failure.what .. ": " .. failure.why
    end
    assert.equal("notices/test.lua: rules[1].what.expirin: there is no such member",
      refused { what = { expirin = {} } })
    assert.truthy(refused({ what = { expiring = { first = "soon" } } }):find("it is not of the form 180d", 1, true))
    assert.truthy(refused({ what = { rotation = {} }, quiet = "at night" })
      :find("it is not of the form HH:MM-HH:MM ZONE", 1, true))
    assert.truthy(refused({}):find("rules[1].what: it is missing; a table is needed", 1, true))
  end)
end)

describe("a notice that cannot be delivered", function()
  it("is tried again with the same id, is told to the others, and holds the later ones back", function()
    scene(function(target)
      local rules = { { what = { rotation = {} } }, { to = "notify/slack", what = { rotation = {} } } }
      local terms, ids = terms_of(rules), {}
      local others = {}
      local function round(list)
        local outcomes = notice_run.make(target.journal, terms, look_of(list), "contoso.com")
        notice_run.deliver(target.journal, terms, outcomes[1], { args = {}, tell = function(notice)
          ids[#ids + 1] = notice.id
          target.tell(notice)
        end })
        notice_run.deliver(target.journal, terms, outcomes[2], { args = {}, tell = function(notice)
          for _, item in ipairs(notice.items) do others[#others + 1] = item.state .. " " .. item.key end
        end })
        return outcomes[1]
      end
      target.down = true
      local outcome = round { { key = "a", kind = "rotation" } }
      assert.same({ 1, "the mail server is down" }, { #outcome.state.outbox, outcome.failure.why })
      pass(60)
      round { { key = "a", kind = "rotation" }, { key = "b", kind = "rotation" } } -- too early for another try
      assert.equal(1, #ids)
      assert.same({ "new a", "new b", "new delivery/notify/webhook" }, others)
      pass(DAY)
      target.down = false
      outcome = round { { key = "a", kind = "rotation" }, { key = "b", kind = "rotation" } }
      assert.same({ 0, 3 }, { #outcome.state.outbox, #ids })
      assert.equal(ids[1], ids[2])
      assert.are_not.equal(ids[2], ids[3])
      round { { key = "a", kind = "rotation" }, { key = "b", kind = "rotation" } }
      assert.equal("resolved delivery/notify/webhook", others[#others])
      assert.equal(3, #ids)
    end)
  end)

  it("is sent once more, with the same id, when the process dies before the delivery is on record", function()
    scene(function(target)
      local terms, keep = terms_of { { what = { rotation = {} } } }, target.journal.keep
      local look = look_of { { key = "a", kind = "rotation" } }
      local outcomes = notice_run.make(target.journal, terms, look, "contoso.com")
      target.journal.keep = function() error("killed", 0) end
      pcall(notice_run.deliver, target.journal, terms, outcomes[1], { tell = target.tell, args = {} })
      target.journal.keep = keep
      assert.same({ "new a" }, (tell(target, terms, look_of { { key = "a", kind = "rotation" } })))
      assert.equal(2, #target.got)
      assert.equal(target.got[1].id, target.got[2].id)
      assert.same({}, (tell(target, terms, look_of { { key = "a", kind = "rotation" } })))
    end)
  end)

  it("is kept when the script has a mistake", function()
    scene(function(target)
      local terms = terms_of { { what = { rotation = {} } } }
      function target.tell() error("attempt to index a nil value") end
      local _, outcomes = tell(target, terms, look_of { { key = "a", kind = "rotation" } })
      assert.equal(1, #outcomes[1].state.outbox)
      assert.equal("Correct the script that tells: it raised an error.", outcomes[1].failure.fix)
    end)
  end)

  it("is dropped, with a warning, when the rules do not name its target any more", function()
    scene(function(target)
      target.down = true
      tell(target, terms_of { { to = "notify/a", what = { rotation = {} } } }, look_of { { key = "a",
        kind = "rotation" } })
      target.down = false
      local ears <close> = stage.ears()
      tell(target, terms_of { { to = "notify/b", what = { rotation = {} } } }, look_of {})
      assert.same({ "1 notices were not delivered to notify/a, which the rules do not name any more" }, ears.warned)
    end)
  end)
end)

describe("a year on the virtual clock", function()
  local SPANS, STEP = { 30 * DAY, 7 * DAY, 0 }, 3 * HOUR -- looks are three hours apart

  -- 60 secrets: when each is made, when it expires, and when it is renewed (some never).
  local function draw_secrets(start, random)
    local secrets = {}
    for i = 1, 60 do
      local made = start + random(300) * DAY
      local ends = made + (35 + random(120)) * DAY + random(DAY)
      local renewed = random(2) == 1 and ends - random(40) * DAY or math.huge
      secrets[i] = { key = "s" .. i, made = made, ends = ends, gone = math.max(made, renewed) }
    end
    return secrets
  end

  local function present(secrets, now)
    local list = {}
    for _, secret in ipairs(secrets) do
      if secret.made <= now and now < secret.gone then list[#list + 1] = secret end
    end
    return list
  end

  -- Each span of each secret that was there then: told once, and within `late` of it.
  local function check_told(secrets, told, first, last, late)
    local expected = 0
    for _, secret in ipairs(secrets) do
      for place, span in ipairs(SPANS) do
        local due = secret.ends - span
        if due >= first and due < last - late and secret.gone > due + STEP then
          local times = told[secret.key .. " " .. place] or {}
          expected = expected + 1
          assert.equal(1, #times, secret.key .. " at span " .. place)
          assert(times[1] >= due and times[1] <= due + late, secret.key .. " was told too early or too late")
        end
      end
    end
    assert.is_true(expected > 60, expected)
  end

  local function live_a_year(seed, outage)
    local told, resolved = {}, {}
    scene(function(target)
      local start = time.now()
      local state = seed
      local function random(most)
        state = (state * 6364136223846793005 + 1442695040888963407) & 0x7FFFFFFFFFFFFFFF
        return (state >> 33) % most + 1
      end
      local secrets = draw_secrets(start, random)
      local terms = terms_of { { what = { expiring = { first = { "30d", "7d" } } } } }
      for hour = 1, 365 * 24, STEP // HOUR do
        local now = time.now()
        target.down = outage and hour >= outage and hour < outage + 48 or false
        local before = #target.got
        tell(target, terms, look_of(present(secrets, now)))
        for i = before + 1, #target.got do
          for _, item in ipairs(target.got[i].items) do
            local made_at = time.parse(target.got[i].at)
            if item.state == "resolved" then resolved[item.key] = (resolved[item.key] or 0) + 1
            else
              local left, place = time.parse(item.ends) - made_at, 1
              for k, span in ipairs(SPANS) do if left <= span then place = k end end
              local times = told[item.key .. " " .. place] or {}
              told[item.key .. " " .. place] = times
              times[#times + 1] = now
            end
          end
        end
        pass(STEP)
      end
      check_told(secrets, told, start, time.now(), outage and 3 * DAY or STEP)
      for key, count in pairs(resolved) do assert.equal(1, count, key) end
      assert.is_true(next(resolved) ~= nil)
    end)
  end

  it("tells every date in time, none twice, and misses none", function()
    live_a_year(1)
  end)

  it("does so, too, when the mail server is down for two days", function()
    for seed = 2, 4 do live_a_year(seed, 24 * 40 * seed) end
  end)
end)

describe("findings", function()
  it("of rotations are those of each policy's last run, and accounts that wait for a person", function()
    local journal = stage.journal()
    last_run.record(journal, { policy = "policies/a", at = 1, changed = 0, problems = {
      { id = "id-2", name = "anna@contoso.com", what = "failed", why = "403" } } })
    last_run.record(journal, { policy = "policies/b", at = 1, changed = 2, problems = {} })
    last_run.record(journal, { policy = "policies/c", at = 1, changed = 0, problems = {},
      failure = { what = "sign in", why = "the certificate expired" } })
    journal:put("password", "id-1", "orphaned", { type = "user password", name = "bob@contoso.com", why = "changed by "
      .. "somebody else" }, 1)
    local look = findings.new(1)
    findings.add_rotations(look, journal)
    local titles = {}
    for i, finding in ipairs(look.findings) do titles[i] = finding.severity .. ": " .. finding.title end
    assert.same({ "warning: policies/a: the rotation of anna@contoso.com failed",
      "critical: policies/c could not run: sign in",
      "critical: the rotation of bob@contoso.com stopped: a person must look" }, titles)
    assert.is_nil(last_run.all(journal)[1].succeeded_at)
    assert.equal(1, last_run.all(journal)[2].succeeded_at)
    assert.equal("user password", rotations.user_passwords.own.type)
  end)

  -- A look with these findings of the doctor.
  local function look_of_doctor(list)
    local look = findings.new(1)
    for _, found in ipairs(list) do
      found.check, found.verdict = "accounts", found.verdict or "warning"
      found.evidence, found.about = found.evidence or "some words", found.about or "app-1"
    end
    findings.add_doctor(look, list)
    return look
  end

  local TERMS = terms_of { { what = { doctor = {} } } }

  it("of the doctor are the same while their words and numbers change", function()
    scene(function(target)
      assert.same({ "new doctor/accounts/app-1/disabled" },
        (tell(target, TERMS, look_of_doctor { { id = "disabled", evidence = "3 are disabled since 2027-05-04" } })))
      assert.same({}, (tell(target, TERMS, look_of_doctor { { id = "disabled", evidence = "user4 is disabled" } })))
    end)
  end)

  it("of the doctor with the same words are two when they are about two things", function()
    scene(function(target)
      assert.same({ "new doctor/accounts/app-1/disabled", "new doctor/accounts/app-2/disabled" },
        (tell(target, TERMS, look_of_doctor { { id = "disabled" }, { id = "disabled", about = "app-2" } })))
      assert.same({ "resolved doctor/accounts/app-1/disabled" },
        (tell(target, TERMS, look_of_doctor { { id = "disabled", about = "app-2" } })))
    end)
  end)

  it("of the doctor are told once when several examinations have them", function()
    scene(function(target)
      assert.same({ "new doctor/accounts//clock" },
        (tell(target, TERMS, look_of_doctor { { id = "clock", about = "" }, { id = "clock", about = "" } })))
    end)
  end)

  it("are worse when they name one thing more, also one that was gone meanwhile", function()
    scene(function(target)
      local function look(...) return look_of_doctor { { id = "disabled", subjects = { ... } } } end
      assert.same({ "new doctor/accounts/app-1/disabled" }, (tell(target, TERMS, look("a", "b"))))
      assert.same({}, (tell(target, TERMS, look "b")))
      assert.same({}, (tell(target, TERMS, look "b")))
      assert.same({ "worse doctor/accounts/app-1/disabled" }, (tell(target, TERMS, look("a", "b"))))
      assert.same({ "worse doctor/accounts/app-1/disabled" },
        (tell(target, TERMS, look_of_doctor { { id = "disabled", subjects = { "a" } },
          { id = "disabled", subjects = { "c" } } })))
    end)
  end)

  it("are told again when they got better and then worse", function()
    scene(function(target)
      local function look(verdict) return look_of_doctor { { id = "off", verdict = verdict } } end
      assert.same({ "new doctor/accounts/app-1/off" }, (tell(target, TERMS, look "broken")))
      assert.same({}, (tell(target, TERMS, look "warning")))
      assert.same({ "worse doctor/accounts/app-1/off" }, (tell(target, TERMS, look "broken")))
    end)
  end)

  it("leave out what the doctor left out", function()
    local look = findings.new(1)
    findings.add_doctor(look, { { check = "evidence", verdict = "left out", evidence = "not looked at: who signs in" },
      { check = "secret", verdict = "ok", evidence = "it works" } })
    assert.same({}, look.findings)
  end)

  it("of the doctor have nothing of what it left out, which resolves nothing either", function()
    local look = findings.new(1)
    findings.add_doctor(look, { { check = "use", verdict = "left out", evidence = "the log is not read" },
      { check = "roles", verdict = "ok", evidence = "held" } })
    assert.same({ {}, { ["doctor/use"] = true } }, { look.findings, look.unseen })
  end)

  it("hold no address of a machine, no control character, and no text without end", function()
    assert.equal("it was used from [address] and [address], not 2027-05-04T10:20:30Z, 10:20:30 or version 2026.3.1.0",
      findings.clean("it was used from 203.0.113.88 and 2001:db8::7,\nnot 2027-05-04T10:20:30Z, 10:20:30 or version "
        .. "2026.3.1.0"))
    assert.equal("[address] [address] a: ::", findings.clean "fe80:0:0:0:1:2:3:4 ::1 a: ::")
    local long = findings.clean(("é"):rep(1000))
    assert(#long <= 604 and utf8.len(long), "cut between characters")
  end)
end)

describe("a notice", function()
  it("says on one line what it is about, and has a part for each finding", function()
    local list = compose.of_items({ { state = "worse", key = "a", kind = "expiring", severity = "critical",
      title = "the client secret …c7e1 of 'X', in use", fix = "Replace it", ends = 1796000000 + 2 * DAY } },
      { now = 1796000000, tenant = "contoso.com" })
    assert.equal("Moonlatch, contoso.com: worse: the client secret …c7e1 of 'X', in use: expires in 2 days, on "
      .. "2026-12-02", list[1].title)
    assert.equal("! worse: the client secret …c7e1 of 'X', in use: expires in 2 days, on 2026-12-02\n  fix: Replace it",
      list[1].text)
  end)

  it("as a mail is read by another program as it was written, whatever a name holds", function()
    local mail = require "notice.mail"
    local process = require "host.process"
    local text = mail.text({ id = "msg_1", at = "2026-11-23T05:00:00Z",
      title = "ä\r\nBcc: evil@x.test, " .. ("ü"):rep(60),
      text = "line\n.\nFrom x " .. ("long "):rep(300) }, { to = { "a@contoso.com", "b@contoso.com" },
      from = "m@x.test" })
    local child <close> = assert(process.start({ "/usr/bin/python3", "-c", [[
import email, email.policy, sys, json
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
print(json.dumps([m[n] for n in ("Subject", "To", "Bcc", "From", "Date")] + [m.get_content(), m.defects == [] ]))
]] }, host_secret.from(text)))
    local read = require("host.json").decode(child:line(10))
    assert.equal("ä  Bcc: evil@x.test, " .. ("ü"):rep(60), read[1])
    assert.same({ "a@contoso.com, b@contoso.com", "m@x.test", "Mon, 23 Nov 2026 05:00:00 +0000" },
      { read[2], read[4], read[5] })
    assert.equal(require("host.json").null, read[3])
    assert.equal("line\n.\nFrom x " .. ("long "):rep(300), (read[6]:gsub("\r\n", "\n"):gsub("\n$", "")))
    assert.is_true(read[7])
    for line in text:gmatch "(.-)\r\n" do assert(#line <= 200, line) end
    local ok, failure = pcall(mail.text, { id = "1", at = "2026-11-23T05:00:00Z", title = "", text = "" },
      { to = { "a@x.test>\r\nBcc: b" } })
    assert.same({ false, "'a@x.test>  Bcc: b' is no mail address" }, { ok, failure.why })
  end)
end)

it("a notice that a person asks for is not kept", function()
  scene(function(target)
    local failure = outbox.try({ tell = target.tell, args = {} }, compose.test { now = 1, tenant = "contoso.com" })
    assert.same({ nil, "test" }, { failure, target.got[1].kind })
    assert.same({}, target.journal.values)
  end)
end)
