-- takes 8 s: four runs of the setup
--- A hand-over to Devolutions Cloud that nobody confirms and ticks: Entra's logs show that the client secret is in use,
--- and that Devolutions resets passwords with it.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local ACCOUNTS = { "uma@contoso.onmicrosoft.com", "t0-chen@contoso.onmicrosoft.com" }

local function state(emu)
  local handover = select(2, emu:json { "handover" }).handovers[1]
  local items = {}
  for _, item in ipairs(handover.items) do items[item.key] = item end
  return items, handover
end

describe("a hand-over without a person's word", function()
  local emu
  local function apply() return job.apply(emu, "--managed", "PAM managed service accounts", "--no-jit-elevation") end

  before_each(function()
    emu = rehearsal.new("--lag", "0", "--devolutions", "cloud")
    emu.edition = "cloud"
    emu:admin("set_flag", "report_quota", false)
    apply()
    job.prepare(emu)
    job.paste(emu, job.receive(emu))
    for _, account in ipairs(ACCOUNTS) do job.manage(emu, "1d", account) end
  end)
  after_each(function() local _ <close> = emu end)

  it("is confirmed and ticked by Entra's logs, with the day on which they show it", function()
    emu:later "3d"
    apply() -- puts on record that the secret is in use
    local items, handover = state(emu)
    assert.same({ "in use", "done", "sign-ins in Entra's log" },
      { handover.secret.state, items.provider.state, items.provider.by })
    emu:later "1d"
    apply()
    items = state(emu)
    assert.same({ "done", "Entra's log", "log" }, { items.proof.state, items.proof.by, items.proof.how })
    assert.same({ "done", "Entra's log" }, { items.account.state, items.account.by })
    assert.same({ "done", "done", "open" }, { items.licence.state, items.services.state, items.people.state })
    assert.equal("Entra's log", items.licence.by)
  end)

  it("stays open where a person said that an item is not done", function()
    emu:later "3d"
    apply()
    job.must(emu:run { "handover", "--undo", "account" }, 0)
    job.must(emu:run { "handover", "--undo", "proof" }, 0)
    emu:later "1d"
    apply()
    local items = state(emu)
    assert.same({ "open", "open", "done" }, { items.proof.state, items.account.state, items.licence.state })
  end)
end)
