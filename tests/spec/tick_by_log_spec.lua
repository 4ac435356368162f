--- handover.tick_by_log: which items of a hand-over a reset by the provider ticks, and which resets tick nothing.

local evidence_store = require "evidence.store"
local journals = require "journals"
local profile = require "profile.current"
local refresh = require "evidence.refresh"
local rows = require("journal.rotations").client_secrets
local states = require "handover.state"
local tick_by_log = require "handover.tick_by_log"
local time = require "time"

local HOUR = 3600
local APP, PRINCIPAL = "app", "sp-1"
local ACCOUNTS = { { id = "u-1", upn = "one@contoso.com" }, { id = "u-2", upn = "two@contoso.com" } }
local read_logs = refresh.run

describe("items of a hand-over, by Entra's log,", function()
  local place, journal, now

  before_each(function()
    place, now = journals.folder(), time.now()
    journal = journals.open(place)
    profile.use { name = "contoso", state = place.path .. "/j" }
    refresh.run = function() return {} end
    local row = rows:new(journal, { app_id = APP, application = "object", name = "PAM", key_id = "new",
      ends = now + 90 * 86400, grace = 0 })
    rows:put(journal, row, "confirmed", { stored_at = now - 9 * HOUR, confirmed_at = now - 9 * HOUR })
    states.record(journal, { workflow = "setup/entra-pam-provider", name = "PAM", tenant = "t", client_id = APP,
      application = "object", consumer = "cloud", address = "https://contoso.devolutions.app", roles = {},
      managed = {} })
  end)

  after_each(function()
    refresh.run = read_logs
    journal:close()
    local _ <close> = place
  end)

  local function use(key_id, first, last, more)
    local one = { key_id = key_id, address = "203.0.113.88", ours = false, first = now - first * HOUR, count = 1,
      last = now - last * HOUR, first_success = now - first * HOUR, last_success = now - last * HOUR, days = {},
      earlier_days = 0 }
    for name, value in pairs(more or {}) do one[name] = value end
    evidence_store.change_application(journal, APP, function(record) table.insert(record.settled, one) end)
  end

  local function reset(account, hours, by)
    evidence_store.add_changes(journal, account, { { id = account .. hours, at = now - hours * HOUR, kind = "reset",
      name = "Reset user password", result = "success", by = { kind = "application", object_id = by or PRINCIPAL },
      targets = { { object_id = account, type = "User" } }, added = {}, removed = {} } })
  end

  -- The keys of the items that are done, but for `provider`.
  local function ticked()
    local function read() return states.read(journal, states.rows(journal)[1], now) end
    tick_by_log(journal, read(), { accounts = ACCOUNTS, principal = PRINCIPAL:upper() })
    local keys = {}
    for _, item in ipairs(read().items) do
      if item.state == "done" and item.key ~= "provider" then keys[#keys + 1] = item.key end
    end
    return table.concat(keys, " ")
  end

  local CHAIN = "licence identity permissions vault vault_permission services pam_service"

  it("are ticked by a reset with the secret in use: all that Devolutions needs for it", function()
    use("new", 8, 1)
    reset("u-1", 2)
    assert.equal(CHAIN .. " proof", ticked())
    reset("u-2", 2)
    assert.equal(CHAIN .. " account proof", ticked())
  end)

  it("are not ticked by somebody else's reset, or by one before the secret was used", function()
    use("new", 8, 1)
    reset("u-1", 2, "another")
    reset("u-1", 9)
    assert.equal("", ticked())
  end)

  it("are not ticked when another secret may have served the reset", function()
    use("new", 8, 1)
    use("old", 30, 3)
    reset("u-1", 2)
    assert.equal("", ticked())
  end)

  it("are not ticked by Moonlatch's own reset with the provider's secret", function()
    use("new", 8, 1)
    evidence_store.own_sign_in(journal, APP, "new", now - 2 * HOUR - 5)
    reset("u-1", 2)
    assert.equal("", ticked())
    reset("u-2", 1)
    assert.equal(CHAIN .. " account proof", ticked())
  end)

  it("are not ticked where only Moonlatch signed in", function()
    use("new", 8, 1, { ours = true })
    reset("u-1", 2)
    assert.equal("", ticked())
  end)
end)
