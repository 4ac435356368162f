--- The arguments of the last apply, as they are printed: the command line that gives the same values.

local answers = require "cli.answers"
local arguments = require "script.arguments"
local log = require "log"
local states = require "handover.state"

describe("the arguments of the last apply", function()
  local note, told = log.note, nil
  before_each(function() log.note = function(text) told = text end end)
  after_each(function() log.note = note end)

  it("are printed as the command line that gives the same names", function()
    local names = { "Tier 0, EU", [[ends\]], "O'Neil" }
    local invocation = {
      declaration = { id = "made", args = { managed = { type = "list", ask = "Which?" } } }, given = {}, args = {},
    }
    answers.recall_last_apply(invocation, { get = function() return { body = { value = names }, updated = 0 } end })
    assert.same(names, invocation.args.managed)
    local text = told:match "^  · %-%-managed (.*), as at the last apply %("
    assert.same(names, arguments.value("managed", { type = "list" }, text))
  end)

  it("can be pasted into a shell, a name with an apostrophe too", function()
    assert.equal([[moonlatch apply setup/entra-pam-provider --name 'O'\''Neil']], states.setup_command(nil, "O'Neil"))
  end)
end)
