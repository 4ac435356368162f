--- policy: what a policy file may say, and what is said when it says something else.

local fail = require "fail"
local policy = require "policy"
local script = require "script.load"

local users, server = policy.users, policy.devolutions.server

local function fields(more)
  local all = {
    summary = "s", select = users { group = "tier 0" }, every = "30d", sink = server { vault = "Privileged" },
  }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

local function declare(more)
  return script.check({ name = "policies/x", path = "x.lua" }, policy(fields(more)))
end

local function refused(more)
  local ok, err = pcall(declare, more)
  assert(not ok and fail.is(err, "config"), tostring(err))
  return ("%s: %s"):format(err.what, err.why)
end

local function applications(more)
  local all = { select = policy.applications { client_id = "c" }, every = "90d", sink = policy.handover {} }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

describe("a policy", function()
  it("is a script that is neither run nor made of steps, with its defaults filled in", function()
    local declaration = declare { window = "02:00-04:00 America/Toronto", jitter = "12h" }
    local terms = declaration.policy
    assert.equal("policies/x", declaration.id)
    assert.same({ 30 * 86400, 43200, "users" }, { terms.every, terms.jitter, terms.target })
    assert.same({ max_changes = 50, canary = 1, stop_on_failure = true }, terms.limits)
    assert.same({ length = 32, excluded = "" }, terms.password)
    assert.equal("02:00-04:00 America/Toronto", tostring(terms.window))
    assert.is_false(terms.reconcile)
  end)

  it("takes several windows, and days on which nothing begins", function()
    local when = declare {
      window = { "22:00-02:00 Europe/Paris", "Sun 12:00-14:00 Europe/Paris" },
      except = { "2026-12-24", "2026-12-31..2027-01-01" },
    }.policy.window
    assert.equal("in the window 22:00-02:00 Europe/Paris and Sun 12:00-14:00 Europe/Paris except 2026-12-24 and "
      .. "2026-12-31..2027-01-01", when:phrase())
    assert.equal("at any time except 2026-12-24 UTC", declare({ except = "2026-12-24" }).policy.window:phrase())
    assert.is_nil(declare().policy.window)
  end)

  it("says which calls it makes, and no more than those", function()
    local plain, more = declare().needs, declare({ after = { revoke_sessions = true } }).needs
    assert.same({ "GroupMember.Read.All", "RoleManagement.Read.Directory", "User-PasswordProfile.ReadWrite.All",
      "User.Read.All" }, plain.scopes)
    assert.is_nil(plain.devolutions) -- its sink has needs of its own
    local calls = {}
    for _, call in ipairs(plain.graph) do calls[call] = true end
    assert.is_true(calls["PATCH /users/{id}#passwordProfile"])
    assert.is_nil(calls["POST /users/{id}/revokeSignInSessions"])
    assert.equal(#plain.graph + 1, #more.graph)
    assert.equal("User.RevokeSessions.All", more.scopes[#more.scopes])
    local secrets = declare(applications()).needs
    assert.same({ "Application.Read.All", "Application.ReadWrite.All" }, secrets.scopes)
  end)

  it("takes selections apart and puts them together, but not of different kinds", function()
    local chosen = users { group = "a" } + users { role = { "b", "c" } } - users { upn = "d@x" }
    assert.equal("group 'a' + role 'b', role 'c' - upn 'd@x'", tostring(chosen))
    assert.has_error(function() return users { group = "a" } - policy.applications { client_id = "x" } end,
      "users cannot be mixed with applications: write two policies")
    assert.has_error(function() return users { group = "a" } - "d@x" end,
      "a selection is added to, or taken from, a selection")
    local misspelt = select(2, pcall(users, { grup = "a" }))
    assert.same({ "usage", "it has no option 'grup'", "Did you mean 'group'?" },
      { misspelt.kind, misspelt.why, misspelt.fix })
    assert.has_error(function() users {} end, "users{} selects nobody: say whom")
  end)

  it("keeps what was selected, though the policy changes its tables later", function()
    local names, place = { "a" }, { path = "Entra" }
    local chosen, sink = users { group = names }, server(place)
    names[1], place.path = "b", "Other"
    assert.equal("group 'a'", tostring(chosen))
    assert.equal("Entra", sink.fields.path)
  end)

  it("takes away what accounts are, and selects nobody by it", function()
    local chosen = users { group = "a" } - (policy.guests() + policy.synced()) - policy.disabled() - policy.federated()
    assert.equal("group 'a' - (guests + accounts synced from on-premises) - disabled accounts - accounts of federated "
      .. "domains", tostring(chosen))
    local why = "guests only says what accounts are, and selects none"
    local advice = why .. ": select some accounts, and take these away with -"
    assert.has_error(function() return users { group = "a" } + policy.guests() end, advice)
    assert.has_error(function() return policy.guests() - users { group = "a" } end, advice)
    assert.has_error(function() return policy.guests() - policy.synced() end, advice)
    assert.equal("x.lua: select: " .. why, refused { select = policy.guests() })
    assert.has_error(function() return policy.applications { client_id = "x" } - policy.guests() end,
      "applications cannot be mixed with users: write two policies")
  end)

  it("says which refusals it expects, what follows on an unknown outcome, and what is rotated", function()
    local terms, of_applications = declare { accept = { "guest", "reach" } }.policy, declare(applications()).policy
    assert.same({ { guest = true, reach = true }, "ask" }, { terms.accept, terms.on_unknown })
    assert.is_nil(terms.credential)
    assert.same({ {}, "secret" }, { of_applications.accept, of_applications.credential })
    assert.is_nil(of_applications.on_unknown)
    assert.same({ unused = false }, of_applications.retire)
    terms = declare { accept = "disabled", on_unknown = "repeat" }.policy
    assert.same({ { disabled = true }, "repeat" }, { terms.accept, terms.on_unknown })
    assert.equal("certificate", declare(applications { credential = "certificate" }).policy.credential)
  end)

  it("knows each word with which an account is refused", function()
    local setting = { never = {}, role_ids = {}, by_permission = true }
    for code, account in pairs {
      guest = { guest = true }, synced = { synced = true }, federated = { federated = true },
      disabled = { disabled = true }, restricted = { restricted = true }, reach = { group = "g" }, date = {},
      outside = { outside = true },
    } do
      account.id, account.upn, account.roles = "1", "a@x", {}
      account.changed = code ~= "date" and 1 or nil
      local what, _, word = require("rotation.due").why_not_changed(setting, account)
      assert.same({ "refuse", code }, { what, word })
      assert.is_string(require("policy.refusals").REASONS.users[word], word)
    end
  end)

  it("refuses what it cannot mean, with the file and the member", function()
    local cases = {
      { { every = "monthly" }, "x.lua: every: it is not of the form 180d, 7d12h, 30m or 45s" },
      { { every = "10m" }, "x.lua: every: it is less than 1h" },
      { { jitter = "30d" }, "x.lua: jitter: it is not shorter than every" },
      { { evry = "30d" }, "x.lua: evry: there is no such member" },
      { { select = "everybody" }, "x.lua: select: a table is needed, but it is a string" },
      { { select = { "everybody" } }, "x.lua: select: it is not a selection" },
      { { sink = {} }, "x.lua: sink: it is an empty list" },
      { { sink = { {} } }, "x.lua: sink: it is not a sink" },
      { { sink = { server {}, policy.handover {} } }, "x.lua: sink: a hand-over to a person is a policy's only sink" },
      { { sink = function() end }, "x.lua: sinks: it is missing: which sinks the function `sink` may return" },
      { { sink = function() end, sinks = {} }, "x.lua: sinks: it is an empty list" },
      { { sink = function() end, sinks = server {} }, "x.lua: sinks: it is not a list" },
      { { sinks = { server {} } },
        "x.lua: sinks: it lists the sinks among which a function `sink` chooses, and `sink` is none" },
      { applications { sink = function() end, sinks = { server {} } },
        "x.lua: sink: a function chooses the sink of users only" },
      { { window = "nights" }, 'x.lua: window: read the window "nights": it is not of the form HH:MM-HH:MM ZONE' },
      { { window = {} }, "x.lua: window: it is empty" },
      { { window = { 7 } }, "x.lua: window: a string is needed, but it is a number" },
      { { except = { "2026-12-24", "xmas" } }, "x.lua: except: read the dates \"xmas\": 'xmas' is not of the form "
        .. "YYYY-MM-DD" },
      { { password = { length = 7 } }, "x.lua: password.length: 7 is not between 8 and 256" },
      { { limits = { max_changes = 0 } }, "x.lua: limits.max_changes: 0 is less than 1" },
      { { after = { run = { "/usr/bin/mail" } } },
        'x.lua: after.run: "/usr/bin/mail" is a path, and programs are named in the profile' },
      { { after = { run = { "a mail" } } }, "x.lua: after.run: it does not begin with the name that the profile gives "
        .. "the program" },
      { { lifetime = "90d" }, "x.lua: lifetime: it applies to applications only, and this policy selects users" },
      { applications { reconcile = true },
        "x.lua: reconcile: it applies to users only, and this policy selects applications" },
      { { accept = "gest" }, 'x.lua: accept: users are never refused for the reason "gest"' },
      { { accept = { "everything" } }, 'x.lua: accept: users are never refused for the reason "everything"' },
      { { accept = { 7 } }, "x.lua: accept: a string is needed, but it is a number" },
      { applications { accept = { "guest" } }, 'x.lua: accept: applications are never refused for the reason '
        .. '"guest"' },
      { { on_unknown = "retry" }, 'x.lua: on_unknown: "retry" is none of "ask", "repeat"' },
      { applications { retire = { unused = true } },
        "x.lua: retire: silence tells nothing while it is not said how often the consumer signs in" },
      { applications { retire = { rhythm = "59m" } }, "x.lua: retire.rhythm: it is less than 1h" },
      { { retire = {} }, "x.lua: retire: it applies to applications only, and this policy selects users" },
      { applications { on_unknown = "repeat" },
        "x.lua: on_unknown: it applies to users only, and this policy selects applications" },
      { { credential = "certificate" },
        "x.lua: credential: it applies to applications only, and this policy selects users" },
      { applications { credential = "certificate", sink = server {} },
        "x.lua: sink: an entry of Devolutions Server holds a client secret, and this policy rotates certificates" },
      { applications { credential = "certficate" },
        'x.lua: credential: "certficate" is none of "secret", "certificate"' },
      { applications { lifetime = "90d" },
        "x.lua: lifetime: a secret that lives 90 days cannot be replaced every 90 days" },
    }
    for _, case in ipairs(cases) do assert.equal(case[2], refused(case[1])) end
  end)

  it("knows a folder in one spelling", function()
    assert.equal("Entra\\Tier0", declare({ sink = server { path = "Entra\\\\Tier0\\" } }).policy.sinks[1].fields.path)
  end)

  it("says what is wrong with a sink where it is written", function()
    assert.has_error(function() server { path = "Entra\tier0" } end, "server: path: it contains an invisible character "
      .. "(\\t in a Lua string). Write it as \"Entra\\\\tier0\" or [[Entra\\tier0]] in a file, "
      .. "'Entra\\tier0' in a shell.")
    assert.has_error(function() server { vault = "P\rivileged" } end,
      "server: vault: it contains an invisible character (\\r in a Lua string). Remove that character, and write each "
        .. "\\ twice.")
    local misspelt = select(2, pcall(server, { pth = "x" }))
    assert.same({ "usage", "it has no option 'pth'", "Did you mean 'path'?" },
      { misspelt.kind, misspelt.why, misspelt.fix })
    assert.has_error(function() policy.sink { "vault" } end,
      'the name of a sink script is needed: policy.sink("sinks/vault", { … })')
    assert.has_error(function() policy.sink("sinks/vault", { path = print }) end,
      "path: a text, a number or a list is needed")
  end)
end)
