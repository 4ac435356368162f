--- log.hint: the profile in the commands that a person is told to run.

local hint = require "log.hint"

local COMMANDS = { "apply", "journal", "init" }

describe("a command in a hint", function()
  after_each(function() hint.use(nil, {}) end)

  it("stays as it is when the run was given no profile", function()
    hint.use(nil, COMMANDS)
    assert.equal("moonlatch apply setup/x", hint.complete "moonlatch apply setup/x")
  end)

  it("gets the profile of the run, once", function()
    hint.use("contoso", COMMANDS)
    local text = "Run `moonlatch journal list`, or: moonlatch apply setup/x --yes"
    local wanted = "Run `moonlatch --profile contoso journal list`, or: moonlatch --profile contoso apply setup/x --yes"
    assert.equal(wanted, hint.complete(text))
    assert.equal(wanted, hint.complete(wanted))
  end)

  it("keeps the profile that it names itself", function()
    hint.use("contoso", COMMANDS)
    local text = "`moonlatch init --profile fabrikam` makes one"
    assert.equal(text, hint.complete(text))
  end)

  it("is no other sentence with the name of the program", function()
    hint.use("contoso", COMMANDS)
    for _, text in ipairs { "moonlatch probe 1 2", "a moonlatchapply", "Moonlatch apply", "moonlatch applying" } do
      assert.equal(text, hint.complete(text))
    end
  end)

  it("quotes a profile that a shell would take apart", function()
    hint.use("our lab's", COMMANDS)
    assert.equal([[moonlatch --profile 'our lab'\''s' apply x]], hint.complete "moonlatch apply x")
  end)

  it("is looked for in the sentences of a result, and in nothing else", function()
    hint.use("contoso", COMMANDS)
    local waiting = { how = { "moonlatch apply x" }, what = "moonlatch apply" }
    local result = { name = "moonlatch apply", waiting = { waiting } }
    assert.same({
      name = "moonlatch apply",
      waiting = { { how = { "moonlatch --profile contoso apply x" }, what = "moonlatch --profile contoso apply" } },
    }, hint.complete_all(result))
  end)

  it("is looked for in failures only, where the output is data", function()
    hint.use("contoso", COMMANDS, true)
    assert.equal("moonlatch apply me", hint.complete_output "moonlatch apply me")
    assert.same({ notes = "moonlatch apply me" }, hint.complete_document { notes = "moonlatch apply me" })
    assert.equal("moonlatch --profile contoso apply x", hint.complete "moonlatch apply x")
  end)
end)
