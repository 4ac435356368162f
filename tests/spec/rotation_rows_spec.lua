--- journal.rotations and journal.marker: what all kinds of rotation have on record.

local journals = require "journals"
local marker = require "journal.marker"
local record = require "journal.commit"
local scheduler = require "task.scheduler"
local secret = require "host.secret"
local stage = require "stage"
local store = require "journal.rotations"
local task = require "task"

describe("the marker of a rotation", function()
  local made = marker.make("0badcafe", "0011223344556677")

  it("names the installation and the rotation", function()
    assert.equal("ml:0badcafe:0011223344556677", made)
    assert.equal("0badcafe", marker.installation_of(made))
    assert.equal("0011223344556677", marker.rotation_of(made))
  end)

  it("is found at the start of a credential's name only", function()
    assert.equal(made, marker.of_credential(made .. " made for PAM"))
    assert.is_nil(marker.of_credential("copy of " .. made))
    assert.is_nil(marker.of_credential(nil))
    assert.is_nil(marker.of_credential(require("host.json").null))
  end)

  it("is found anywhere in a description, with the number of a value", function()
    assert.equal(made, marker.find("kept by Moonlatch (" .. made .. ")."))
    assert.same({ made, 12 }, { marker.find_value("(" .. marker.of_value(made, 12) .. ")") })
    assert.same({}, { marker.find_value("(" .. made .. ")") })
    assert.is_nil(marker.find(nil))
  end)

  it("is not seen in what is none", function()
    assert.is_nil(marker.installation_of("ml:xyz"))
    assert.is_nil(marker.rotation_of(nil))
  end)
end)

describe("the store of rotations", function()
  local users, secrets, certificates = store.user_passwords, store.client_secrets, store.certificates

  it("keeps the kinds and the names of sealed values that earlier versions wrote", function()
    local journal = stage.journal()
    local user = users:new(journal, { name = "anna@contoso.com" }, "user-object")
    assert.same({ "user-object", "password", "intent", "user password" },
      { user.id, user.kind, user.state, user.body.type })
    assert.equal(("password/%s/3"):format(user.body.rotation), users:sealed_name(user, 3))
    assert.equal(marker.rotation_of(user.body.marker), user.body.rotation)
    local row = secrets:new(journal, { app_id = "client-1" })
    assert.same({ "intent", "intent", "client secret" }, { row.kind, row.state, row.body.type })
    assert.equal("secret/" .. row.id, secrets:sealed_name(row))
    local certificate = certificates:new(journal, { app_id = "client-1" })
    assert.same({ "certificate", "intent", "certificate" },
      { certificate.kind, certificate.state, certificate.body.type })
    assert.equal("certificate/" .. certificate.id, certificates:sealed_name(certificate))
  end)

  it("knows the states that earlier versions wrote of certificates by their names of now", function()
    local journal = stage.journal()
    for former, now in pairs { made = "sent", uploaded = "known", in_use = "confirmed", retiring = "retiring" } do
      journal:put("certificate", former, former, { type = "certificate", app_id = "client-1" }, 0)
      assert.equal(now, certificates:get(journal, former).state)
      assert.equal(now, certificates:named(journal, former).state)
    end
    assert.equal(4, #certificates:all(journal, "client-1"))
    assert.is_true(certificates:usable(certificates:get(journal, "made")))
  end)

  it("lists by application, by what is unfinished, and by name", function()
    local journal = stage.journal()
    local first = secrets:new(journal, { app_id = "client-1", key_id = "key-1" })
    local second = secrets:new(journal, { app_id = "client-2" })
    secrets:put(journal, first, "known")
    secrets:put(journal, second, "closed")
    assert.equal(2, #secrets:all(journal))
    assert.equal(first.id, secrets:all(journal, "client-1")[1].id)
    assert.same({ first.id }, { secrets:unfinished(journal)[1].id, secrets:unfinished(journal)[2] })
    for _, name in ipairs { first.id, first.body.marker, "key-1" } do
      assert.equal(first.id, secrets:named(journal, name).id)
    end
    assert.is_nil(secrets:named(journal, "nobody"))
  end)

  it("opens a value only in a state that has one, and forgets it when closed", function()
    local place <close> = journals.folder()
    local journal <close> = journals.open(place)
    local row = secrets:new(journal, { app_id = "client-1" })
    secrets:seal(journal, row, secret.from "a value of it")
    secrets:put(journal, row, "sent")
    assert.is_nil(secrets:value(journal, row))
    secrets:put(journal, row, "known")
    assert.is_true(secret.equals(secrets:value(journal, row), secret.from "a value of it"))
    secrets:close(journal, row, "for the test")
    assert.is_nil(secrets:unseal(journal, secrets:sealed_name(row)))
  end)
end)

describe("a commit", function()
  local function journal_that(answers)
    local made = { commits = 0 }
    function made:commit()
      self.commits = self.commits + 1
      return answers(self.commits)
    end
    return made
  end

  local function run(fn) scheduler.run(function() end, fn) end

  it("is shared by who asks for it in the same turn, and by nobody of another journal", function()
    local journal, other = journal_that(function() return true end), journal_that(function() return true end)
    run(function()
      task.all {
        function() record.commit(journal) end, function() record.commit(journal) end,
        function() record.commit(other) end,
      }
      record.commit(journal)
    end)
    assert.same({ 2, 1 }, { journal.commits, other.commits })
  end)

  it("that fails is raised to everybody who waited for it", function()
    local journal = journal_that(function() return nil, "database or disk is full" end)
    local said = {}
    local function ask()
      local _, failure = pcall(record.commit, journal)
      said[#said + 1] = failure.why
    end
    run(function() task.all { ask, ask } end)
    assert.same({ 1, "database or disk is full", "database or disk is full" }, { journal.commits, said[1], said[2] })
  end)

  it("is waited for though the deadline of who asked has passed", function()
    local journal = journal_that(function() return true end)
    run(function()
      task.within(0, function() record.commit(journal) end)
    end)
    assert.equal(1, journal.commits)
  end)
end)
