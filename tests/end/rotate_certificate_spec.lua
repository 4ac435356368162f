-- takes 11 s: each rotation makes a key
--- Certificates of applications, rotated by policy; and credentials that are replaced at once: the built program on the
--- built-in emulator.

local certificates = require "certificates"
local job = require "setup_job"
local rehearsal = require "rehearsal"

local must = job.must

local POLICY = [[
local policy = require "policy"
return policy {
  summary = "certificates", select = policy.applications { client_id = %q }, credential = "certificate",
  every = "90d", lifetime = "360d", grace = "7d", sink = policy.handover {},
}
]]

local function certificates_of(emu, id)
  emu:later "60s"
  return emu:graph("/applications/" .. id .. "?$select=id,keyCredentials").keyCredentials
end

local function names_of(list)
  local names = {}
  for i, one in ipairs(list) do names[i] = one.displayName:find "^ml:" and "ours" or one.displayName end
  table.sort(names)
  return names
end

-- Somebody else's certificate.
local function add_foreign(emu, id)
  emu:admin("change", id, { keyCredentials = { certificates.made_by_hand() } })
end

local function asked(emu, method, path)
  local count = 0
  for _, request in ipairs(emu:control("GET", "/requests").requests) do
    count = count + (request.method == method and request.path:find(path) and 1 or 0)
  end
  return count
end

describe("a policy for certificates", function()
  local emu, app, file

  before_each(function()
    emu = rehearsal.new()
    app = emu:admin("add_app", { name = "Billing", days = 3650 })
    add_foreign(emu, app.id)
    file = emu.place:write("certificates.lua", POLICY:format(app.appId))
  end)
  after_each(function() debug.getmetatable(emu).__close(emu) end)

  local function rotate()
    local status, document = emu:json { "rotate", file, "--yes" }
    return document.policies[1].accounts[1], status
  end

  local function confirm(row)
    assert.same({ "person", "have 'Billing' sign in with its new certificate" }, { row.what, row.why })
    must(emu:run { "journal", "confirm", (row.waiting[1].how[3]:match "%x+$") }, 0)
  end

  it("makes one, keeps its key sealed here, and lets the one before go when a person has confirmed", function()
    local row, status = rotate()
    assert.equal(1, status)
    assert.same({ "made by hand", "ours" }, names_of(certificates_of(emu, app.id)))
    assert.equal(0, asked(emu, "POST", "addKey$")) -- nothing of ours vouches for the first
    confirm(row)
    row, status = rotate()
    assert.same({ "wait", 0 }, { row.what, status })

    emu:later "91d"
    row = rotate()
    assert.same({ "made by hand", "ours", "ours" }, names_of(certificates_of(emu, app.id)))
    assert.equal(1, asked(emu, "POST", "addKey$"))
    confirm(row)
    emu:later "8d"
    row, status = rotate()
    assert.same({ "changed", 0 }, { row.what, status })
    assert.same({ "made by hand", "ours" }, names_of(certificates_of(emu, app.id)))
  end)

  it("says who removed the certificate that it finds gone", function()
    rotate()
    local ours
    for _, one in ipairs(certificates_of(emu, app.id)) do ours = one.displayName:find "^ml:" and one or ours end
    emu:admin("change", app.id, { keyCredentials = {} })
    emu:later "2h"
    local row = select(2, emu:json { "plan", file }).policies[1].accounts[1]
    assert.matches(("^'%s' was removed: adele@contoso.onmicrosoft.com did it"):format(ours.displayName:match "%S+"),
      row.who)
  end)

  it("adds the same certificate again when the answer is lost, and writes the list when addKey is refused", function()
    emu:fault "PATCH /applications/* drop-after"
    local row = rotate()
    if row.what == "failed" then row = rotate() end
    assert.same({ "made by hand", "ours" }, names_of(certificates_of(emu, app.id)))
    confirm(row)
    emu:later "91d"
    emu:fault "POST /applications/*/addKey drop-after"
    row = rotate()
    if row.what == "failed" then row = rotate() end
    assert.same({ "made by hand", "ours", "ours" }, names_of(certificates_of(emu, app.id)))
    confirm(row)
    emu:later "91d"
    emu:fault "POST /applications/*/addKey 403 always"
    rotate()
    local names = names_of(certificates_of(emu, app.id))
    assert.same({ "made by hand", "ours" }, { names[1], names[#names] })
    assert.equal(4, #names)
  end)
end)

describe("a credential that leaked", function()
  it("is replaced, and removed at once, with apply --renew --old-now", function()
    local emu <close> = rehearsal.new()
    must(job.apply(emu), 0)
    local before = job.truth(emu).credentials[1].keyId
    local planned = must(emu:run { "plan", job.SETUP }, 0)
    assert.truthy(planned.out:find("Nothing to do", 1, true))
    local renewed = must(job.apply(emu, "--renew"), 0)
    assert.truthy(renewed.out:find("asked for with --renew", 1, true), renewed.out)
    assert.truthy(renewed.err:find("still signs in, until ", 1, true), renewed.err)
    local retire = ("moonlatch journal retire %s removes it at once"):format(before)
    assert.truthy(renewed.err:find(retire, 1, true), renewed.err)
    assert.equal(2, #job.truth(emu).credentials)
    local removed = must(job.apply(emu, "--old-now"), 0)
    assert.matches("is removed: the log, known since %d+%-%d+%-%d+, shows no use of it%. Whoever signs in with it is "
      .. "refused from now on", removed.err)
    local left = job.truth(emu).credentials
    assert.equal(1, #left)
    assert.are_not.equal(before, left[1].keyId)
    must(job.apply(emu, "--renew", "--old-now"), 0)
    local last = job.truth(emu).credentials
    assert.equal(1, #last)
    assert.are_not.equal(left[1].keyId, last[1].keyId)
    assert.equal(0, (job.verify(emu)))
  end)

  it("is not said to be replaced by a script that keeps none", function()
    local emu <close> = rehearsal.new()
    local path = emu.place:write("none.lua", [[
      local workflow = require "workflow"
      return workflow.declare { summary = "s", steps = { workflow.step "Nothing" (function() end) } }
    ]])
    local outcome = emu:run { "apply", path, "--yes", "--renew" }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("it has no client secret and no certificate", 1, true), outcome.err)
  end)
end)
