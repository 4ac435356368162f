--- A plan that was saved, or agreed to on a terminal: exactly its changes are made, or none.

local job = require "setup_job"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local must, truth, words = job.must, job.truth, job.words

describe("a saved plan", function()
  local function saved(emu, ...)
    local path = emu.place.path .. "/contoso.plan"
    must(emu:run(words("plan", "--out", path, ...)), 3)
    return path
  end

  it("is applied without a question, with the arguments it was made with", function()
    local emu <close> = rehearsal.new()
    local path = saved(emu, "--no-jit-elevation")
    assert.equal(tonumber("600", 8), sys.stat(path).mode & tonumber("777", 8))
    must(emu:run { "apply", path }, 0)
    job.assert_exact(emu)
  end)

  it("changes nothing when the tenant has changed since", function()
    local emu <close> = rehearsal.new()
    local path = saved(emu)
    must(job.apply(emu, "--no-jit-elevation"), 0)
    emu:control("DELETE", "/requests")
    local outcome = must(emu:run { "apply", path }, 1)
    assert.matches("the tenant has changed since", outcome.err, 1, true)
    assert.matches("no longer: create application 'Devolutions PAM'", outcome.err, 1, true)
    assert.matches("new: update API permissions 'Devolutions PAM'", outcome.err, 1, true)
    assert.matches("Nothing was changed. Look at a new plan: moonlatch plan setup/entra-pam-provider --out FILE",
      outcome.err, 1, true)
    assert.same({ 0, 0 }, { emu:count "PATCH", emu:count "DELETE" })
  end)

  it("is refused for another tenant, another script, with other arguments, and when it is none", function()
    local emu <close> = rehearsal.new()
    local path = saved(emu)
    local text = assert(sys.read(path, 1 << 20))
    local function refused(changed, why, ...)
      local other = emu.place.path .. "/other.plan"
      assert(sys.write(other, changed, "replace"))
      local outcome = must(emu:run { "apply", other, ... }, why.status or 1)
      assert.matches(why[1], outcome.err, 1, true)
    end
    refused(text:gsub('"tenant":"[^"]*"', '"tenant":"fabrikam.onmicrosoft.com"'),
      { "it is for the tenant fabrikam.onmicrosoft.com", status = 2 })
    refused(text:gsub('"script_digest":"%x*"', '"script_digest":"00"'), { "has changed since", status = 2 })
    refused(text, { "a saved plan has its arguments with it", status = 2 }, "--name", "other")
    refused("{}", { "it is not a plan that this version of Moonlatch saved", status = 2 })
    assert.matches("the file exists", must(emu:run(words("plan", "--out", path)), 2).err, 1, true)
    assert.matches("the name of a saved plan ends in .plan", must(emu:run(words("plan", "--out", path .. "x")), 2).err,
      1, true)
    assert.equal(0, #truth(emu).applications)
  end)
end)

describe("a plan that a person agreed to", function()
  it("names the tenant and the profile", function()
    local emu <close> = rehearsal.new()
    local shown = emu:talk(words("apply", "--managed", job.MANAGED, "--no-jit-elevation"),
      { "Apply this to contoso.onmicrosoft.com", "n\n" })
    assert.matches("Apply this to contoso.onmicrosoft.com (profile emulator)? [y/N]", shown, 1, true)
    assert.matches("Nothing was changed.", shown, 1, true)
    assert.equal(0, #truth(emu).applications)
  end)
end)
