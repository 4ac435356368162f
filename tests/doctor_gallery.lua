--- A tenant broken in many ways: the doctor names the right one first, and its fix heals it.
--
-- One emulator, set up once; each fault is made, told, and taken away again, after
-- which all is as healthy as before.

local assert = require "luassert" -- busted gives its own only to spec files
local gallery = require "gallery"
local job = require "setup_job"
local json = require "host.json"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local MANAGED = "PAM managed service accounts"
local GRAPH_CLI = "14d82eec-204b-4c2f-b7e8-296a70dab67e"

local shown = gallery.new(MANAGED)
local emu, app

local function drop_consents() job.drop_consents(emu) end

local function apply(...)
  local outcome = job.must(job.apply(emu, "--managed", MANAGED, ...), 0)
  drop_consents()
  return outcome
end

-- Run Lua that may change things, as a person at the prompt would.
local function eval(code)
  job.must(emu:run({ "-e", code, "--write" }, { inside = true }), 0)
end

local ENTRY = [[
local server, secret = require "devolutions.server", require "secret"
local vault = server.vault "Privileged"
local found = server.entries(vault.id, { name = "Devolutions PAM" })[1]
local entry = server.entry(vault.id, found.id)
]]

local function edit_entry(member, value)
  eval(ENTRY .. ("entry.data.%s = %s; server.replace_entry(vault.id, entry)"):format(member, value))
end

-- A text in place of the secret, which a person could paste. What is read back is no text, and the library says so.
local function paste_secret(text)
  eval(ENTRY .. ("entry.data.clientSecret = %q; pcall(server.replace_entry, vault.id, entry)"):format(text))
end

local function configure(pattern, text)
  local before = assert(sys.read(emu.config, 65536))
  emu:configure(function(config)
    local changed, count = config:gsub(pattern, text)
    assert(count > 0, "nothing to change: " .. pattern)
    return changed
  end)
  return before
end

local function restore(before) assert(sys.write(emu.config, before, "replace")) end

local function credentials() return emu:graph("/applications/" .. app.id).passwordCredentials end

-- What an admin of Devolutions Server does.
local function at_server(what, ...) emu:control("POST", "/devolutions", { ["do"] = what, with = { ... } }) end

local function set_flag(name, value) emu:admin("set_flag", name, value) end

-- A policy that blocks everywhere but in one place.
local function block_elsewhere()
  local location = emu:admin("add_location", { name = "Data centre", ranges = { "203.0.113.0/24" }, trusted = true })
  return { location = location,
    policy = emu:admin("add_access_policy", { name = "Data centre only", except = { location } }) }
end

-- From here the application is let through then; from where Devolutions signs in, nobody here can see.
local function allow_here(found)
  set_flag("location", found.location)
  local status, document = shown:doctor()
  assert.same({ 3, "unknown", "conditional access" }, { status, document.verdict, document.findings[1].check })
  emu:admin("remove_access_policy", found.policy)
end

local function to_healthy_role() emu:admin("assign_role", app.appId, "Helpdesk Administrator") end

local function copy_file(from, to)
  local file <close> = assert(io.open(from, "rb"))
  assert(sys.write(to, file:read "a", "replace"))
end

---@type gallery.case[]
local CASES = {
  -- The far sides
  { "the address of the login service is not one", check = "reach", says = "the login service",
    fault = function() return configure('login = "https://127%.0%.0%.1:%d+"', 'login = "https://127.0.0.1:1"') end,
    fix = "address in the profile", heal = restore },
  { "Graph's address is another service's: the wrong cloud host", check = "reach",
    says = "another service answers there",
    fault = function()
      return configure('graph = "https://127%.0%.0%.1:%d+/v1%.0"', 'graph = "' .. emu.ready.devolutions .. '/v1.0"')
    end, fix = "those of the tenant's cloud", heal = restore },
  { "another authority signs the certificates: TLS is intercepted", check = "reach",
    says = "does not prove that it is the right server",
    fault = function()
      local folder = emu.config:match "^(.*)/"
      assert(os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Proxy "
        .. "-keyout /dev/null -out '%s/proxy.pem' 2>/dev/null"):format(folder)))
      return configure('graph = ("[^"]+"), ca = "ca.pem"', 'graph = %1, ca = "proxy.pem"')
    end, fix = "`ca` in the profile", heal = restore },
  { "Devolutions Server has moved", check = "reach", says = "Devolutions Server",
    fault = function() return configure('server = "[^"]+"', 'server = "https://127.0.0.1:1"') end,
    fix = "address in the profile", heal = restore },
  { "the clock is ten minutes behind", check = "clock", says = "behind the login service's",
    fault = function()
      local folder = emu.config:match "^(.*)/"
      copy_file(folder .. "/clock", folder .. "/clock-behind")
      emu:later "10m"
      return configure('clock = "clock"', 'clock = "clock-behind"')
    end, fix = "Set the clock right", heal = restore },
  { "the tenant's name is wrong", check = "sign-in", says = "tenant",
    fault = function()
      return configure('tenant = "contoso%.onmicrosoft%.com"', 'tenant = "contosa.onmicrosoft.com"')
    end,
    heal = restore },
  { "the client id to sign in with is wrong", check = "sign-in", says = "700016",
    fault = function()
      return configure(GRAPH_CLI:gsub("%-", "%%-"), "11111111-2222-3333-4444-555555555555")
    end, heal = restore },
  { "the person declines to sign in", check = "sign-in", says = "declined",
    fault = function() emu:control("POST", "/approve", { user = "decline" }) end,
    heal = function() emu:control("POST", "/approve", { user = "adele" }) end },

  -- The application
  { "the application is asked for by another name", check = "application", says = "under another name",
    fault = function() end, args = { "--name", "Nobody" }, fix = "--name", heal = function() end },
  { "the application is in the bin", check = "application", says = "was deleted",
    fault = function() emu:control("DELETE", "/graph/v1.0/applications/" .. app.id) end, fix = "Restore",
    heal = function()
      emu:control("POST", ("/graph/v1.0/directory/deletedItems/%s/restore"):format(app.id))
      for _, item in ipairs(emu:graph "/directory/deletedItems/microsoft.graph.servicePrincipal") do
        emu:control("POST", ("/graph/v1.0/directory/deletedItems/%s/restore"):format(item.id))
      end
    end },
  { "it accepts accounts of other tenants", check = "application", verdict = "warning", says = "other tenants",
    fault = function() emu:admin("change", app.id, { signInAudience = "AzureADMultipleOrgs" }) end,
    fix = "this organizational directory only", heal = function()
      emu:admin("change", app.id, { signInAudience = "AzureADMyOrg" })
    end },
  { "the service principal is disabled", check = "service principal", says = "is disabled",
    fault = function() emu:admin("disable", app.appId) end, fix = "Enabled for users to sign-in: Yes",
    heal = function() emu:admin("enable", app.appId) end },
  { "Conditional Access blocks it", check = "conditional access", says = "'No workloads' blocks it everywhere.",
    fault = function() return emu:admin("add_access_policy", { name = "No workloads" }) end,
    fix = "exclude this application", heal = function(id)
      emu:admin("exclude_from_access_policy", id, app.appId)
    end },
  { "Conditional Access blocks it here, as this place has no name", check = "conditional access",
    says = "blocks it everywhere but 'Data centre' (203.0.113.0/24)", fault = block_elsewhere,
    fix = "name the address it signs in from", heal = allow_here },

  -- Secrets
  { "the Secret ID was pasted for the Value", check = "entry", says = "Secret ID", fix = "apply",
    fault = function() paste_secret(credentials()[1].keyId) end,
    heal = function() apply() end },
  { "the entry was edited by hand", check = "entry", says = "edited the entry by hand", fix = "apply",
    fault = function() edit_entry("clientSecret", "secret.generate(40)") end, heal = function() apply() end },
  { "the entry names another application", check = "entry", says = "names the client id", fix = "apply",
    fault = function() edit_entry("clientId", '"11111111-2222-3333-4444-555555555555"') end,
    heal = function() apply() end },
  { "the entry was deleted", check = "entry", says = "there is no entry", fix = "apply",
    fault = function() eval(ENTRY .. "server.delete_entry(vault.id, entry.id)") end, heal = function() apply() end },
  { "View password is missing", check = "entry", says = "does not show", fix = "View password",
    fault = function() at_server("permit", "view_password", false) end,
    heal = function() at_server("permit", "view_password", true) end },
  { "the application identity of Devolutions is switched off", check = "entry", says = "not accepted",
    fix = "application is enabled",
    fault = function() at_server("enable", false) end, heal = function() at_server("enable", true) end },
  { "the profile names a vault that is not there", check = "entry", says = "no vault of that name",
    fault = function() return configure('vault = "Privileged"', 'vault = "Priviledged"') end, heal = restore },
  { "somebody added a credential of their own", check = "credentials", verdict = "warning",
    says = "an unknown credential", fix = "moonlatch journal retire",
    fault = function()
      local made = emu:control("POST", ("/graph/v1.0/applications/%s/addPassword"):format(app.id),
        { passwordCredential = { displayName = "by hand" } })
      emu:later "2m"
      return made.keyId
    end,
    heal = function(key_id)
      job.must(emu:run { "journal", "retire", key_id, "--yes" }, 0)
      drop_consents()
    end },

  -- Rights
  { "a consent was taken back", check = "permissions", says = "no admin consent for User.Read.All",
    fault = function() emu:admin("remove_consent", app.appId, "User.Read.All") end, fix = "Grant admin consent",
    heal = function() emu:admin("grant", app.appId, "User.Read.All") end },
  { "a consent is not in the tokens yet", check = "permissions", says = "does not carry User.Read.All",
    fault = function()
      emu:admin("remove_consent", app.appId, "User.Read.All")
      emu:later "11m"
      set_flag("token_delay", 600)
      emu:admin("grant", app.appId, "User.Read.All")
    end, fix = "Wait some minutes", heal = function() emu:later "11m" end },
  { "the API permissions are declared no more", check = "permissions", verdict = "warning", says = "does not declare",
    fault = function() emu:admin("change", app.id, { requiredResourceAccess = json.array {} }) end, fix = "apply",
    heal = function() apply() end },
  { "the role was taken away", check = "roles", says = "does not hold the role 'Helpdesk Administrator'",
    fault = function() emu:admin("remove_role", app.appId, "Helpdesk Administrator") end, fix = "Add assignments",
    heal = to_healthy_role },
  { "the role is assigned on the wrong scope", check = "roles", says = "administrativeUnits",
    fault = function()
      local unit = emu:admin("add_unit", { name = "Shop", members = {} })
      emu:admin("remove_role", app.appId, "Helpdesk Administrator")
      emu:admin("assign_role", app.appId, "Helpdesk Administrator", { scope = "/administrativeUnits/" .. unit })
    end, fix = "in the whole directory",
    heal = function()
      emu:admin("remove_role", app.appId, "Helpdesk Administrator")
      to_healthy_role()
    end },
  { "the role is assigned for a time that ends soon", check = "roles", verdict = "warning", says = "for a time",
    fault = function()
      emu:admin("remove_role", app.appId, "Helpdesk Administrator")
      emu:admin("assign_role", app.appId, "Helpdesk Administrator", { days = 3 })
    end, fix = "Extend", heal = function()
      emu:later "4d"
      to_healthy_role()
    end },
  { "the assignment through PIM has ended", check = "roles", says = "a temporary assignment (PIM) has expired",
    fault = function()
      emu:admin("remove_role", app.appId, "Helpdesk Administrator")
      emu:admin("assign_role", app.appId, "Helpdesk Administrator", { days = 1 })
      emu:later "25h"
    end, fix = "Add assignments", heal = to_healthy_role },
  { "a managed account outranks the application", check = "roles", says = "Privileged Authentication Administrator",
    fault = function() emu:admin("assign_role", "uma", "Global Administrator") end, fix = "Add assignments",
    heal = function() emu:admin("remove_role", "uma", "Global Administrator") end },
  { "a managed account owns a role-assignable group", check = "roles",
    says = "Privileged Authentication Administrator", fault = function()
      emu:admin("add_owner", "security-admins", "uma")
    end, fix = "Add assignments", heal = function() emu:admin("add_owner", "security-admins", "uma", true) end },

  -- Accounts
  { "a managed account is synced", check = "managed accounts", says = "synced from on-premises: uma",
    fault = function() emu:admin("change", "uma", { onPremisesSyncEnabled = true }) end, fix = "cloud-only",
    heal = function() emu:admin("change", "uma", { onPremisesSyncEnabled = false }) end },
  { "a managed account is a guest", check = "managed accounts", says = "guests: uma",
    fault = function() emu:admin("change", "uma", { userType = "Guest" }) end,
    fix = "Remove them from the managed accounts",
    heal = function() emu:admin("change", "uma", { userType = "Member" }) end },
  { "a managed account is disabled", check = "managed accounts", verdict = "warning", says = "disabled: uma",
    fault = function() emu:admin("disable", "uma") end, fix = "Enable",
    heal = function() emu:admin("enable", "uma") end },
  { "a managed account is in a restricted unit", check = "managed accounts", says = "restricted management",
    fault = function() return emu:admin("add_unit", { name = "Vault", restricted = true, members = { "uma" } }) end,
    fix = "role on that unit", heal = function(unit) emu:admin("remove_unit", unit) end },

  -- Policy and power
  { "the policy was shortened", check = "policy", verdict = "warning", says = "was shortened",
    fault = function() emu:admin("set_policy", { days = 90 }) end, fix = "--lifetime 90d",
    heal = function() emu:admin("set_policy", {}) end },
  { "the policy is shorter than the time of renewal", check = "policy", verdict = "warning",
    says = "due for renewal at once", fault = function() emu:admin("set_policy", { days = 14 }) end,
    args = { "--renew-before", "30d" }, fix = "--renew-before 7d", heal = function() emu:admin("set_policy", {}) end },
  { "new secrets are forbidden", check = "policy", verdict = "warning", says = "forbids",
    fault = function() emu:admin("set_policy", { secrets = false }) end, fix = "exempted",
    heal = function() emu:admin("set_policy", {}) end },
  { "elevation is not wanted, and its permission is there", check = "privilege", verdict = "warning",
    says = "RoleManagement.ReadWrite.Directory", fault = function() end, args = { "--no-jit-elevation" },
    fix = "Revoke", heal = function() end },
  { "it holds a permission too many", check = "privilege", verdict = "warning", says = "Directory.ReadWrite.All",
    fault = function() emu:admin("grant", app.appId, "Directory.ReadWrite.All") end, fix = "Revoke",
    heal = function() emu:admin("remove_consent", app.appId, "Directory.ReadWrite.All") end },
  { "it holds a role too many", check = "privilege", verdict = "warning", says = "'Global Administrator'",
    fault = function() emu:admin("assign_role", app.appId, "Global Administrator") end, fix = "remove the application",
    heal = function() emu:admin("remove_role", app.appId, "Global Administrator") end },
  { "a consent was left on the sign-in client", check = "privilege", verdict = "warning",
    says = "Application.ReadWrite.All",
    fault = function() emu:admin("consent", GRAPH_CLI, { "Application.ReadWrite.All" }) end, fix = "Permissions",
    heal = drop_consents },

  -- Records
  { "the journal's key is another one", check = "journal", says = "key", fix = "that this journal was made with",
    fault = function()
      assert(sys.write(emu.config:match "^(.*)/" .. "/other.key", ("k"):rep(32), "replace"))
      return configure('path = "journal.key"', 'path = "other.key"')
    end, heal = restore },
  { "the journal was altered", check = "journal", says = "altered", fix = "To go on with a backup",
    fault = function()
      local file = emu:state() .. "/journal.db"
      assert(os.execute(("cp '%s' '%s.kept'"):format(file, file)))
      assert(os.execute(("python3 -c \"import sqlite3, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None); "
        .. "d.execute('UPDATE audit SET time = time + 1 WHERE seq = 2')\" '%s'"):format(file)))
    end,
    heal = function()
      local file = emu:state() .. "/journal.db"
      assert(os.execute(("rm -f '%s-wal' '%s-shm'; mv '%s.kept' '%s'"):format(file, file, file, file)))
    end },
  { "the state folder was lost", check = "credentials", verdict = "warning", says = "folder was lost",
    fix = "adopts what the entry holds", fault = function() assert(sys.remove_tree(emu:state())) end,
    heal = function() apply() end },
  { "nobody confirmed the hand-over", check = "client secret", verdict = "warning",
    says = "has waited to be pasted since",
    fix = "moonlatch handover", fault = function()
      local before = configure("linked = true", "linked = false")
      emu:later "151d"
      job.apply(emu, "--managed", MANAGED, "--lifetime", "180d")
      drop_consents()
      emu:later "2m"
      return before
    end,
    heal = function(before)
      local _, rows = emu:json { "journal", "list" }
      for _, row in ipairs(rows) do
        if row.state == "stored" then job.must(emu:run { "journal", "confirm", row.id }, 0) end
      end
      restore(before)
      emu:later "8d"
      apply() -- lets go of the one before
    end },
  { "a run stopped between making and storing", check = "entry", says = "before it was stored", fix = "goes on there",
    fault = function()
      emu:later "151d"
      emu:fault "devolutions PUT /api/v1/vault/*/entry/* 403 always"
      job.must(job.apply(emu, "--managed", MANAGED), 1)
      drop_consents()
      emu:control("DELETE", "/faults")
      emu:later "2m"
    end,
    heal = function()
      apply()
      emu:later "8d"
      apply()
    end },
  { "the client secret ends soon", check = "client secret", verdict = "warning", says = "time to renew",
    fault = function() emu:later "155d" end, fix = "apply", heal = function()
      apply()
      emu:later "8d"
      apply()
    end },
  { "the client secret has expired", check = "client secret", says = "which expired", fix = "makes the next one",
    fault = function() emu:later "181d" end, heal = function() apply() end },
  { "another rotator put a secret of its own into the entry", check = "entry", verdict = "warning",
    says = "Another rotator", fix = "adopts that secret",
    fault = function()
      local made = emu:control_text("POST", ("/graph/v1.0/applications/%s/addPassword"):format(app.id),
        { passwordCredential = { displayName = "theirs" } })
      emu:later "2m"
      paste_secret(made:match '"secretText":"([^"]+)"')
    end,
    heal = function()
      apply() -- adopts it
      emu:later "8d"
      apply() -- lets go of the one before
    end },
  { "somebody removed the client secret", check = "client secret", says = "removed it from the application",
    fix = "apply", fault = function()
      emu:later "2h"
      for _, credential in ipairs(credentials()) do emu:admin("remove_secret", credential.keyId) end
    end, heal = function() apply() end },
}

local M = {}

--- Show every so manieth of the cases, after the first.
---@param describe function busted's
---@param it function busted's
---@param hooks { setup: function, teardown: function } busted's
---@param stride integer
function M.show(describe, it, hooks, stride)
  describe("the gallery of broken tenants", function()
    hooks.setup(function()
      emu = rehearsal.new("--lag", "0")
      shown.emu = emu
      apply()
      emu:later "2m" -- by then Graph lists the new secret
      app = job.truth(emu).application
    end)

    hooks.teardown(function() local _ <close> = emu end)

    it("begins healthy", function() shown:healthy() end)

    for place = 1, #CASES, stride do
      it("knows when " .. CASES[place][1], function() shown:show(CASES[place]) end)
    end
  end)
end

return M
