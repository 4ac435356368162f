--- The report's figures, its changes and its page, in worlds that would make it lie.

local report_csv = require "report.csv"
local json = require "host.json"
local overview_changes = require "overview.changes"
local overview_figures = require "overview.figures"
local overview_numbers = require "overview.numbers"
local overview_page = require "overview.page"
local overview_words = require "overview.words"
local credential_list = require "applications.credential_list"
local html = require "report.html"
local process = require "host.process"
local recent = require "overview.recent"
local rotations = require "journal.rotations"
local stage = require "stage"
local sys = require "host.sys"

local NOW, DAY = 1795950000, 86400 -- 2026-11-29

local function account(number, changes)
  local row = { id = ("id-%05d"):format(number), account = ("user%05d@contoso.com"):format(number), enabled = "yes",
    synced = "no", guest = "no", password_days = 400, managed = "no", held = { { role = "Global Administrator",
    how = "active" } } }
  for name, value in pairs(changes or {}) do row[name] = value end
  return row
end

local function credentials(count, change)
  local list = credential_list.new { permissions = false, federated = false }
  for i = 1, count do
    local object = list:add_object { id = "o-" .. i, client_id = "c-" .. i, name = "App " .. i, origin = "application",
      tenant = "own" }
    list:add(object, change and change(i) or { kind = "secret", name = "x", key = "k-" .. i, from = NOW - 400 * DAY,
      ends = NOW + i * DAY })
  end
  return { list = list, uses_known = true }
end

-- What was seen, with these members; `none` are those that could not be looked at.
local function seen_with(changes, none)
  local seen = { now = NOW, tenant = "contoso.com", accounts = { rows = {}, whole = true },
    credentials = credentials(0), items = {}, undated = 0, look = { now = NOW, findings = {}, unseen = {},
    calendar = { now = NOW, items = {}, unknown = {}, left_out = {} } }, examined = true, rotations = {}, policies = {},
    unknown = {}, limits = {} }
  for name, value in pairs(changes or {}) do seen[name] = value end
  for _, name in ipairs(none or {}) do seen[name] = nil end
  return seen
end

local function report_of(seen, journal)
  local figures = overview_figures.of(seen)
  local numbers = overview_numbers.of(seen, figures)
  return { seen = seen, figures = figures, numbers = numbers,
    changes = journal and overview_changes.since_last(journal, seen, numbers) }
end

local function number(all, about, what, name)
  for _, one in ipairs(all.numbers) do
    if one.about == about and one.what == what and one.name == (name or "") then return one.value, one.certainty end
  end
end

local function page_of(all)
  local folder = assert(sys.temporary "overview-")
  assert(sys.write(folder .. "/page.html", overview_page.text(all), "new"))
  local child <close> = assert(process.start { "/usr/bin/python3", "-B", SOURCE .. "/tests/page_text.py",
    folder .. "/page.html" })
  local page = assert(json.decode(assert(child:line(30))))
  assert(sys.remove_tree(folder))
  return page
end

local function finding(key, changes)
  local one = { key = key, kind = "doctor", source = "doctor/" .. key, severity = "warning", title = key }
  for name, value in pairs(changes or {}) do one[name] = value end
  return one
end

describe("the figures", function()
  it("count an account once in all, and once for each of its roles, however often it holds one", function()
    local held = { { role = "Reports Reader", how = "active" }, { role = "Reports Reader", how = "eligible" },
      { role = "Global Administrator, Reports Reader", how = "owner" }, { role = "none yet", how = "owner" } }
    local all = report_of(seen_with { accounts = { whole = true, rows = { account(1, { held = held }) } } })
    assert.equal(1, all.figures.accounts.total)
    local roles = {}
    for i, role in ipairs(all.figures.roles) do roles[i] = role.role .. " " .. role.total end
    assert.same({ "Global Administrator 1", "Reports Reader 1", "a role-assignable group without a role 1" }, roles)
  end)

  it("leave a guest's password out, and never take an unknown date for a young password", function()
    local rows = { account(1, { guest = "yes", password_days = 1 }), account(2, { password_days = 89 }),
      account(3, { password_days = 90 }), account(4, { password_days = 731 }), account(5) }
    rows[5].password_days = nil
    local ages = {}
    for i, age in ipairs(report_of(seen_with { accounts = { whole = true, rows = rows } }).figures.password_ages) do
      ages[i] = age.count
    end
    assert.same({ 1, 1, 0, 1, 1, 1 }, ages)
  end)

  it("are unknown, and not 0, where nothing could be looked at", function()
    local all = report_of(seen_with({ examined = false }, { "accounts", "credentials", "items" }))
    for _, one in ipairs(all.numbers) do
      local is_of_journal = one.about:find "^rotations" or one.about == "policies"
      assert.equal(is_of_journal and 0 or "unknown", one.value, one.about .. " " .. one.what)
    end
    for _, figure in ipairs(overview_words.key_figures(all)) do assert.is_nil(figure.value:find "^0.*of") end
    local text = table.concat(page_of(all).texts, "\n")
    assert.truthy(text:find("unknown: the privileged accounts could not be read", 1, true))
    assert.is_nil(text:find("found nothing wrong", 1, true))
    assert.is_nil(text:find("0 of 0", 1, true))
  end)

  it("say 'at least' where a part could not be looked at", function()
    local seen = seen_with { accounts = { whole = false, rows = { account(1) } } }
    seen.look.unseen["doctor/roles"] = true
    seen.look.calendar.unknown[1] = { what = "x", why = "y", source = "tenant/role" }
    local all = report_of(seen)
    assert.same({ 1, "at least" }, { number(all, "privileged accounts", "all") })
    assert.same({ 0, "at least" }, { number(all, "findings", "critical") })
    assert.same({ 0, "at least" }, { number(all, "what expires", "expires within 60 days") })
    assert.equal("at least 0", overview_words.key_figures(all)[3].value)
  end)

  it("take neither a proof of ours, nor a failed sign-in, nor a missing row for a use", function()
    local list = credentials(5)
    list.list.uses = { { at = NOW - DAY, source = "report", ours = true }, { at = NOW - DAY, source = "log",
      failed = true }, nil, { source = "report" }, { at = NOW - 40 * DAY, source = "report" } }
    local counts = {}
    for i, use in ipairs(report_of(seen_with { credentials = list }).figures.uses) do counts[i] = use.count end
    assert.same({ 0, 1, 0, 1, 3 }, counts)
  end)

  it("put each date into its month, over the end of a year, and what is later or past beside", function()
    local function item(ends, source) return { key = tostring(ends), ends = ends, source = source, name = "x",
      kind = "role", use = "assigned", detail = "r" } end
    local seen = seen_with { expired_before = 2, items = { item(NOW - 1, "journal"), item(NOW + DAY, "journal"),
      item(NOW + 3 * DAY, "tenant/applications"), item(NOW + 33 * DAY + DAY, "journal"),
      item(NOW + 400 * DAY, "journal") } }
    local months = report_of(seen).figures.expiry.months
    assert.equal(14, #months)
    assert.same({ "expired", 1, 2 }, { months[1].name, months[1].on_record, months[1].others })
    assert.same({ "Nov 2026", 1, 0 }, { months[2].name, months[2].on_record, months[2].others })
    assert.same({ "Dec 2026", 0, 1 }, { months[3].name, months[3].on_record, months[3].others })
    assert.same({ "Jan 2027", 1 }, { months[4].name, months[4].on_record })
    assert.same({ "later", 1 }, { months[14].name, months[14].on_record })
  end)

  it("round a share to none or all only where it is that", function()
    assert.same({ "under 1 %", "over 99 %", "0 %", "100 %", "50 %" }, { overview_words.percent(1, 1000),
      overview_words.percent(999, 1000), overview_words.percent(0, 5), overview_words.percent(5, 5),
      overview_words.percent(1, 2) })
  end)

  it("do not call an account managed whose entry in Devolutions Server is gone", function()
    local journal = stage.journal()
    local store = rotations.user_passwords
    for id, entry in pairs { a = "e-1", b = false } do
      store:put(journal, store:new(journal, { name = id, changed_at = NOW, entry = entry or nil }, id), "closed")
    end
    assert.same({ a = "entry", b = "elsewhere" }, recent.rotated_accounts(journal))
  end)
end)

describe("the changes", function()
  local function kept(seen)
    local journal = stage.journal()
    overview_changes.keep(journal, seen, report_of(seen).numbers)
    return journal
  end

  it("are none where no report was kept", function()
    assert.is_nil(overview_changes.since_last(stage.journal(), seen_with(), {}))
  end)

  it("name accounts that came, went, and are managed now or no more", function()
    local journal = kept(seen_with { accounts = { whole = true, rows = { account(1), account(2),
      account(3, { managed = "yes" }), account(4, { managed = "yes" }) } } })
    local all = report_of(seen_with { accounts = { whole = true, rows = { account(2, { managed = "yes" }),
      account(3), account(4, { managed = "unknown" }), account(5) } } }, journal)
    assert.same({ new = { "user00005@contoso.com" }, gone = { "user00001@contoso.com" },
      managed = { "user00002@contoso.com" }, unmanaged = { "user00003@contoso.com" } }, all.changes.accounts)
  end)

  it("take nothing for gone or resolved that could not be looked at, then or now", function()
    local whole = { accounts = { whole = true, rows = { account(1) } } }
    local part = { accounts = { whole = false, rows = {} } }
    assert.is_nil(report_of(seen_with(part), kept(seen_with(whole))).changes.accounts)
    assert.is_nil(report_of(seen_with(whole), kept(seen_with(part))).changes.accounts)
    assert.same({}, report_of(seen_with(part), kept(seen_with(whole))).changes.changed)

    local before = seen_with()
    before.look.findings = { finding "roles", finding "secret" }
    local now = seen_with()
    now.look.unseen["doctor/roles"] = true
    assert.same({ new = {}, resolved = { "secret" }, unclear = 1 }, report_of(now, kept(before)).changes.findings)
    assert.is_nil(report_of(seen_with { examined = false }, kept(before)).changes.findings)
  end)

  it("are since the last report that could look, where a later one could not, and say so", function()
    local function with(rows)
      local seen = seen_with { accounts = { whole = true, rows = rows } }
      seen.look.findings = { finding "roles" }
      return seen
    end
    local journal = kept(with { account(1), account(2) })
    local outage = seen_with({ now = NOW + DAY, examined = false }, { "accounts" })
    for _ = 1, 2 do
      overview_changes.keep(journal, outage, report_of(outage).numbers)
      outage.now = outage.now + DAY
    end
    local present = with { account(2), account(3), account(4) }
    present.look.findings = { finding "secret" }
    local all = report_of(present, journal)
    assert.same({ { "user00003@contoso.com", "user00004@contoso.com" }, { "user00001@contoso.com" }, NOW,
      NOW + 2 * DAY }, { all.changes.accounts.new, all.changes.accounts.gone, all.changes.accounts_since,
      all.changes.since })
    assert.same({ new = { "secret" }, resolved = { "roles" }, unclear = 0 }, all.changes.findings)
    assert.equal("unchanged since 2026-11-29", overview_words.key_figures(all)[1].difference)
    assert.same({ 2, NOW }, { all.changes.changed[1].before, all.changes.changed[1].since })
    local text = ("Accounts: compared with the report of %s, the last one that could look at them.")
      :format(overview_words.moment(NOW))
    assert.truthy(table.concat(page_of(all).texts, "\n"):find(text, 1, true))

    overview_changes.keep(journal, present, all.numbers)
    assert.is_nil(report_of(present, journal).changes.accounts_since)
    outage.now = NOW + 900 * DAY -- not for ever
    overview_changes.keep(journal, outage, report_of(outage).numbers)
    assert.is_nil(report_of(present, journal).changes.accounts)
  end)

  it("compare a number only where it was exact then and is now", function()
    local journal = kept(seen_with { accounts = { whole = true, rows = { account(1) } } })
    local all = report_of(seen_with { accounts = { whole = true, rows = { account(1), account(2) } } }, journal)
    local figure = overview_words.key_figures(all)[1]
    assert.equal("unchanged since 2026-11-29", figure.difference)
    local changed = all.changes.changed[1]
    assert.same({ "all", 1, 2 }, { changed.number.what, changed.before, changed.number.value })
  end)
end)

describe("the page", function()
  local EVIL = "</bdi></title></style><script>alert(1)</script><svg onload=x>\"'&amp;\u{202E}\u{2066}\0\27[2J"

  it("shows hostile names as text, at each place where a name can be", function()
    local item = { key = "k", kind = "client secret", use = "in use", name = EVIL, short = EVIL, ends = NOW + DAY,
      fix = EVIL, source = "journal", key_id = "k-1" }
    local seen = seen_with { tenant = EVIL, accounts = { whole = true, rows = { account(1, { account = EVIL,
      held = { { role = EVIL, how = EVIL } } }) } }, credentials = credentials(1), items = { item }, undated = 1,
      unknown = { { what = EVIL, why = EVIL, fix = EVIL } }, limits = {},
      policies = { { policy = EVIL, at = NOW, count = 1, problems = {}, failure = { what = EVIL, why = EVIL } } },
      rotations = { { at = NOW, kind = "user password", name = EVIL, state = "changed", short = EVIL } } }
    seen.look.calendar.items[1] = item
    seen.look.findings = { finding(EVIL, { text = EVIL, fix = EVIL, severity = "critical" }) }
    local journal = stage.journal()
    overview_changes.keep(journal, seen_with { accounts = { whole = true, rows = { account(9, { account = EVIL }) } } },
      {})
    local page = page_of(report_of(seen, journal))
    assert.same({ {}, {}, {}, {} }, { page.handlers, page.outside, page.unbalanced, page.twice })
    assert.is_nil(page.tags.script)
    local svgs = page.tags.svg
    seen.tenant, seen.accounts.rows[1].account = "contoso.com", "a"
    assert.equal(svgs, page_of(report_of(seen, journal)).tags.svg)
    local texts = table.concat(page.texts, "") .. table.concat(page.names, "")
    assert.truthy(texts:find("<script>alert(1)</script>", 1, true))
    for _, hidden in ipairs { "\u{202E}", "\u{2066}", "\0", "\27" } do assert.is_nil(texts:find(hidden, 1, true)) end
    -- a name stands alone, so that it turns no text around it
    local outside = {}
    for _, text in ipairs(page.texts) do
      if not text:find "^Privileged access in " then outside[#outside + 1] = text end -- the title has no elements
    end
    outside = table.concat(outside, "\n")
    assert.is_nil(outside:find("alert", 1, true), outside)
  end)

  it("stays as long for 10,000 accounts and 20,000 credentials as for 100, and says how many more there are", function()
    local function size(accounts, count)
      local rows = {}
      for i = 1, accounts do rows[i] = account(i, { held = { { role = "Role " .. i % 60, how = "active" } } }) end
      local seen = seen_with { accounts = { whole = true, rows = rows }, credentials = credentials(count) }
      for i = 1, count do
        seen.items[i] = { key = "k" .. i, kind = "client secret", use = "in the tenant", name = "App",
          short = "…0000", ends = NOW + i * 3600, source = "tenant/applications" }
      end
      return overview_page.text(report_of(seen))
    end
    local small, large = size(100, 100), size(10000, 20000)
    assert(#large < #small * 1.1, ("%d, then %d bytes"):format(#small, #large))
    for _, text in ipairs { "and 9985 more accounts, not listed here.", "and 48 more roles, not listed here.",
      "and 19985 more things, not listed here." } do
      assert.truthy(large:find(text, 1, true), text)
    end
  end)

  it("writes no name as a formula into the numbers", function()
    local rows = { account(1, { held = { { role = "=cmd|' /C calc'!A0", how = "active" } } }) }
    local csv = report_csv.text(overview_numbers.COLUMNS, report_of(seen_with { accounts = { whole = true,
      rows = rows } }).numbers)
    assert.truthy(csv:find("\r\nprivileged accounts by role,'=cmd|' /C calc'!A0,all,1,exact\r\n", 1, true), csv)
  end)
end)

describe("report.html", function()
  it("writes only what it made as markup", function()
    local tag = html.tag
    assert.equal('<p class="&quot;&gt;" id="a">&lt;b&gt;<b>1</b>x</p>',
      tag.p { id = "a", class = '">', hidden = false, "<b>", tag.b { 1 }, false, { "x", {} } }.markup)
    assert.equal("<br>", tag.br({}).markup)
    assert.equal("a\u{FFFD}b\u{FFFD}c\u{FFFD} é\u{0627}", html.escape "a\u{200F}b\u{2069}c\u{061C}\té\u{0627}")
  end)
end)
