--- A reset that proves the application: when it is not wanted, and when Entra refuses it.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local apply, must, texts = job.apply, job.must, job.texts

local CHEN = "t0-chen@contoso.onmicrosoft.com"

local function changed(emu)
  return emu:graph(("/users/%s?$select=lastPasswordChangeDateTime"):format(CHEN)).lastPasswordChangeDateTime
end

describe("a reset that proves the application", function()
  it("is never done unless it is asked for", function()
    local emu <close> = rehearsal.new()
    local before = changed(emu)
    must(apply(emu), 0)
    assert.equal(before, changed(emu))
  end)

  it("that Entra refuses leaves the rest whole, and a person to find out why", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "reset_needs_permission", true)
    local before = changed(emu)
    local status, document = emu:json(job.words("apply", "--yes", "--prove-on", CHEN))
    assert.equal(1, status)
    assert.equal(9, document.changes.create) -- the entry too, and no reset
    assert.equal("find out why the application may not reset " .. CHEN, document.waiting[1].what)
    assert.is_nil(texts(document, "Proof"):find("shown:", 1, true))
    assert.equal(before, changed(emu))
  end)
end)
