-- takes 12 s: two years of a client secret that a person pastes
--- moonlatch expiring: one list of all that expires, and what of it could not be looked at.

local job = require "setup_job"
local sys = require "host.sys"

local must = job.must
local DENIED = "graph GET /roleManagement/directory/roleAssignmentScheduleInstances 403 1"
local emu

-- "kind use days" of what expires.
local function summary(list)
  local lines = {}
  for i, item in ipairs(list) do lines[i] = ("%s, %s, %s"):format(item.kind, item.use, item.days) end
  return lines
end

local function look(...) return emu:json { "expiring", ... } end

local function find(list, kind)
  for _, item in ipairs(list) do
    if item.kind == kind then return item end
  end
end

describe("moonlatch expiring", function()
  setup(function() emu = job.emulator("cloud") end)
  teardown(function() local _ <close> = emu end)

  it("says that nothing expires, and what it does not look at", function()
    local outcome = must(emu:run { "expiring", "--offline" }, 0)
    assert.equal("Nothing that was looked at expires within 60 days, or has expired.\n"
      .. "Not looked at: role assignments, and all else that the tenant knows (--offline); "
      .. "applications of the tenant that are not on record here (--applications).\n",
      outcome.out)
  end)

  it("shows a client secret that waits, and its hand-over that nobody confirmed", function()
    must(job.apply(emu), 1)
    local status, document = look("--offline", "--within", "400d")
    assert.equal(3, status)
    assert.same({ "client secret, waiting, 364", "hand-over, to confirm, 364" }, summary(document.expiring))
    local outcome = must(emu:run { "expiring", "--offline", "--within", "400d" }, 3)
    assert.truthy(outcome.out:find("the hand%-over …%x+ of 'Devolutions PAM', to confirm: Bring it to where it is "
      .. "used, then say so: moonlatch handover\n"), outcome.out)
    status, document = look("--offline")
    assert.same({ 0, 0, 2 }, { status, #document.expiring, #document.later })
  end)

  it("shows a client secret in use, with the command that replaces it", function()
    must(emu:run { "handover", "--secret-file", emu.place.path .. "/given" }, 0)
    must(emu:run { "handover", "--confirm" }, 0)
    local status, document = look("--within", "400d")
    assert.same({ 3, { "client secret, in use, 364" } }, { status, summary(document.expiring) })
    assert.equal("Replace it: moonlatch apply setup/entra-pam-provider --renew", document.expiring[1].fix)
    assert.same({}, document.unknown)
  end)

  it("shows role assignments that expire, and says so when they cannot be read", function()
    local principal = job.truth(emu).principals[1]
    emu:admin("assign_role", principal.id, "Helpdesk Administrator", { days = 20 })
    emu:admin("assign_role", principal.id, "User Administrator", { days = 90, eligible = true })
    local status, document = look()
    assert.same({ 3, { "role, assigned, 19" } }, { status, summary(document.expiring) })
    assert.same({ "Devolutions PAM", "Helpdesk Administrator" },
      { document.expiring[1].name, document.expiring[1].detail })
    assert.equal("eligible", find(document.later, "role").use)

    emu:fault(DENIED)
    local outcome = must(emu:run { "expiring" }, 3)
    assert.truthy(outcome.out:find("Nothing that was looked at expires within 60 days, or has expired; 1 later.\n"
      .. "unknown: whether a role assignment expires\n  why: ", 1, true), outcome.out)
    assert.equal(0, emu:run({ "expiring", "--offline" }).status)
  end)

  it("shows what could be read when nobody can sign in", function()
    emu:fault "login POST /** 400 always"
    local status, document = look("--within", "400d")
    emu:control("DELETE", "/faults")
    assert.same({ 3, { "client secret, in use, 364" } }, { status, summary(document.expiring) })
    assert.equal("what expires in the tenant: role assignments, and the client secret of a profile that signs in with "
      .. "one", document.unknown[1].what)
    assert(document.unknown[1].why and document.unknown[1].fix)
  end)

  it("tells the secret in use from the one that waits, and both from one that was replaced", function()
    emu:later "340d"
    must(job.apply(emu), 1)
    local _, document = look("--offline")
    assert.same({ "client secret, in use, 24", "hand-over, to confirm, 24" }, summary(document.expiring))
    assert.equal("until then " .. "…" .. document.expiring[1].key_id:sub(-4) .. " is used", document.expiring[2].detail)
    assert.equal("Bring it to where it is used, then say so: moonlatch handover", document.expiring[1].fix)

    must(emu:run { "handover", "--secret-file", emu.place.path .. "/given-2" }, 0)
    must(emu:run { "handover", "--confirm" }, 0)
    _, document = look("--offline", "--within", "400d")
    assert.same({ "client secret, retiring, 24", "client secret, in use, 364" }, summary(document.expiring))
  end)

  it("keeps a client secret that expired while the consumer has it, and drops one that was replaced", function()
    emu:later "370d"
    local status, document = look("--offline")
    assert.same({ 3, { "client secret, in use, -6" } }, { status, summary(document.expiring) })
    local outcome = must(emu:run { "expiring", "--offline" }, 3)
    assert.truthy(outcome.out:find("days ago  client secret  in use  Devolutions PAM", 1, true), outcome.out)
  end)

  it("shows, when asked, what expires of the tenant's other applications", function()
    local app = emu:control("POST", "/graph/v1.0/applications", { displayName = "billing" })
    local ends = (emu:control("GET", "/clock").now or ""):sub(1, 4) + 1 .. "-01-01T00:00:00Z"
    emu:control("POST", "/graph/v1.0/applications/" .. app.id .. "/addPassword",
      { passwordCredential = { displayName = "x", endDateTime = ends } })
    local _, document = look("--applications", "--within", "700d")
    local found = {}
    for _, item in ipairs(document.expiring) do found[item.name .. ", " .. item.use] = item end
    local item = assert(found["billing, in the tenant"])
    assert.same({ ends, app.appId, "tenant/applications" }, { item.ends, item.client_id, item.source })
    assert.truthy(found["Devolutions PAM, in use"]) -- once, as what it is on record
    assert.is_nil(found["Devolutions PAM, in the tenant"])
    local outcome = must(emu:run { "expiring", "--offline", "--applications" }, 2)
    assert.truthy(outcome.err:find("Leave out --offline or --applications.", 1, true), outcome.err)
    emu:fault "graph GET /servicePrincipals** 403 always"
    _, document = look("--applications")
    emu:control("DELETE", "/faults")
    local unknown = {}
    for _, one in ipairs(document.unknown) do unknown[one.what] = true end
    assert.is_true(unknown["which credentials of the tenant's applications expire"])
  end)

  it("writes a calendar file, over one of ours only", function()
    local path = emu.place.path .. "/expiring.ics"
    must(emu:run { "expiring", "--offline", "--calendar", path }, 3)
    must(emu:run { "expiring", "--offline", "--calendar", path }, 3)
    local text = assert(sys.read(path, 1 << 20))
    assert.truthy(text:find("UID:client_secret/%x+@moonlatch\r\n"), text)
    assert.truthy(text:find("SUMMARY:Last day of the client secret …%x+ of 'Devolutions PAM'\\, in use"), text)
    local other = emu.place:write("other.ics", "BEGIN:VCALENDAR\r\n")
    local outcome = must(emu:run { "expiring", "--offline", "--calendar", other }, 2)
    assert.truthy(outcome.err:find("why: there is a file that Moonlatch did not write\n"
      .. "  fix: Name a new file: moonlatch expiring --calendar FILE", 1, true), outcome.err)
  end)

  it("refuses a span that is none", function()
    local outcome = must(emu:run { "expiring", "--within", "soon" }, 2)
    assert.truthy(outcome.err:find('read the duration "soon"', 1, true), outcome.err)
  end)
end)
