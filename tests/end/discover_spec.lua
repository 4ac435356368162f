--- Who holds power in the emulated tenant: the built program, as a table, CSV and JSON.

local rehearsal = require "rehearsal"

local emu

-- The row of an account.
local function of(rows, name)
  for _, row in ipairs(rows) do
    if row.account == name .. "@contoso.onmicrosoft.com" then return row end
  end
end

-- The names of the first accounts.
local function first_names(rows, count)
  local names = {}
  for i = 1, count do names[i] = rows[i].account:match "^[^@]+" end
  return names
end

describe("moonlatch discover", function()
  setup(function() emu = rehearsal.new("--lag", "0", "--users", "3000") end)
  teardown(function() local _ <close> = emu end)

  it("knows the ways to power: active, eligible, through a group, by owning one", function()
    local status, rows = emu:json { "discover" }
    assert.equal(0, status)
    assert.equal("User Administrator (active)", of(rows, "t0-anna").privileges)
    assert.equal("Privileged Authentication Administrator (eligible)", of(rows, "t0-dana").privileges)
    assert.equal("Security Administrator (active, through the group 'Security administrators')",
      of(rows, "t0-emil").privileges)
    assert.truthy(of(rows, "adele").privileges:find("owner of the role-assignable group 'Security administrators'", 1,
      true))
    assert.is_nil(of(rows, "uma"))
    assert.equal("no", of(rows, "t0-anna").managed)
  end)

  it("tells who changed a password last, as far as the audit log knows, and says when it cannot be read", function()
    local _, rows = emu:json { "discover" }
    assert.equal("unknown", of(rows, "t0-anna").password_by)
    emu:admin("change_password", "t0-anna")
    emu:later "1h"
    _, rows = emu:json { "discover" }
    assert.same({ "adele@contoso.onmicrosoft.com", 0 }, { of(rows, "t0-anna").password_by,
      of(rows, "t0-anna").password_days })
    _, rows = emu:json { "discover", "--no-evidence" }
    assert.equal("unknown", of(rows, "t0-anna").password_by)
    emu:fault "graph GET /auditLogs/* 403 1"
    local outcome = emu:run { "discover", "--role", "User Administrator" }
    assert.equal(0, outcome.status)
    assert.truthy(outcome.err:find("who changed a password last is not known everywhere: not permitted", 1, true),
      outcome.err)
    assert.truthy(outcome.out:find("unknown", 1, true))
  end)

  it("marks the managed accounts whose password PAM did not change as often as the profile says", function()
    local function configure(text)
      emu:configure(function(all) return (all:gsub("managed = {.-}, sign_in", "sign_in"):gsub("sign_in = ", text
        .. "sign_in = ", 1)) end)
    end
    local at = "@contoso.onmicrosoft.com"
    configure(('managed = { select = { "uma%s", "t0-anna%s" }, every = "30d" }, '):format(at, at))
    for _, words in ipairs { { "--all" }, { "--all", "--no-evidence" } } do
      local status, rows = emu:json { "discover", table.unpack(words) }
      assert.same({ 0, "yes", "no" }, { status, of(rows, "uma").overdue, of(rows, "t0-dana").overdue or "no" })
      -- A person changed this one an hour ago: that is seen in the log, and is no change of PAM's.
      assert.equal(#words == 1 and "yes" or "no", of(rows, "t0-anna").overdue)
    end
    local shown = emu:run { "discover", "--group", "PAM managed" }
    assert.matches("uma@contoso%.onmicrosoft%.com +no +overdue, [%d.]+ %a+ +unknown", shown.out)
    configure 'managed = { every = "30d" }, '
    shown = emu:run { "discover", "--group", "PAM managed" }
    assert.equal(3, shown.status)
    assert.truthy(shown.err:find("which passwords are overdue: neither managed.select in the profile nor a setup on "
      .. "record names the accounts", 1, true), shown.err)
    configure 'managed = { select = { "Nobody here" }, every = "30d" }, '
    shown = emu:run { "discover", "--group", "PAM managed" }
    assert.equal(3, shown.status)
    assert.truthy(shown.err:find("which passwords are overdue: find the managed accounts 'Nobody here': there is no "
      .. "group of that name", 1, true), shown.err)
    configure ""
  end)

  it("lists who holds one role, by whatever way", function()
    local status, rows = emu:json { "discover", "--role", "security administrator" }
    assert.equal(0, status)
    assert.equal("Security Administrator (owner of the role-assignable group 'Security administrators')",
      of(rows, "adele").privileges)
    assert.truthy(of(rows, "t0-emil"))
    assert.is_nil(of(rows, "t0-anna"))
    local outcome = emu:run { "discover", "--role", "Securty Administrator" }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("why: nobody does\n  fix: Did you mean 'Security Administrator'?", 1, true))
  end)

  it("knows who is eligible for a role-assignable group, and says when that could not be read", function()
    emu:admin("make_eligible", "uma", "security-admins")
    local status, rows = emu:json { "discover" }
    assert.equal(0, status)
    assert.equal("Security Administrator (eligible member of the group 'Security administrators')",
      of(rows, "uma").privileges)
    emu:fault "graph GET /identityGovernance/privilegedAccess/group/* 403 1"
    local outcome = emu:run { "discover" }
    assert.equal(3, outcome.status)
    assert.is_nil(outcome.out:find("uma@", 1, true))
    assert.truthy(outcome.err:find("the list is not whole, as this could not be read: who is eligible for "
      .. "role-assignable groups (PIM for Groups): ", 1, true), outcome.err)
  end)

  it("tells who is managed, by the entries of Devolutions Server", function()
    local outcome = emu:run({ "--write", "-e", [[
      local server, secret = require "devolutions.server", require "secret"
      server.create_entry(server.vault("Privileged").id, { name = "Anna, tier 0", subType = "Default",
        data = { username = "T0-Anna@contoso.onmicrosoft.com", domain = "", password = secret.generate(20) } })
      server.create_entry(server.vault("Privileged").id, { name = "t0-dana@contoso.onmicrosoft.com",
        subType = "Default", data = { username = "", domain = "", password = secret.generate(20) } })
    ]] }, { inside = true })
    assert.equal(0, outcome.status, outcome.err)
    local _, rows = emu:json { "discover" }
    assert.equal("yes", of(rows, "t0-dana").managed)
    assert.equal("no", of(rows, "adele").managed)
    assert.same({ "adele", "elias", "priya", "breakglass", "rita" }, first_names(rows, 5)) -- the highest roles first
    assert.equal("t0-dana", first_names(rows, #rows)[#rows]) -- nobody's risk is smaller than the managed one's
    _, rows = emu:json { "discover", "--unmanaged" }
    assert.is_nil(of(rows, "t0-dana"))
  end)

  it("lists a group's accounts, nested ones too, and says what is peculiar about them", function()
    local _, rows = emu:json { "discover", "--group", "PAM managed" }
    assert.equal(6, #rows)
    emu:admin("add_member", "managed", "sven")
    emu:admin("add_member", "managed", "dora")
    _, rows = emu:json { "discover", "--group", "PAM managed" }
    assert.equal("yes", of(rows, "sven").synced)
    assert.equal("no", of(rows, "dora").enabled)
    assert.equal("integer", math.type(of(rows, "dora").password_days))
  end)

  it("lists a unit's accounts", function()
    emu:admin("add_unit", { name = "Shop", members = { "uma", "henry" } })
    local _, rows = emu:json { "discover", "--unit", "Shop" }
    assert.equal(2, #rows)
  end)

  it("writes CSV and nothing else to standard output", function()
    local outcome = emu:run { "discover", "--all", "--format", "csv" }
    assert.equal(0, outcome.status, outcome.err)
    local count = 0
    for line in outcome.out:gmatch "([^\r\n]*)\r\n" do
      count = count + 1
      assert.truthy(count == 1 or line:find("@contoso.onmicrosoft.com,", 1, true), line)
    end
    assert.equal(1 + 16 + 3000, count)
  end)

  it("says what cannot go together, and what is not there", function()
    local outcome = emu:run { "discover", "--group", "x", "--all" }
    assert.equal(2, outcome.status)
    assert.truthy(outcome.err:find("each say which accounts", 1, true))
    outcome = emu:run { "discover", "--group", "Nobody here" }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("find the group 'Nobody here': there is none of that name", 1, true)
      or outcome.err:find("there is none of that name", 1, true))
  end)
end)
