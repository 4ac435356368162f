--- The rotator's certificate when things are lost, taken away, or in the way.

local crypto = require "host.crypto"
local job = require "setup_job"
local rehearsal = require "rehearsal"
local secret = require "host.secret"
local sys = require "host.sys"

local must = job.must

local function file_of(emu) return emu:state() .. "/rotator.pem" end

local function run(emu, command, ...) return emu:run { command, "setup/rotator", ... } end
local function with_file(emu, command, ...) return run(emu, command, "--key-file", file_of(emu), ...) end

-- Where it lies when nobody asked for a file in clear.
local function sealed_of(emu)
  for _, name in ipairs(sys.list(emu:state())) do
    if name:find "^certificate%-.*%.sealed$" then return emu:state() .. "/" .. name end
  end
end

local function lose_state(emu) assert(sys.remove_tree(emu:state())) end

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
  it("whose state is lost gets another certificate, and the one before is listed", function()
    local emu <close> = begun()
    local before = certificates(emu)[1].keyId
    lose_state(emu)
    local outcome = must(run(emu, "apply", "--yes"), 0)
    assert.truthy(outcome.out:find("moonlatch journal retire " .. before, 1, true), outcome.out)
    assert.equal(2, #certificates(emu))
    must(run(emu, "verify"), 0)
    must(emu:run { "journal", "retire", before, "--yes" }, 0)
    assert.equal(1, #certificates(emu))
    assert.are_not.equal(before, certificates(emu)[1].keyId)
    must(run(emu, "verify"), 0)
  end)

  it("whose state is lost goes on with what lies in the file that was asked for", function()
    local emu <close> = begun()
    local file = emu.place.path .. "/rotator.pem"
    must(run(emu, "apply", "--key-file", file, "--yes"), 0)
    local pem = assert(sys.read_secret(file, "person", "whole"))
    local before = certificates(emu)[1].keyId
    lose_state(emu)
    local outcome = must(run(emu, "apply", "--key-file", file, "--yes"), 0)
    assert.truthy(outcome.out:find("rotator.pem holds a certificate that this journal does not know", 1, true),
      outcome.out)
    assert.equal(before, certificates(emu)[1].keyId)
    assert.is_true(secret.equals(pem, assert(sys.read_secret(file, "person", "whole"))))
    assert.is_not_nil(sealed_of(emu))
    must(run(emu, "verify", "--key-file", file), 0)
  end)

  it("whose key lies where an earlier version put it is kept up to date there, and told to remove it", function()
    local emu <close> = begun()
    must(with_file(emu, "apply", "--yes"), 0)
    assert(sys.remove(sealed_of(emu))) -- an earlier version wrote none
    local outcome = must(run(emu, "apply", "--yes"), 0)
    assert.truthy(outcome.out:find("it holds the key in clear, as an earlier version wrote it", 1, true), outcome.out)
    assert.truthy(outcome.out:find(("rm '%s'"):format(file_of(emu)), 1, true), outcome.out)
    assert.is_not_nil(sealed_of(emu))
    local before = assert(sys.read_secret(file_of(emu), "person", "whole"))
    emu:later "340d"
    must(run(emu, "apply", "--yes"), 0)
    assert.is_false(secret.equals(before, assert(sys.read_secret(file_of(emu), "person", "whole"))))
    assert(sys.remove(file_of(emu)))
    outcome = must(run(emu, "apply", "--yes"), 0)
    assert.is_nil(outcome.out:find("holds the key in clear", 1, true))
    assert.is_nil(sys.stat(file_of(emu)))
  end)

  it("whose sealed key is lost has it written again", function()
    local emu <close> = begun()
    assert(sys.remove(sealed_of(emu)))
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
    local outcome = must(with_file(emu, "apply", "--yes"), 1)
    assert.truthy(outcome.err:find("it holds something else: ", 1, true), outcome.err)
    assert.equal(text, (sys.read(file_of(emu), 100)))
    local other = crypto.self_signed("other", 1, 4000000000)
    assert(sys.write(file_of(emu), other, "replace"))
    outcome = must(with_file(emu, "apply", "--yes"), 1)
    assert.truthy(outcome.err:find("it holds a certificate that is not one of this application", 1, true), outcome.err)
    assert.is_nil(certificates(emu)[1])
  end)

  it("lives as long as the tenant allows, or is refused with the reason", function()
    local emu <close> = rehearsal.new()
    must(job.apply(emu), 0)
    emu:admin("set_policy", { certificate_days = 90 })
    local outcome = must(run(emu, "plan"), 3)
    assert.truthy(outcome.out:find("limits certificates to 90 days", 1, true))
    outcome = must(run(emu, "plan", "--lifetime", "120d"), 1)
    assert.truthy(outcome.err:find("Add --lifetime 90d to the command", 1, true))
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
    assert.is_nil(sealed_of(emu))
  end)
end)
