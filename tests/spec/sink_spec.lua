--- sink: where a secret goes when a person has to carry it.

local checklist = require "devolutions.checklist"
local file = require "sink.file"
local form = require "devolutions.form"
local handover = require "sink.handover"
local secret = require "host.secret"
local stage = require "stage"
local sys = require "host.sys"

describe("a file", function()
  local folder
  before_each(function() folder = assert(sys.temporary "sink") end)
  after_each(function() sys.remove_tree(folder) end)

  it("is new and for its owner only", function()
    local path = folder .. "/secret"
    file.check(path)
    file.write(path, secret.from "the-client-secret-value")
    assert.equal(tonumber("600", 8), sys.stat(path).mode & tonumber("777", 8))
    assert.is_true(sys.read_secret(path):equals(secret.from "the-client-secret-value"))
  end)

  it("is never overwritten, which is said before anything is made", function()
    local path = folder .. "/secret"
    assert(sys.write(path, "x", "new"))
    local ok, err = pcall(file.check, path)
    assert.is_false(ok)
    assert.equal(("write the client secret to %s: the file exists already\n"):format(path)
      .. "Name a new file; an existing one is never overwritten.", tostring(err))
    assert.is_false(pcall(file.write, path, secret.from "the-client-secret-value"))
    assert.equal("x", sys.read(path, 10))
  end)

  it("needs its folder", function()
    local ok, err = pcall(file.check, folder .. "/no/secret")
    assert.is_false(ok)
    assert.equal(("there is no folder %s/no"):format(folder), err.why)
  end)
end)

describe("the provider form", function()
  local VALUES = { name = "PAM", tenant = "t-1", client_id = "c-1" }

  it("has its fields in the form's order, and never the secret", function()
    local fields = {}
    for i, field in ipairs(form.fields(VALUES)) do fields[i] = field.field end
    assert.same({
      "Name", "Description", "Password template", "Tenant ID", "Client ID", "Credential type", "Secret key",
      "Test connection",
    }, fields)
  end)

  it("names the entry where the provider reads it itself", function()
    local entry = { confirms = function() return true end, where = function() return "vault 'V', PAM" end }
    local fields = form.fields { name = "PAM", tenant = "t", client_id = "c", entry = entry }
    assert.same({ field = "Credential type", value = "Linked credential" }, fields[6])
    assert.same({ field = "Linked credential", value = "vault 'V', PAM" }, fields[7])
  end)
end)

describe("handing over to a person", function()
  local before, heard, run, it_is, fields

  -- A secret as rotation gives it, reduced to what is used here.
  local function new_secret(state)
    local it = { value = secret.from "the-client-secret" }
    it.row = { id = "r1", state = state, body = { marker = "ml:1:r1" } }
    function it.placed(_, to) it.row.state = to end
    function it.is_confirmed() return it.row.state == "confirmed" end
    function it.confirm() it.row.state = "confirmed" end
    function it.replace() it.row.state, it.replaced = "proven", true end
    return it
  end

  before_each(function()
    before = handover.talk
    heard = { prompts = {}, shown = {} }
    run = {
      mode = "apply", interactive = true, journal = stage.journal(), waiting = {}, notes = {},
      acting = function() return true end,
      await = function(self, waiting) table.insert(self.waiting, waiting) end,
      note = function(self, text) table.insert(self.notes, text) end,
    }
    fields = { name = "PAM", tenant = "t-1", client_id = "c-1" }
  end)
  after_each(function() handover.talk = before end)

  local function answers(...)
    local list = { ... }
    handover.talk = {
      ask = function(prompt)
        table.insert(heard.prompts, prompt)
        return table.remove(list, 1)
      end,
      reveal = function(heading, value)
        table.insert(heard.shown, { heading, value })
        return true
      end,
    }
  end

  it("shows it once, on request, on record, and waits for the person", function()
    answers("s", "")
    it_is = new_secret "proven"
    handover.offer(run, it_is, fields)
    assert.equal(1, #heard.shown)
    assert.equal("Client secret for the field 'Secret key' of the provider 'PAM'", heard.shown[1][1])
    assert.equal("handed_over", it_is.row.state)
    assert.same({ kind = "reveal", body = { rotation = "r1", marker = "ml:1:r1", how = "terminal" } },
      run.journal.audits[1])
    assert.equal("paste the client secret into the provider 'PAM' of Devolutions", run.waiting[1].what)
    assert.equal("when it is in the form and Test connection succeeded: moonlatch journal confirm r1",
      run.waiting[1].how[2])
  end)

  it("is confirmed by a yes, but not before it was offered", function()
    answers "y"
    it_is = new_secret "proven"
    handover.offer(run, it_is, fields)
    assert.equal("proven", it_is.row.state)
    answers("s", "y")
    handover.offer(run, it_is, fields)
    assert.equal("confirmed", it_is.row.state)
    assert.equal(1, #run.waiting)
  end)

  it("can have a new one made", function()
    answers "n"
    it_is = new_secret "handed_over"
    assert.equal("again", handover.offer(run, it_is, fields))
    assert.is_true(it_is.replaced)
  end)

  it("asks nobody where nobody is, and says how to go on", function()
    run.interactive = false
    answers()
    handover.offer(run, new_secret "proven", fields)
    assert.equal(0, #heard.prompts)
    assert.equal(1, #run.waiting)
    assert.equal("Secret key", run.waiting[1].form[7].field)
  end)

  it("writes it to a new file when told to", function()
    local folder = assert(sys.temporary "handover")
    local _ <close> = setmetatable({}, { __close = function() sys.remove_tree(folder) end })
    run.interactive = false
    fields.secret_file = folder .. "/secret"
    it_is = new_secret "proven"
    handover.offer(run, it_is, fields)
    assert.is_true(sys.read_secret(fields.secret_file):equals(it_is.value))
    assert.equal("handed_over", it_is.row.state)
  end)
end)

describe("the checklist for Devolutions Cloud", function()
  local before = checklist.ask
  after_each(function() checklist.ask = before end)

  local function run_of(more)
    local run = {
      mode = "apply", journal = stage.journal(), profile = { devolutions = { cloud = "https://c.devolutions.app" } },
      waiting = {}, acting = function(self) return self.mode == "apply" end, note = function() end,
      await = function(self, waiting) table.insert(self.waiting, waiting) end,
    }
    for name, value in pairs(more or {}) do run[name] = value end
    return run
  end

  it("is waited for until somebody says it is done, and asked once", function()
    local run = run_of()
    checklist.ensure(run, false)
    assert.equal("prepare Devolutions Cloud", run.waiting[1].what)
    assert.truthy(run.waiting[1].how[5]:find("Host: https://c.devolutions.app", 1, true))
    checklist.ensure(run, true)
    checklist.ensure(run, false)
    assert.equal(1, #run.waiting)
  end)

  it("can be confirmed on a terminal", function()
    checklist.ask = function() return "yes" end
    local run = run_of { interactive = true }
    checklist.ensure(run, false)
    assert.equal(0, #run.waiting)
  end)

  it("is not asked for where there is no Cloud", function()
    local run = run_of { profile = {} }
    checklist.ensure(run, false)
    assert.equal(0, #run.waiting)
  end)
end)
