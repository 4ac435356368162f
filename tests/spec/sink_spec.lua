--- sink: where a secret goes when a person has to carry it.

local arguments = require "script.arguments"
local certificate = require "certificate"
local file = require "machine.secret_file"
local give = require "handover.deliver"
local handover = require "sink.handover"
local named_path = require "machine.named_path"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local sink = require "sink"
local stage = require "stage"
local sys = require "host.sys"
local talk = require "handover.terminal"

describe("a file", function()
  local folder
  before_each(function() folder = assert(sys.temporary "sink") end)
  after_each(function() sys.remove_tree(folder) end)

  it("is new and for its owner only", function()
    local path = folder .. "/secret"
    file.check(path)
    file.write(path, secret.from "the-client-secret-value")
    assert.equal(tonumber("600", 8), sys.stat(path).mode & tonumber("777", 8))
    assert.is_true(secret.equals(sys.read_secret(path), secret.from "the-client-secret-value"))
  end)

  it("is never overwritten, which is said before anything is made", function()
    local path = folder .. "/secret"
    assert(sys.write(path, "x", "new"))
    local ok, err = pcall(file.check, path)
    assert.is_false(ok)
    assert.equal(("write the client secret to %s: the file exists already\n"):format(path)
      .. "Name a new file with --secret-file PATH: an existing file is never overwritten.", tostring(err))
    assert.is_false(pcall(file.write, path, secret.from "the-client-secret-value"))
    assert.equal("x", sys.read(path, 10))
  end)

  it("needs its folder", function()
    local ok, err = pcall(file.check, folder .. "/no/secret")
    assert.is_false(ok)
    assert.equal(("there is no folder %s/no"):format(folder), err.why)
  end)
end)

describe("handing over to a person", function()
  local before, heard, run, fields
  local CLIENT = "11111111-2222-4333-8444-555555555555"

  -- A secret as rotation gives it, reduced to what is used here.
  local function new_secret(state)
    local row = rows:new(run.journal, { app_id = CLIENT, name = "PAM", key_id = "0000c7e1", grace = 1 })
    rows:seal(run.journal, row, secret.from "the-client-secret")
    rows:put(run.journal, row, state, state == "handed_over" and { where = "terminal" } or nil)
    return {
      row = row, is_confirmed = function() return row.state == "confirmed" end,
      replace = function(self) self.replaced = true end,
    }
  end

  before_each(function()
    before = { talk.ask, give.reveal }
    heard = { prompts = {}, shown = 0 }
    run = {
      mode = "apply", id = "setup/x", interactive = true, journal = stage.journal(),
      waiting = {}, notes = {}, hooks = {},
      profile = { tenant = "t-1", devolutions = { cloud = "https://c.devolutions.app" } },
      acting = function(self) return self.mode == "apply" end,
      await = function(self, waiting) table.insert(self.waiting, waiting) end,
      warn = function(self, text, ...) self.warned = text:format(...) end,
      note = function(self, text, ...) table.insert(self.notes, text:format(...)) end,
      before_change = function(self, hook) table.insert(self.hooks, hook) end,
    }
    fields = { name = "PAM", tenant = "t-1", client_id = CLIENT, application = "obj-1", managed = { "Tier 0" },
      roles = {} }
  end)
  after_each(function() talk.ask, give.reveal = before[1], before[2] end)

  local function answers(...)
    local list = { ... }
    talk.ask = function(prompt)
      table.insert(heard.prompts, prompt)
      return table.remove(list, 1)
    end
    give.reveal = function()
      heard.shown = heard.shown + 1
      return true
    end
  end

  it("shows it on request, and waits once for the person, with all that is open", function()
    answers("s", "")
    local it_is = new_secret "proven"
    handover.hand_over(run, it_is, fields)
    assert.same({ 1, "handed_over" }, { heard.shown, it_is.row.state })
    assert.equal("Show the client secret now, to paste it there? [s]how, or Enter for later: ", heard.prompts[1])
    assert.equal("Pasted, and Test connection succeeded? [y]es, [s]how it again, have a [n]ew one made, or Enter for "
      .. "later: ", heard.prompts[2])
    assert.truthy(table.concat(run.notes, "\n"):find("  Secret key +the client secret …c7e1"))
    assert.equal(1, #run.waiting)
    assert.equal("hand the client secret over to Devolutions Cloud: 10 items open; `moonlatch handover` shows them",
      run.waiting[1].what)
    assert.equal("moonlatch handover --confirm: it is pasted, and Test connection succeeded", run.waiting[1].how[3])
    assert.is_nil(run.waiting[1].form) -- it is not its turn yet
  end)

  it("is confirmed by a yes, but not before it was offered", function()
    answers "y"
    local it_is = new_secret "proven"
    handover.hand_over(run, it_is, fields)
    assert.equal("proven", it_is.row.state)
    answers("s", "y")
    handover.hand_over(run, it_is, fields)
    assert.equal("confirmed", it_is.row.state)
    assert.equal("finish what is to be done in Devolutions Cloud: 9 items open; `moonlatch handover` shows them",
      run.waiting[2].what)
  end)

  it("can have a new one made", function()
    answers "n"
    local it_is = new_secret "handed_over"
    assert.equal("again", handover.hand_over(run, it_is, fields))
    assert.is_true(it_is.replaced)
  end)

  it("asks nobody where nobody is, and gives the form with its values once only that is open", function()
    run.interactive, run.profile.devolutions = false, { server = "https://dvls.contoso.com" }
    answers()
    handover.hand_over(run, new_secret "proven", fields)
    assert.same({ 0, 1 }, { #heard.prompts, #run.waiting })
    assert.equal("hand the client secret over to Devolutions Server: 1 item open; `moonlatch handover` shows it",
      run.waiting[1].what)
    assert.same({ field = "Client ID", value = CLIENT }, run.waiting[1].form[4])
  end)

  it("puts on record what is handed over to whom", function()
    run.interactive = false
    handover.hand_over(run, new_secret "proven", fields)
    local row = run.journal:get("handover", CLIENT)
    assert.same({ "known", "cloud", "https://c.devolutions.app", "Tier 0", "setup/x" },
      { row.state, row.body.consumer, row.body.address, row.body.managed[1], row.body.workflow })
    fields.managed, fields.roles = nil, nil -- what a policy knows is less
    handover.hand_over(run, new_secret "proven", fields)
    assert.same({ "Tier 0" }, run.journal:get("handover", CLIENT).body.managed)
  end)

  it("puts nothing on record when it only looks, and says what will wait", function()
    run.mode = "plan"
    handover.hand_over(run, new_secret "proven", fields)
    assert.is_nil(run.journal:get("handover", CLIENT))
    assert.equal(1, #run.waiting)
    handover.hand_over(run, {}, fields)
    assert.same({ "a person pastes the client secret into the form of Devolutions Cloud: moonlatch handover says "
      .. "how",
      "Devolutions Cloud has no public API: 10 items there wait for a person; `moonlatch handover` lists them" },
      run.notes)
  end)

  it("writes it to a new file when told to", function()
    local folder = assert(sys.temporary "handover")
    local _ <close> = setmetatable({}, { __close = function() sys.remove_tree(folder) end })
    run.interactive = false
    fields.secret_file = folder .. "/secret"
    local it_is = new_secret "proven"
    handover.hand_over(run, it_is, fields)
    assert.is_true(secret.equals(sys.read_secret(fields.secret_file), secret.from "the-client-secret"))
    assert.equal("handed_over", it_is.row.state)
  end)

  it("writes it to no file that a script chose", function()
    local folder = assert(sys.temporary "handover")
    local _ <close> = setmetatable({}, { __close = function() sys.remove_tree(folder) end })
    local path = folder .. "/secret"
    run.interactive = false
    local ok, err = pcall(sink.deliver, run, new_secret "proven", { name = "PAM", client_id = CLIENT,
      secret_file = path })
    assert.is_nil(sys.stat(path))
    assert.is_false(ok)
    assert.equal(("write the client secret to %s: nobody named this file on the command line\n"):format(path)
      .. 'Declare an argument of type "path" in `args` of the script, and pass the value of that argument '
      .. 'unchanged.', tostring(err))
    ok, err = pcall(certificate.ensure, run, { application = { appId = CLIENT }, name = "PAM", path = path })
    assert.is_false(ok)
    assert.equal(("write the key of a certificate to %s"):format(path), err.what)
    arguments.value("secret_file", { type = "path", help = "" }, path)
    assert.equal(path, named_path.check(path, "write it"))
  end)

  it("says when the application goes what stays, and whose passwords nobody rotates any more", function()
    run.interactive = false
    handover.hand_over(run, new_secret "handed_over", fields)
    local it_is = rows:all(run.journal, CLIENT)[1]
    rows:put(run.journal, it_is, "handed_over", { stored_at = 1, where = "terminal" })
    run.waiting = {}
    handover.tell_what_stays(run, "PAM")
    assert.equal("remove the remains of 'PAM' in Devolutions Cloud; `moonlatch handover` lists them",
      run.waiting[1].what)
    assert.equal("The accounts of Tier 0 keep the passwords they have, and nobody rotates them any more.",
      run.waiting[1].why)
    assert.equal("the provider is deleted (Administration > Privileged Access > Providers)", run.waiting[1].how[2])
    assert.same({ "Name", "Client ID" }, { run.waiting[1].form[1].field, run.waiting[1].form[2].field })
    assert.equal("known", run.journal:get("handover", CLIENT).state) -- until something is removed
    run.hooks[1]()
    assert.equal("destroyed", run.journal:get("handover", CLIENT).state)
  end)

  it("has the provider looked at when the application was adopted and stays", function()
    run.interactive = false
    handover.hand_over(run, new_secret "handed_over", fields)
    run.journal:put("adopted", CLIENT, "adopted", { id = "obj-1" }, 1)
    run.waiting = {}
    handover.tell_what_stays(run, "PAM")
    assert.same({}, run.waiting)
    assert.equal("whether the provider 'PAM' in Devolutions Cloud still works is unknown: its application was adopted "
      .. "and stays, without what was added to it here. The accounts of Tier 0 are rotated only while it has roles, "
      .. "permissions and a client secret of its own. To see: on the entry of a managed account: ellipsis menu > Reset "
      .. "password; then Reports > Privileged Access > Tasks shows that reset as Completed", run.warned)
    assert.same({}, run.hooks)
  end)
end)
