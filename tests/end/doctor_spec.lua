--- The doctor's visit: how long it takes, that it changes nothing, and first contact.

local fail = require "fail"
local job = require "setup_job"
local lfs = require "lfs"
local log = require "log"
local recordings = require "recordings"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local emu

describe("moonlatch doctor", function()
  setup(function() emu = rehearsal.new("--lag", "0") end)
  teardown(function() local _ <close> = emu end)

  it("says that nothing was set up, and how to", function()
    local outcome = job.must(emu:run { "doctor" }, 1)
    assert.equal("broken   application: there is no application with the uniqueName "
      .. "'moonlatch-setup-entra-pam-provider-devolutions-pam'", outcome.out:match "(broken[^\n]*)\n")
    assert.truthy(outcome.out:find("fix: Make it: moonlatch apply setup/entra-pam-provider; or name the "
      .. "one that is meant", 1, true))
  end)

  it("folds what is in order, and what follows from one cause, unless all are asked for", function()
    local folded, all = emu:run { "doctor" }, emu:run { "doctor", "--all" }
    assert.matches("\nok       reach, clock, sign%-in, [^\n:]+\n", folded.out)
    assert.matches("\nunknown  service principal, client secret, [^\n]+: not checked: there is no application\n",
      folded.out)
    assert.matches("\nok       reach: the login service is reached", all.out)
    assert.matches("\nunknown  entry: not checked: there is no application\n", all.out)
  end)

  it("reads side by side, and only reads", function()
    job.must(job.apply(emu), 0)
    emu:control("DELETE", "/requests")
    local status, document = emu:json { "doctor" }
    assert.equal(3, status)
    assert.equal("privilege", document.findings[1].check) -- the consents of the setup
    assert(document.chain <= 15, document.chain) -- Entra's logs are read window after window, for two seconds at most
    local _, without = emu:json { "doctor", "--no-evidence" }
    assert(without.chain <= 10, without.chain)
    for _, request in ipairs(emu:control("GET", "/requests").requests) do
      assert(request.method == "GET" or request.peer == "login" or request.path:find("/api/v1/login", 1, true),
        request.method .. " " .. request.path)
    end
  end)

  it("lists what is believed, and settles what reading can settle", function()
    local status, list = emu:json { "doctor", "--first-contact" }
    assert.equal(0, status)
    local by_id = {}
    for _, one in ipairs(list) do by_id[one.id] = one end
    assert.equal("holds", by_id["restricted-member"].verdict)
    assert.equal("still open", by_id["dvls-page"].verdict)
    assert.equal("holds", by_id["echoed-id"].verdict)
    assert.equal("not tried: the call changes something, or takes a person", by_id["reset-role"].verdict)
    for id, one in pairs(by_id) do assert(one.call and one.doubt, id) end
  end)

  describe("tries on an application that is named, and only there,", function()
    local app

    local function probe(...) return emu:json { "doctor", "--first-contact", "--try-on", app.appId, "--yes", ... } end

    local LEFT = "error: remove the client secret 'moonlatch probe of a key id' of 'For probes' again\n"

    local function verdict_of(id, list)
      for _, one in ipairs(list) do
        if one.id == id then return one.verdict, one.seen end
      end
    end

    local function secrets() return emu:graph("/applications/" .. app.id).passwordCredentials end

    before_each(function()
      app = emu:admin("add_app", { name = "For probes" })
      emu:control("DELETE", "/requests")
    end)
    after_each(function()
      emu:control("DELETE", "/faults")
      emu:admin("set_flag", "own_key_id", true)
    end)

    for flag, expected in pairs {
      [true] = { 0, "holds", "^the answer had that key id; it was [%l ]+ at once; the client secret was" },
      [false] = { 1, "does not hold", "Invalid value specified for property 'keyId'" },
      ignored = { 1, "does not hold", "^the answer had another key id; it was [%l ]+ at once; the client" },
    } do
      it(("whether a key id of ours is taken (here: %s), and leaves no client secret"):format(flag), function()
        local before = secrets()
        emu:admin("set_flag", "own_key_id", flag)
        local status, list = probe()
        local verdict, seen = verdict_of("own-key-id", list)
        assert.same({ expected[1], expected[2] }, { status, verdict })
        assert.matches(expected[3], seen)
        emu:later "10m"
        assert.same(before, secrets())
        for _, request in ipairs(emu:control("GET", "/requests").requests) do
          assert(request.method == "GET" or request.peer ~= "graph"
            or request.path:match "^/v1%.0/applications/([^/]+)/%a+Password$" == app.id, request.path)
        end
      end)
    end

    it("puts the changes on record", function()
      assert.equal(0, (probe()))
      local outcome = job.must(emu:run { "journal", "history", "20" }, 0)
      assert.matches("probe: client secret %x+%-", outcome.out)
    end)

    it("names a client secret that may have stayed, with its date", function()
      emu:fault "graph POST /applications/*/removePassword 403 always"
      local outcome = job.must(emu:run { "doctor", "--first-contact", "--try-on", app.appId, "--yes" }, 1)
      assert.matches(LEFT, outcome.err)
      assert.matches("\n  fix: Remove it, if it is there: .* > For probes > Certificates & secrets; its Secret ID is "
        .. "%x+%-[%x-]+%. It expires on %d+%-%d+%-%d+T[%d:]+Z%.\n", outcome.err)
      emu:control("DELETE", "/faults")
      emu:fault "graph POST /applications/*/addPassword drop-after"
      outcome = job.must(emu:run { "doctor", "--first-contact", "--try-on", app.appId, "--yes" }, 1)
      assert.matches(LEFT, outcome.err)
    end)

    it("after asking, on a terminal", function()
      local words = { "doctor", "--first-contact", "--try-on", app.appId }
      local outcome = job.must(emu:run(words), 2)
      assert.matches("why: there is no terminal on which to ask before changes\n", outcome.err)
      local shown = emu:talk(words, { "and remove it again? [y/N] ", "n\\n" })
      assert.matches("Nothing was changed%.", shown)
      assert.same({}, emu:control("GET", "/requests").requests)
    end)

    it("when the name is a client id of the tenant", function()
      for word, why in pairs {
        ["Devolutions PAM"] = "'Devolutions PAM' is no client id",
        ["eeeeeeee-0000-4000-8000-000000000001"] = "the tenant has no application with the client id eeeeeeee-0000-"
          .. "4000-8000-000000000001",
      } do
        local outcome = job.must(emu:run { "doctor", "--first-contact", "--try-on", word, "--yes" }, 2)
        assert.truthy(outcome.err:find("why: " .. why, 1, true), outcome.err)
      end
      local outcome = job.must(emu:run { "doctor", "--try-on", app.appId, "--yes" }, 2)
      assert.truthy(outcome.err:find("why: --try-on belongs to --first-contact", 1, true), outcome.err)
    end)
  end)

  describe("records what was answered", function()
    local folder
    before_each(function() folder = emu.place.path .. "/recordings" end)

    local function files()
      local found = {}
      for name in lfs.dir(folder) do
        if name:find "%.json$" then found[#found + 1] = folder .. "/" .. name end
      end
      return found
    end

    it("after showing it, and only when the person agrees", function()
      local shown = emu:talk({ "doctor", "--first-contact", "--record", folder }, { "Look for names first. [y/N] ",
        "n\\n" })
      assert.truthy(shown:find("nothing was kept", 1, true), shown)
      assert.is_nil(lfs.attributes(folder))
      emu:talk({ "doctor", "--first-contact", "--record", folder }, { "Look for names first. [y/N] ", "y\\n" })
      assert.equal(1, #files())
      assert.equal("rw-------", lfs.attributes(files()[1], "permissions"))
    end)

    it("without ids, names and secrets, in a form that the client understands", function()
      local path = files()[1]
      local text = assert(sys.read(path, 1 << 20))
      local truth = emu:graph "/users"
      for _, user in ipairs(truth) do
        for _, name in ipairs { user.id, user.userPrincipalName, user.displayName } do
          assert.is_nil(text:find(name, 1, true), name)
        end
      end
      for _, name in ipairs { "contoso", "127.0.0.1", "eyJ" } do assert.is_nil(text:find(name, 1, true), name) end
      local instruct = log.instruct
      log.instruct = function() end
      local all, refused = recordings.all(folder), 0
      for _, one in ipairs(all) do
        local ok, value = pcall(recordings.replay, one)
        assert(ok or one.refuses and fail.is(value), ("%s %s: %s"):format(one.place, one.path, tostring(value)))
        refused = refused + (ok and 0 or 1)
      end
      log.instruct = instruct
      assert(#all > 5 and refused < #all / 2, #all)
    end)

    it("on a terminal only", function()
      local outcome = emu:run { "doctor", "--first-contact", "--record", folder }
      assert.equal(2, outcome.status)
      assert.truthy(outcome.err:find("a recording is shown before it is kept, and here is no terminal to show it on", 1,
        true), outcome.err)
    end)
  end)

  it("shows each request with --verbose, and no secret", function()
    local outcome = job.must(emu:run { "whoami", "--verbose" }, 0)
    assert.matches("POST   /[^\n]*/oauth2/v2.0/token  200  %d+ ms  [%d.]+ K?B\n", outcome.err)
    assert.is_nil((outcome.out .. outcome.err):find("eyJ", 1, true))
  end)

  it("has help with examples", function()
    for _, name in ipairs { "doctor", "discover" } do
      local outcome = job.must(emu.place:run { name, "--help" }, 0)
      assert.truthy(outcome.out:find("Examples:\n  moonlatch " .. name, 1, true), outcome.out)
    end
  end)
end)
