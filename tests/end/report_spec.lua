-- takes 12 s: a tenant with a provider, rotations and hostile names, and looks at it
--- moonlatch report: the page, the numbers, and what it must not say, by the built program on an emulator.

local job = require "setup_job"
local json = require "host.json"
local process = require "host.process"
local sys = require "host.sys"

local must = job.must
local EVIL = "</title><script>alert(1)</script>&amp;\"'"
local TURNED = "Payroll \u{202E}gpj\u{2066}.exe"

local emu, path

-- What is in the page, by a parser that shares nothing with us.
local function read_page(file)
  local child <close> = assert(process.start { "/usr/bin/python3", "-B", SOURCE .. "/tests/page_text.py", file })
  return assert(json.decode(assert(child:line(30))))
end

local function holds(list, text)
  for _, one in ipairs(list) do
    if one:find(text, 1, true) then return true end
  end
  return false
end

-- The value and certainty of a number: "12 exact".
local function number(document, about, what, name)
  for _, one in ipairs(document.numbers) do
    if one.about == about and one.what == what and one.name == (name or "") then
      return ("%s %s"):format(one.value, one.certainty)
    end
  end
end

local function look()
  local status, document = emu:json { "report" }
  return status, document
end

local function write_page(status)
  return must(emu:run { "report", "--html", path }, status)
end

local function new_application(name, days)
  local app = emu:control("POST", "/graph/v1.0/applications", { displayName = name })
  local now = emu:control("GET", "/clock").now
  emu:control("POST", "/graph/v1.0/applications/" .. app.id .. "/addPassword", { passwordCredential = {
    displayName = "x", endDateTime = (tonumber(now:sub(1, 4)) + days // 365) .. "-12-31T00:00:00Z" } })
  return app
end

describe("moonlatch report", function()
  setup(function()
    emu = job.emulator("server")
    path = emu.place.path .. "/report.html"
  end)
  teardown(function() local _ <close> = emu end)

  it("shows a tenant in which nothing is managed, says what it does not know, and exits with 3", function()
    local outcome = must(emu:run { "report" }, 3)
    assert.equal(1, select(2, outcome.err:gsub("enter this code", "")), outcome.err) -- a person is asked once
    for _, text in ipairs {
      "Privileged access in contoso.onmicrosoft.com, ", "Privileged accounts that are managed: 0 of 12 (0 %)",
      "No report was written before, so nothing can be compared.", "unknown: service principal, client secret, entry",
    } do
      assert.truthy(outcome.out:find(text, 1, true), text .. "\n" .. outcome.out)
    end
    local status, document = look()
    assert.equal(3, status)
    assert.is_false(document.whole)
    assert.equal(json.null, document.changes)
    assert.equal("12 exact", number(document, "privileged accounts", "all"))
    assert.equal("0 exact", number(document, "privileged accounts", "managed"))
    assert.equal("2 exact", number(document, "privileged accounts by role", "not managed", "Global Administrator"))
    assert.equal("12 exact", number(document, "age of passwords", "privileged accounts", "more than 2 years"))
    assert.equal("1 exact", number(document, "what expires, by month", "other applications", "later"))
    assert.equal("at least", number(document, "findings", "critical"):match " (.*)")
  end)

  it("is a page that one user can read: no script, nothing from elsewhere, each name text and isolated", function()
    must(job.apply(emu), 1)
    must(emu:run { "rotate", "policies/tier0-users", "--yes" }, 0)
    new_application(EVIL, 365)
    new_application(TURNED, 365)
    local outcome = write_page(3)
    assert.equal(384, sys.stat(path).mode & 511)
    assert.truthy(outcome.out:find("Privileged access in contoso", 1, true))
    local page = read_page(path)
    assert.is_nil(page.tags.script)
    assert.same({ {}, {}, {}, {}, {} },
      { page.handlers, page.outside, page.unbalanced, page.unlabelled, page.twice })
    assert.is_nil(page.styles:find "@import")
    assert.is_nil(page.styles:find "url%([^#]")
    assert.is_true(holds(page.names, EVIL))
    assert.is_false(holds(page.texts, "alert(1)"))
    assert.is_true(holds(page.names, "Payroll \u{FFFD}gpj\u{FFFD}.exe"))
    assert.equal(1, page.images) -- the time line; bars repeat the numbers beside them
    local policy
    for _, meta in ipairs(page.metas) do
      if meta["http-equiv"] == "Content-Security-Policy" then policy = meta.content end
    end
    assert.equal("default-src 'none'; style-src 'unsafe-inline'", policy)
    assert.is_true(holds(page.texts, "No report was kept before this one."))
  end)

  it("tells what changed since the report that was written last", function()
    local _, document = look()
    assert.same({}, document.changes.numbers)
    assert.same({ new = {}, gone = {}, managed = {}, unmanaged = {} }, document.changes.accounts)
    emu:admin("assign_role", "henry", "Global Administrator")
    emu:admin("assign_role", "uma", "User Administrator")
    emu:admin("remove_role", "rita", "Privileged Role Administrator")
    _, document = look()
    assert.same({ new = { "uma@contoso.onmicrosoft.com" }, gone = { "rita@contoso.onmicrosoft.com" }, managed = {},
      unmanaged = {} }, document.changes.accounts)
    assert.same({ 2, 3 }, { document.changes.numbers[1].before, document.changes.numbers[1].now })
    assert.equal("Global Administrator", document.changes.numbers[1].name)
    write_page(3)
    _, document = look()
    assert.same({}, document.changes.accounts.new) -- the page was kept, and is what is compared with now
    assert.is_true(holds(read_page(path).names, "uma@contoso.onmicrosoft.com"))
  end)

  it("does not take what it could not read for nothing, nor for a change", function()
    emu:fault "graph GET /applications** 403 always"
    emu:fault "graph GET /roleManagement/directory/roleAssignments** 403 always"
    local status, document = look()
    assert.equal(3, status)
    assert.equal("unknown unknown", number(document, "privileged accounts", "managed"))
    assert.equal("unknown unknown", number(document, "credentials of applications", "valid"))
    assert.same({ "unknown", "unknown" }, { document.accounts, document.changes.accounts })
    for _, one in ipairs(document.changes.numbers) do assert.is_nil(one.about:find "accounts$", one.about) end
    local words = must(emu:run { "report", "--html", "-" }, 3).out
    assert.truthy(words:find("<!DOCTYPE html>", 1, true) == 1, words:sub(1, 200))
    local page = read_page(emu.place:write("stdout.html", words))
    assert.is_true(holds(page.texts, "unknown: the privileged accounts could not be read"))
    assert.is_true(holds(page.names, "it is not known which privileged accounts there are"))
    emu:control("DELETE", "/faults")
  end)

  it("says that uses are unknown where the tenant has no licence for the report", function()
    emu:fault "graph GET /reports/appCredentialSignInActivities** 403 always"
    local _, document = look()
    emu:control("DELETE", "/faults")
    assert.equal("unknown unknown", number(document, "last use of credentials", "valid credentials"))
    local found = false
    for _, one in ipairs(document.unknown) do
      found = found or one.what == "it is not known when the credentials were last used"
    end
    assert.is_true(found)
  end)

  it("says what the journal knows when nobody can sign in", function()
    emu:fault "login POST /** 400 always"
    local status, document = look()
    emu:control("DELETE", "/faults")
    assert.equal(3, status)
    assert.equal("it is not known what the tenant knows: accounts, credentials, findings", document.unknown[1].what)
    assert.equal("unknown unknown", number(document, "findings", "critical"))
    assert.is_true(#document.rotations > 0)
  end)

  it("writes the numbers as CSV, and into a folder with the day in the name", function()
    local csv = must(emu:run { "report", "--csv", "-" }, 3).out
    assert.equal("about,name,what,value,certainty\r\n", csv:match "^[^\n]*\n")
    assert.truthy(csv:find("\r\nprivileged accounts,,all,12,exact\r\n", 1, true), csv)
    local folder = emu.place.path .. "/reports"
    assert(sys.mkdir(folder))
    for _ = 1, 2 do must(emu:run { "report", "--csv", folder, "--html", folder }, 3) end
    local names = sys.list(folder)
    assert.equal(2, #names)
    assert.matches("^report%-%d+%-%d+%-%d+%.csv$", names[1])
    assert.matches("^report%-%d+%-%d+%-%d+%.html$", names[2])
    assert.equal(csv:match "^[^\n]*\n", assert(sys.read(folder .. "/" .. names[1], 1 << 20)):match "^[^\n]*\n")
  end)

  it("writes over an earlier report only", function()
    local other = emu.place:write("other.html", "<p>mine</p>")
    local outcome = must(emu:run { "report", "--html", other }, 2)
    assert.truthy(outcome.err:find("write the report " .. other, 1, true))
    assert.truthy(outcome.err:find("why: there is a file that Moonlatch did not write\n  fix: Name a new file: "
      .. "moonlatch report --html FILE", 1, true), outcome.err)
    assert.equal("<p>mine</p>", sys.read(other, 100))
    outcome = must(emu:run { "report", "--html", "-", "--csv", "-" }, 2)
    assert.truthy(outcome.err:find("why: standard output can hold one document", 1, true), outcome.err)
  end)
end)
