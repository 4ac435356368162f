--- The rotator's certificate when things are lost, taken away, or in the way.

local crypto = require "host.crypto"
local job = require "setup_job"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local must = job.must

local function run(emu, command, ...) return emu:run { command, "setup/rotator", ... } end
local function file_of(emu) return emu:state() .. "/rotator.pem" end

local function certificates(emu)
  emu:later "60s"
  for _, app in ipairs(emu:graph "/applications?$top=999&$select=id,uniqueName,keyCredentials") do
    if app.uniqueName == "moonlatch-setup-rotator-moonlatch-rotator" then return app.keyCredentials, app end
  end
end

local function begun()
  local emu = rehearsal.new()
  must(job.apply(emu), 0)
  must(run(emu, "apply", "--yes"), 0)
  return emu
end

describe("a rotator", function()
  it("whose journal is lost goes on with what lies in its file", function()
    local emu <close> = begun()
    local pem = assert(sys.read_secret(file_of(emu), "person", true))
    local before = certificates(emu)[1].keyId
    for _, name in ipairs(sys.list(emu:state())) do
      if name:find "^journal" then assert(sys.remove(emu:state() .. "/" .. name)) end
    end
    local outcome = must(run(emu, "apply", "--yes"), 0)
    assert.truthy(outcome.out:find("it signs in, so it is adopted", 1, true))
    assert.equal(before, certificates(emu)[1].keyId)
    assert.equal(1, #certificates(emu))
    assert.is_true(pem:equals(assert(sys.read_secret(file_of(emu), "person", true))))
    must(run(emu, "verify"), 0)
  end)

  it("whose file is lost has it written again", function()
    local emu <close> = begun()
    assert(sys.remove(file_of(emu)))
    must(run(emu, "verify"), 3)
    must(run(emu, "apply", "--yes"), 0)
    assert.equal(1, #certificates(emu))
    must(run(emu, "verify"), 0)
  end)

  it("whose certificate somebody removed gets another", function()
    local emu <close> = begun()
    local before, app = certificates(emu)
    emu:admin("change", app.id, { keyCredentials = {} })
    emu:later "2h"
    local outcome = must(run(emu, "apply", "--yes"), 0)
    assert.truthy(outcome.out:find("removed from the application by somebody", 1, true))
    assert.are_not.equal(before[1].keyId, certificates(emu)[1].keyId)
    must(run(emu, "verify"), 0)
  end)

  it("leaves a file that is none of its own", function()
    local emu <close> = rehearsal.new()
    must(job.apply(emu), 0)
    local text = "not a key\n"
    assert(sys.write(file_of(emu), text, "new"))
    local outcome = must(run(emu, "apply", "--yes"), 1)
    assert.truthy(outcome.err:find("there is a file already, and it is no key file of ours", 1, true))
    assert.equal(text, (sys.read(file_of(emu), 100)))
    local other = crypto.self_signed("other", 1, 4000000000)
    assert(sys.write(file_of(emu), other, "replace"))
    outcome = must(run(emu, "apply", "--yes"), 1)
    assert.truthy(outcome.err:find("its certificate is not one of this application", 1, true))
    assert.is_nil(certificates(emu)[1])
  end)

  it("lives as long as the tenant allows, or is refused with the reason", function()
    local emu <close> = rehearsal.new()
    must(job.apply(emu), 0)
    emu:admin("set_policy", { certificate_days = 90 })
    local outcome = must(run(emu, "plan"), 3)
    assert.truthy(outcome.out:find("limits certificates to 90 days", 1, true))
    outcome = must(run(emu, "plan", "--lifetime", "120d"), 1)
    assert.truthy(outcome.err:find("Use --lifetime 90d or less.", 1, true))
    must(run(emu, "apply", "--yes"), 0)
    emu:admin("set_policy", { authority = true })
    must(run(emu, "verify"), 0)
    emu:later "61d"
    outcome = must(run(emu, "plan"), 1)
    assert.truthy(outcome.err:find("demands certificates of an authority the tenant trusts", 1, true))
  end)

  it("of an adopted application leaves it as it was", function()
    local emu <close> = rehearsal.new()
    must(job.apply(emu), 0)
    local made = emu:admin("add_app", { name = "Old rotator", days = 100 })
    emu:later "60s"
    must(run(emu, "apply", "--yes", "--client-id", made.appId), 0)
    must(run(emu, "verify", "--client-id", made.appId), 0)
    must(run(emu, "destroy", "--yes", "--client-id", made.appId), 0)
    emu:later "60s"
    local app = emu:graph("/applications/" .. made.id .. "?$select=id,displayName,keyCredentials")
    assert.equal("Old rotator", app.displayName)
    assert.equal(0, #app.keyCredentials)
    assert.is_nil(sys.stat(file_of(emu)))
  end)
end)
