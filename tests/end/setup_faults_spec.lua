-- takes 16 s: twenty faults, each with an emulator and several runs of the program
--- The setup script when things go wrong: the built program on the built-in emulator.

local job = require "setup_job"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local apply, assert_exact, must, truth, verify = job.apply, job.assert_exact, job.must, job.truth, job.verify

describe("an answer that was lost", function()
  it("of addPassword leaves one current secret, and none that nobody knows", function()
    local emu <close> = rehearsal.new()
    emu:fault "POST /applications/*/addPassword drop-after"
    must(apply(emu), 0)
    emu:later "1h"
    assert.equal(0, (verify(emu)))
    assert_exact(emu)
  end)

  it("of anything else makes nothing twice", function()
    for _, path in ipairs {
      "PATCH /applications(uniqueName=*)", "PATCH /servicePrincipals(appId=*)", "PATCH /applications/*",
      "POST /servicePrincipals/*/appRoleAssignedTo",
      "POST /roleManagement/directory/roleAssignmentScheduleRequests",
    } do
      local emu <close> = rehearsal.new()
      emu:fault(path .. " drop-after")
      local outcome = apply(emu)
      if outcome.status ~= 0 then must(apply(emu), 0) end
      assert_exact(emu)
    end
  end)

  it("of a role that is assigned directly assigns it once", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "premium", false)
    emu:fault "POST /roleManagement/directory/roleAssignments drop-after"
    if apply(emu).status ~= 0 then must(apply(emu), 0) end
    assert_exact(emu)
  end)

  for number, what in pairs { [2] = "the entry's lease", [3] = "the entry" } do
    it("of the creation of " .. what .. " ends with one entry", function()
      local emu <close> = rehearsal.new()
      emu:fault(("devolutions POST /api/v1/vault/*/entry drop-after 1 @%d"):format(number))
      must(apply(emu), 0) -- the server is asked what it did
      assert_exact(emu)
      assert.equal(0, (verify(emu)))
    end)
  end
end)

describe("answers that are none", function()
  for _, kind in ipairs { "html", "cut:10", "empty", "garbage", "big" } do
    it("(" .. kind .. ") are clear errors, and the next apply finishes", function()
      local emu <close> = rehearsal.new()
      emu:fault("graph GET /servicePrincipals(appId=*) " .. kind .. " always")
      local outcome = must(apply(emu), 1)
      assert.truthy(outcome.err:find("read the permissions Microsoft Graph offers", 1, true))
      emu:control("DELETE", "/faults")
      must(apply(emu), 0)
      assert_exact(emu)
    end)

    it("(" .. kind .. ") to what makes the application do not make a second one", function()
      local emu <close> = rehearsal.new()
      emu:fault("graph PATCH /applications(uniqueName=*) " .. kind .. " always")
      apply(emu)
      emu:control("DELETE", "/faults")
      must(apply(emu), 0)
      assert_exact(emu)
    end)
  end
end)

describe("a tenant", function()
  -- Lets the setup sign in as an application that may change what it owns only.
  local function sign_in_as_owner(emu)
    local app = emu:admin("add_app", { name = "Installer", permissions = {
      "Application.ReadWrite.OwnedBy", "Application.Read.All", "AppRoleAssignment.ReadWrite.All",
      "RoleManagement.ReadWrite.Directory", "User.Read.All", "Group.Read.All", "Policy.Read.All",
      "Organization.Read.All", "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    } })
    assert(sys.write(emu.config:match "^(.*)/" .. "/app.secret", app.secret, "replace"))
    local sign_in = ('{ method = "client_secret", client_id = %q, secret = { from = "file", path = "app.secret" } }')
      :format(app.appId)
    emu:configure(function(text) return (text:gsub("emulator = by%(device%)", function()
      return "emulator = by(" .. sign_in .. ")"
    end)) end)
  end

  it("that does not know yet who owns what was just made (403) is waited for, for half a minute", function()
    local emu <close> = rehearsal.new()
    sign_in_as_owner(emu)
    emu:admin("set_flag", "owner_delay", { 12, 12 })
    local outcome = must(apply(emu, "--verbose"), 0)
    assert.matches("create service principal 'Devolutions PAM': it was refused %(403%) although we may do it, so Entra "
      .. "may not know yet what was just made; trying again in 1 second", outcome.err)
    assert_exact(emu)
  end)

  it("that never knows its owner is told of as such, and what was made is gone on with", function()
    local emu <close> = rehearsal.new()
    sign_in_as_owner(emu)
    emu:admin("set_flag", "owner_delay", { 60, 60 })
    local outcome = must(apply(emu), 1)
    assert.matches("error: setup/entra%-pam%-provider, step 'Service principal': create service principal "
      .. "'Devolutions PAM'\n  why: Graph refused this for 30 seconds, although the token has the permission: Entra "
      .. "may not know yet what was made a moment ago, or a directory role is missing%. Graph said: 403 "
      .. "Authorization_RequestDenied.*\n  fix: Run the same command again in some minutes", outcome.err)
    emu:later "1m"
    emu:admin("set_flag", "owner_delay", false)
    must(apply(emu), 0)
    assert_exact(emu)
  end)

  it("that says Directory_ObjectNotFound of what was just made is waited for", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "unseen_code", "Directory_ObjectNotFound")
    must(apply(emu), 0)
    local refused = 0
    for _, request in ipairs(emu:control("GET", "/requests").requests) do
      refused = refused + (request.status == 404 and request.method == "POST" and 1 or 0)
    end
    assert.is_true(refused > 0) -- else nothing was tried
    assert_exact(emu)
  end)

  it("whose application is full names the cause, and takes the secret when there is room", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "object_values", 4)
    local outcome = must(apply(emu), 1)
    assert.matches("step 'Client secret': add a client secret to 'Devolutions PAM'\n  why: the object has no room for "
      .. "another value %(such as a credential, an owner or a permission%).*Graph said: 403 "
      .. "Directory_ResourceSizeExceeded: The size of the object has exceeded its limit.*\n  fix: Remove expired "
      .. "credentials first: Entra admin center > App registrations > the application > Certificates & secrets.",
      outcome.err)
    emu:admin("set_flag", "object_values", 1000)
    must(apply(emu), 0)
    assert_exact(emu)
  end)
end)

describe("Devolutions Server", function()
  for number, name in pairs { [2] = "Devolutions PAM (being written)", [3] = "Devolutions PAM" } do
    it("that refuses '" .. name .. "' after the secret exists does not lose it", function()
      local emu <close> = rehearsal.new()
      emu:fault(("devolutions POST /api/v1/vault/*/entry 403 1 @%d"):format(number))
      local outcome = must(apply(emu), 1)
      assert.truthy(outcome.err:find(("create the entry '%s'"):format(name), 1, true))
      must(apply(emu), 0)
      assert_exact(emu) -- the same secret, not a second one
    end)
  end

  it("that cannot be written stops before anything is made", function()
    local emu <close> = rehearsal.new()
    emu:control("POST", "/devolutions", { ["do"] = "permit", with = { "add", false } })
    must(apply(emu), 1)
    assert.equal(0, #truth(emu).applications)
  end)

  it("that hides passwords stops before anything is made", function()
    local emu <close> = rehearsal.new()
    emu:control("POST", "/devolutions", { ["do"] = "permit", with = { "view_password", false } })
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("View password", 1, true))
    assert.equal(0, #truth(emu).applications)
  end)

  it("whose entry somebody changed is put right", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    emu:later "151d"
    must(apply(emu), 0)
    assert.equal(0, (verify(emu)))
  end)
end)

describe("a lost state folder", function()
  it("is made good from the entry: nothing is minted, nothing in force is removed", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    local before = assert_exact(emu).credentials[1].keyId
    assert(sys.remove_tree(emu:state()))
    local outcome = must(apply(emu), 0)
    assert.truthy(outcome.out:find("it signs in, so it is adopted", 1, true))
    assert.equal(before, assert_exact(emu).credentials[1].keyId)
    assert.equal(0, (verify(emu)))
  end)
end)

describe("a disk that fills", function()
  local function limited(emu, bytes, command)
    local before = { "prlimit", "--fsize=" .. bytes }
    return emu:run(job.words(command, "--yes"), { before = before })
  end

  local function assert_told(outcome)
    assert.is_true(outcome.status <= 1, outcome.err)
    assert.not_matches("stack traceback", outcome.err, 1, true)
    assert.not_matches("this is a mistake in Moonlatch", outcome.err, 1, true)
    if outcome.status == 0 then return end
    for _, line in ipairs { "error: ", "  why: ", "  fix: " } do assert.matches(line, outcome.err, 1, true) end
  end

  it("at whatever point ends a setup and its removal in words, and each goes on when there is room", function()
    local emu <close> = rehearsal.new()
    local failed = 0
    for bytes = 4096, 160000, 12000 do
      local outcome = limited(emu, bytes, "apply")
      assert_told(outcome)
      failed = failed + outcome.status
    end
    assert.is_true(failed >= 4)
    must(apply(emu), 0)
    assert_exact(emu)
    for bytes = 4096, 40000, 12000 do assert_told(limited(emu, bytes, "destroy")) end
  end)
end)
