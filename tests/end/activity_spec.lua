--- What Entra's logs tell, as a person asks for it: the built program on one emulated tenant.

local job = require "setup_job"
local json = require "json"
local process = require "host.process"
local rehearsal = require "rehearsal"

local must = job.must

describe("moonlatch activity", function()
  local emu, app, rotated

  -- A consumer signs in from its own address.
  local function sign_in(value, address)
    local run <close> = assert(process.start { "/usr/bin/curl", "-s", "--cacert", emu.ready.ca, "-H",
      "X-Emulator-Address: " .. address, "-d", "grant_type=client_credentials&client_id=" .. app.appId,
      "--data-urlencode", "client_secret=" .. value, "--data-urlencode", "scope=https://graph.microsoft.com/.default",
      ("%s/%s/oauth2/v2.0/token"):format(emu.ready.login, emu.ready.tenant) })
    while run:line(20) do end
  end

  setup(function()
    emu = rehearsal.new("--lag", "0", "--users", "0")
    local made = emu:control_text("POST", "/tenant", { ["do"] = "add_app", with = { { name = "Payroll" } } })
    app = json.decode(made).result
    sign_in(assert(made:match '"secret": *"([^"]+)"', made), "203.0.113.7")
    sign_in("wrong", "203.0.113.8")
    app = emu:graph(("/applications(appId='%s')"):format(app.appId))
    rotated = must(emu:run { "rotate", "policies/tier0-users", "--yes" }, 0).out:match "%S+@contoso.onmicrosoft.com"
    emu:later "1h"
  end)

  teardown(function() local _ <close> = emu end)

  local function rows_of(...)
    local status, rows = emu:json { "activity", ... }
    return status, rows
  end

  local function first(rows, fits)
    for _, row in ipairs(rows) do
      local is_it = true
      for name, value in pairs(fits) do is_it = is_it and row[name] == value end
      if is_it then return row end
    end
    return nil
  end

  it("lists the sign-ins of an application with key id, address and code, and who made it", function()
    for _, name in ipairs { "Payroll", app.appId:upper() } do
      local status, rows = rows_of("--app", name)
      assert.equal(0, status)
      local good = first(rows, { what = "sign-in", result = "success" })
      assert.same({ "203.0.113.7", "Payroll", app.passwordCredentials[1].keyId, "no" },
        { good.address, good.by, good.key_id, good.ours })
      local bad = first(rows, { what = "sign-in", result = "7000215" })
      assert.equal("203.0.113.8", bad.address)
      for i = 2, #rows do assert.is_true(rows[i - 1].time >= rows[i].time) end
    end
  end)

  it("is a table for people, which says what the codes mean", function()
    local shown = must(emu:run { "activity", "--app", "Payroll" }, 0)
    local key = app.passwordCredentials[1].keyId:sub(-4)
    assert.matches("sign%-in +success +Payroll +203%.0%.113%.7 +secret …" .. key, shown.out)
    assert.matches("sign%-in +7000215 +Payroll +203%.0%.113%.8 +secret, its key id is not told", shown.out)
    assert.truthy((shown.out .. shown.err):find("7000215: the client secret is not valid", 1, true), shown.err)
  end)

  it("lists the changes of an account, with who made them", function()
    local status, rows = rows_of("--user", rotated, "--since", "1d")
    assert.equal(0, status)
    local reset = first(rows, { what = "reset" })
    assert.truthy(reset, json.encode(rows))
    assert.equal(rotated, reset.about)
  end)

  it("without a name lists what is on record, and the changes of everything", function()
    local status, rows = rows_of()
    assert.equal(0, status)
    assert.truthy(first(rows, { what = "reset" }))
    assert.falsy(first(rows, { what = "sign-in", by = "Payroll" }))
  end)

  it("counts the sign-ins of an application for each day, address and result", function()
    sign_in("wrong", "203.0.113.8")
    emu:later "1h"
    for _, filters in ipairs { true, false } do
      emu:admin("set_flag", "counted_filters", filters)
      local status, rows = rows_of("--app", "Payroll", "--counted", "day")
      assert.equal(0, status)
      local counts = {}
      for _, row in ipairs(rows) do
        if row.what == "sign-ins" then
          local name = row.address .. " " .. row.result
          counts[name] = (counts[name] or 0) + row.count
        end
      end
      assert.same({ ["203.0.113.7 success"] = 1, ["203.0.113.8 7000215"] = 2 }, counts)
      assert.is_nil(first(rows, { what = "sign-in" }))
      assert.truthy(first(rows, { what = "credentials" }))
    end
    local shown = must(emu:run { "activity", "--app", "Payroll", "--counted", "hour" }, 0)
    assert.matches("1 sign%-in +success +Payroll +203%.0%.113%.7", shown.out)
    assert.truthy((shown.out .. shown.err):find("7000215: the client secret is not valid", 1, true), shown.err)
  end)

  it("writes CSV", function()
    local csv = must(emu:run { "activity", "--app", "Payroll", "--format", "csv" }, 0)
    assert.truthy(csv.out:find("time,what,name,result,by,by_id,address,about,about_id,credential,key_id,ours,added,"
      .. "removed,reason,correlation_id,count\r\n", 1, true))
    assert.truthy(csv.out:find(",203.0.113.7,", 1, true))
  end)

  it("gives values to a script and to the prompt", function()
    local outcome = must(emu:run { "-e", [[
      local rows, unread = require("activity").list { app = "Payroll", since = "2d" }
      print(#unread, rows[1].what, rows[1].at // 1 == require("time").parse(rows[1].time))]] }, 0)
    assert.matches("^0%s+%S+%s+true", outcome.out)
  end)

  it("says what it does not find, and what does not go together", function()
    local missing = must(emu:run { "activity", "--app", "Payrol" }, 1)
    assert.truthy(missing.err:find("why: the tenant has no service principal of that name or client id", 1, true))
    assert.truthy(missing.err:find("fix: Copy a name or a client id from what `moonlatch applications` lists.", 1,
      true))
    emu:admin("add_app", { name = "Payroll twin" })
    emu:admin("add_app", { name = "Payroll twin" })
    assert.truthy(must(emu:run { "activity", "--app", "Payroll twin" }, 1).err
      :find("why: 2 applications have that name", 1, true))
    assert.truthy(must(emu:run { "activity", "--app", "x", "--user", "y" }, 2).err
      :find("why: --app and --user each say whose activity", 1, true))
    assert.truthy(must(emu:run { "activity", "--counted", "day", "--user", "y" }, 2).err
      :find("why: --counted counts sign-ins of applications; --user lists the changes of an account", 1, true))
    must(emu:run { "activity", "--user", "nobody@contoso.onmicrosoft.com" }, 1)
    local _, rows = rows_of("--user", "00000000-1111-2222-3333-444444444444")
    assert.same({}, rows)
  end)

  it("says of what a tenant without a licence does not show that it is unknown, and ends with 3", function()
    emu:admin("set_flag", "p1", false)
    local outcome = must(emu:run { "activity", "--app", "Payroll" }, 3)
    assert.truthy(outcome.err:find("unknown, as it could not be read: the sign-ins of 'Payroll': the tenant has no "
      .. "licence Entra ID P1 or P2, which Entra demands for this log. With a licence", 1, true), outcome.err)
    emu:admin("set_flag", "p1", true)
  end)

  it("says in a national cloud of sign-ins, listed or counted, and of reports that they are not there", function()
    emu:admin("set_flag", "national_cloud", true)
    for _, more in ipairs { {}, { "--counted", "day" } } do
      local outcome = must(emu:run { "activity", "--app", "Payroll", table.unpack(more) }, 3)
      for _, what in ipairs { "the sign-ins of 'Payroll'",
        "the last uses of the credentials of 'Payroll' (the daily report)",
        "the last uses of 'Payroll' by kind (the daily report)" } do
        assert.truthy(outcome.err:find(("unknown, as it could not be read: %s: this cloud does not have it. It is part "
          .. "of the beta version of Microsoft Graph, in the global cloud only."):format(what), 1, true), outcome.err)
      end
      assert.is_nil(outcome.out:find("sign-in", 1, true), outcome.out)
    end
    emu:admin("set_flag", "national_cloud", false)
  end)

  it("lists when an application was used by kind, a day late", function()
    emu:later "2d"
    local _, rows = rows_of("--app", "Payroll")
    assert.truthy(first(rows, { what = "last use", by = "Payroll", about = "signed in as itself" }), json.encode(rows))
  end)
end)
