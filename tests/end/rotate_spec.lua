-- takes 6 s: runs the program two dozen times
--- Rotation by policy from end to end: the built program on the built-in emulator.

local rehearsal = require "rehearsal"

local POLICY = "policies/tier0-users"

-- What a run says of each account, by its short name.
local function rows_of(document)
  local rows = {}
  for _, policy in ipairs(document.policies) do
    for _, account in ipairs(policy.accounts) do rows[account.name:match("^[^@]*")] = account end
  end
  return rows
end

local function count(rows, what)
  local sum = 0
  for _, row in pairs(rows) do sum = sum + (row.what == what and 1 or 0) end
  return sum
end

describe("rotation by policy", function()
  it("is planned, run, planned again, and falls due a month later", function()
    local emu <close> = rehearsal.new()
    local status, document = emu:json { "plan", POLICY }
    assert.same({ 3, 5 }, { status, count(rows_of(document), "change") })
    status, document = emu:json { "rotate", POLICY, "--yes" }
    assert.same({ 0, 5 }, { status, count(rows_of(document), "changed") })
    status, document = emu:json { "plan", POLICY }
    assert.same({ 0, 5 }, { status, count(rows_of(document), "wait") })
    emu:later "31d"
    local outcome = emu:run { "plan", POLICY }
    assert.equal(3, outcome.status)
    assert.truthy(outcome.out:find("  5 to change\n", 1, true), outcome.out)
    assert.truthy(outcome.out:find("  1 of them first, alone\n  5 writes to Graph, at most 1188 a minute", 1,
      true), outcome.out)
    outcome = emu:run { "rotate", POLICY, "--yes" }
    assert.equal(0, outcome.status, outcome.err)
    assert.truthy(outcome.out:find("  5 changed\n", 1, true), outcome.out)
    assert.equal(0, emu:run({ "journal", "verify" }).status)
  end)

  it("says why it is denied an account, or all of it", function()
    local emu <close> = rehearsal.new()
    local HAS = "our token has the permissions that this needs (%s); our directory roles: Global Administrator, "
      .. "so it is unknown why"
    emu:fault "graph PATCH /users/* 403"
    local outcome = emu:run { "rotate", "policies/tier0-users", "--yes" }
    assert.equal(1, outcome.status)
    assert.matches("! t0-anna@contoso.onmicrosoft.com  " .. HAS:format "User-PasswordProfile.ReadWrite.All",
      outcome.out, 1, true)
    emu:fault "graph GET /groups** 403 always"
    assert.matches("error: find the role-assignable groups\n  why: " .. HAS:format "GroupMember.Read.All",
      emu:run({ "rotate", "policies/tier0-users", "--yes" }).err, 1, true)
  end)

  it("reports another rotator, and goes on when a person says so", function()
    local emu <close> = rehearsal.new()
    emu:run { "rotate", POLICY, "--yes" }
    emu:later "1d"
    emu:admin("change_password", "t0-chen")
    emu:later "1h" -- records of the audit log are minutes late
    emu:fault "graph GET /auditLogs/* 403 1"
    assert.matches("who changed it: who did it is not known: the audit log could not be read (not permitted)",
      emu:run({ "plan", POLICY }).out, 1, true)
    local status, document = emu:json { "rotate", POLICY, "--yes" }
    assert.same({ 1, "stop" }, { status, rows_of(document)["t0-chen"].what })
    assert.matches("^adele@contoso.onmicrosoft.com did it.*, 20[%d-]+T[%d:]+Z %(Reset user password%)$",
      rows_of(document)["t0-chen"].who)
    emu:fault "graph GET /auditLogs/* 403" -- the run has kept what the log told
    assert.matches("\n        who changed it: adele@contoso.onmicrosoft.com did it", emu:run({ "plan", POLICY }).out, 1,
      true)
    local outcome = emu:run { "journal", "resume", "t0-chen@contoso.onmicrosoft.com" }
    assert.equal(0, outcome.status, outcome.err)
    assert.matches("t0-chen@contoso.onmicrosoft.com: the next rotate goes on with it, and sets a new password if "
      .. "somebody changed it, else when it is due.\n", outcome.out, 1, true)
    emu:later "5m" -- a request from before the change may be carried out until then
    status, document = emu:json { "rotate", POLICY, "--yes" }
    assert.same({ 0, "changed" }, { status, rows_of(document)["t0-chen"].what })
  end)

  it("says who removed the client secret that it finds gone, and who added one that it does not know", function()
    local emu <close> = rehearsal.new("--lag", "0")
    emu:run { "apply", "setup/entra-pam-provider", "--yes" }
    local app = emu:graph("/applications?$filter=displayName%20eq%20'Devolutions%20PAM'")[1]
    local made = emu:control("POST", "/graph/v1.0/applications/" .. app.id .. "/addPassword",
      { passwordCredential = { displayName = "by hand" } })
    assert.is_string(made.keyId)
    emu:admin("remove_secret", app.passwordCredentials[1].keyId)
    emu:later "2h"
    local entry = rows_of(select(2, emu:json { "plan", "policies/pam-provider-secret" }))["Devolutions PAM"]
    assert.matches("^'ml:%S+.*' was removed: adele@contoso.onmicrosoft.com did it.*; 'by hand' was added: %S+ did it",
      entry.who)
    emu:fault "graph GET /auditLogs/* 403 always"
    local planned = emu:run { "plan", "policies/pam-provider-secret" }
    assert.matches("\n        by the audit log: '", planned.out, 1, true)
    assert.matches("was removed: who did it is not known: the audit log could not be read (not permitted)", planned.out,
      1, true)
    assert.is_nil(planned.out:find("'by hand' was added", 1, true))
  end)

  it("leaves a chain that tells when its folder is replaced by an older copy", function()
    local emu <close> = rehearsal.new()
    emu:run { "rotate", POLICY, "--yes" }
    local old = emu.place.path .. "/old"
    assert(os.execute(("cp -a '%s' '%s'"):format(emu:state(), old)))
    emu:later "31d"
    emu:run { "rotate", POLICY, "--yes" }
    local head = emu:run({ "journal", "verify" }).out:match("the last is (%d+:%x+)\n")
    assert.equal(0, emu:run({ "journal", "verify", "--head", head }).status)
    assert(os.execute(("rm -r '%s' && mv '%s' '%s'"):format(emu:state(), old, emu:state())))
    assert.equal(0, emu:run({ "journal", "verify" }).status) -- by itself it is whole
    local outcome = emu:run { "journal", "verify", "--head", head }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("it ends before record " .. head:match("%d+"), 1, true), outcome.err)
  end)

  it("shows what is on record of an account, by its name, but its password on a terminal only", function()
    local emu <close> = rehearsal.new()
    emu:run { "rotate", POLICY, "--yes" }
    local listed = emu:run({ "journal", "list" }).out
    assert.matches("user password  closed  %S+  t0%-chen@contoso%.onmicrosoft%.com +%x", listed)
    local outcome = emu:run { "journal", "show", "t0-chen@contoso.onmicrosoft.com" }
    assert.truthy(outcome.out:find('"type": "user password"', 1, true), outcome.out)
    outcome = emu:run { "journal", "show", "t0-chen@contoso.onmicrosoft.com", "--reveal" }
    assert.equal(2, outcome.status)
    assert.equal("", outcome.out)
    assert.truthy(outcome.err:find("there is no terminal that can show the value and clear it again", 1, true),
      outcome.err)
    assert.is_nil(emu:run({ "journal", "history" }).out:find("reveal", 1, true))
  end)

  it("keeps the client secret of the provider that setup made", function()
    local emu <close> = rehearsal.new()
    emu:run { "apply", "setup/entra-pam-provider", "--yes" }
    local status, document = emu:json { "plan", "policies/pam-provider-secret" }
    assert.same({ 0, "wait" }, { status, rows_of(document)["Devolutions PAM"].what })
    emu:later "151d"
    status, document = emu:json { "rotate", "policies/pam-provider-secret", POLICY, "--yes" }
    assert.same({ 0, "changed", 5 },
      { status, rows_of(document)["Devolutions PAM"].what, count(rows_of(document), "changed") - 1 })
    assert.equal(0, emu:run({ "verify", "setup/entra-pam-provider" }).status) -- it is the same secret to setup
    emu:later "8d"
    status, document = emu:json { "plan", "policies/pam-provider-secret" }
    assert.same({ 3, "change" }, { status, rows_of(document)["Devolutions PAM"].what })
    status = emu:json { "rotate", "policies/pam-provider-secret", "--yes" }
    assert.equal(0, status)
    status = emu:json { "plan", "policies/pam-provider-secret" }
    assert.equal(0, status)
  end)

  it("is asked for by what is a policy, and with consent", function()
    local emu <close> = rehearsal.new()
    local function said(words)
      local outcome = emu:run(words)
      assert.equal(2, outcome.status)
      return outcome.err
    end
    assert.equal("error: rotate setup/entra-pam-provider: \n  why: the script of that name is not a policy\n  fix: "
      .. "Run it with the command for its kind: moonlatch apply setup/entra-pam-provider\n",
      (said { "rotate", "setup/entra-pam-provider", "--yes" }:gsub("provider\n", "provider: \n", 1)))
    assert.truthy(said({ "apply", POLICY, "--yes" }):find("for its kind: moonlatch rotate " .. POLICY, 1, true))
    assert.truthy(said({ "rotate", POLICY }):find("moonlatch plan policies/tier0-users. To make the changes", 1, true))
    assert.truthy(said({ "rotate", "--yes" }):find("POLICY is missing", 1, true))
    assert.truthy(said({ "rotate", POLICY, "--yes", "--watch", "--json" })
      :find("the one JSON document would never end", 1, true))
  end)
end)
