local json = require "host.json"
local moonlatch = require "moonlatch"
local secret = require "host.secret"

-- Steps that need no far side: the commands around them are what is looked at.
local SCRIPT = [[
local fail = require "fail"
local workflow = require "workflow"

return workflow.declare {
  id = "test/job",
  summary = "A job",
  args = {
    nothing = { type = "boolean", default = false, help = "find all as it should be" },
    fails = { type = "boolean", default = false, help = "fail in the second step" },
    waits = { type = "boolean", default = false, help = "wait for a person" },
  },
  steps = {
    workflow.step "First" (function(run, have, args)
      if args.nothing then return run:found("thing", "a") end
      run:change { kind = "thing", name = "a", made = "new", act = function() return {} end }
    end),
    workflow.step "Second" (function(run, have, args)
      if args.fails then
        fail.raise {
          kind = "denied", what = "make b", why = "not allowed", fix = "Ask.", status = 403, request_id = "r-1",
        }
      end
      if args.waits then run:await { what = "press the button", why = "nobody else can" } end
    end),
  },
}]]

local CONFIG = [[return { profiles = {
  emulated = {
    tenant = "x", emulator = true, cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:2" },
    key = { from = "file", path = "key" }, state = "state-e",
  },
  contoso = { tenant = "contoso.onmicrosoft.com", key = { from = "file", path = "key" }, state = "state-c" },
} }]]

describe("a job", function()
  local function prepare()
    local place = moonlatch.place()
    place:write("job.lua", SCRIPT)
    place:write("key", secret.generate(32))
    place:write("config.lua", CONFIG)
    return place
  end

  local function run(words, profile)
    local place <close> = prepare()
    table.move({ "--config", "config.lua", "--profile", profile or "emulated" }, 1, 4, #words + 1, words)
    return place:run(words)
  end

  it("is planned: 3 when there is something to do, 0 when not", function()
    local outcome = run { "plan", "./job.lua" }
    assert.same({ 3, "" }, { outcome.status, outcome.err }) -- a log has the name of a step once
    assert.matches("^First\n  %+ thing 'a'  new\n\nPlan: 1 to create.\n$", outcome.out)
    outcome = run { "plan", "./job.lua", "--nothing" }
    assert.equal(0, outcome.status)
    outcome = run { "verify", "./job.lua", "--waits", "--nothing" }
    assert.equal(3, outcome.status)
  end)

  it("is one document with --json, and nothing else on standard output", function()
    local outcome = run { "plan", "./job.lua", "--json" }
    local document = assert(json.decode(outcome.out))
    assert.same({ "test/job", "plan", 3, 1 },
      { document.script, document.mode, document.status, document.changes.create })
    outcome = run { "apply", "./job.lua", "--json", "--yes", "--fails" }
    document = assert(json.decode(outcome.out))
    assert.equal(1, outcome.status)
    assert.same({ "denied", "make b", "not allowed", "Ask.", "Second", "r-1" }, {
      document.failure.kind, document.failure.what, document.failure.why, document.failure.fix, document.failure.step,
      document.failure.request_id,
    })
    assert.matches("\nerror: test/job, step 'Second': make b\n  why: not allowed %(403, request%-id r%-1%)\n"
      .. "  fix: Ask.\n$", outcome.err)
  end)

  it("is applied with --yes, and ends with 1 when a person has to act", function()
    assert.equal(0, run({ "apply", "./job.lua", "--yes" }).status)
    local outcome = run { "apply", "./job.lua", "--yes", "--waits" }
    assert.equal(1, outcome.status)
    assert.matches("press the button", outcome.out)
  end)

  it("is not applied without a terminal to ask on", function()
    local outcome = run { "apply", "./job.lua" }
    assert.same({ 2, "" }, { outcome.status, outcome.out })
    assert.equal("error: apply ./job.lua\n  why: there is no terminal on which to ask before changes\n"
      .. "  fix: To see what would change: moonlatch --profile emulated plan ./job.lua. To make the changes without a "
      .. "question, add --yes to the same command.\n", outcome.err)
  end)

  it("is destroyed in a real tenant only when the profile is named again", function()
    local outcome = run({ "destroy", "./job.lua", "--yes" }, "contoso")
    assert.equal(2, outcome.status)
    assert.matches("why: the profile is of a real tenant, and %-%-confirm is missing\n"
      .. "  fix: If you mean this tenant: moonlatch %-%-profile contoso destroy %./job%.lua %-%-confirm contoso\n$",
      outcome.err)
    outcome = run({ "destroy", "./job.lua", "--yes", "--confirm", "fabrikam" }, "contoso")
    assert.matches("why: %-%-confirm says 'fabrikam', the profile is 'contoso'\n", outcome.err)
    assert.equal(0, run({ "destroy", "./job.lua", "--yes", "--confirm", "contoso" }, "contoso").status)
    assert.equal(0, run({ "destroy", "./job.lua", "--yes" }).status)
  end)

  it("refuses an argument before it opens anything", function()
    local place <close> = prepare()
    local outcome = place:run { "apply", "./job.lua", "--yes", "--nothign", "--config", "none.lua" }
    assert.equal(2, outcome.status)
    assert.matches("why: it has no argument %-%-nothign\n  fix: Did you mean %-%-nothing%?\n$", outcome.err)
  end)

  it("keeps a journal, which can be looked at", function()
    local place <close> = prepare()
    local function journal(...)
      return place:run { "journal", "--config", "config.lua", "--profile", "emulated", ... }
    end
    assert.equal("(nothing)\n", journal().out)
    assert.matches("^%d+ records, unbroken; the last is %d+:%x+\n$", journal("verify").out)
    assert.equal("error: journal show none\n  why: there is no record of that id\n"
      .. "  fix: Run `moonlatch --profile emulated journal list` for the ids, and name one of these.\n",
      journal("show", "none").err)
    assert.equal(2, journal("show").status)
    assert.matches("there is no such action", journal("lsit").err)
    assert.equal(1, journal("confirm", "none").status)
    assert.equal(2, journal("retire", "none").status)
  end)

  describe("with a person at the terminal", function()
    -- Plays steps (EXPECT, SEND, …); exit status and what was shown.
    local function play(steps, words)
      local place <close> = prepare()
      local line = { "cd '" .. place.path .. "' && python3 '" .. SOURCE .. "/tests/terminal.py'" }
      for _, step in ipairs(steps) do line[#line + 1] = "'" .. step .. "'" end
      line[#line + 1] = "-- /usr/bin/env HOME=" .. place.path .. " '" .. os.getenv "MOONLATCH" .. "'"
      for _, word in ipairs(words) do line[#line + 1] = "'" .. word .. "'" end
      line[#line + 1] = "--config config.lua --profile emulated"
      local pipe <close> = assert(io.popen(table.concat(line, " ")))
      local text = pipe:read("a")
      return math.tointeger(text:match("^%-?%d+")), text
    end

    it("is applied after asking", function()
      local status, text = play({ "[y/N] ", "y\\n" }, { "apply", "./job.lua", "--no-color" })
      assert.equal(0, status, text)
      assert.matches("Plan: 1 to create.", text)
      assert.matches("Apply this to x (profile emulated)? [y/N] ", text, 1, true)
    end)

    it("is left alone when the answer is anything else", function()
      local status, text = play({ "[y/N] ", "\\n" }, { "apply", "./job.lua" })
      assert.equal(1, status, text)
      assert.matches("Nothing was changed.", text)
    end)

    it("asks nothing when there is nothing to do", function()
      local status, text = play({}, { "apply", "./job.lua", "--nothing" })
      assert.equal(0, status, text)
      assert.is_nil(text:find("[y/N]", 1, true))
    end)
  end)

  describe("--emulator", function()
    local function with(main, words)
      local place <close> = prepare()
      place:write("scripts/emulator/main.lua", ([[return { summary = "x",
        args = { private = { type = "boolean", default = false, help = "x" } },
        run = function(args) %s end }]]):format(main:gsub("PLACE", place.path)))
      table.move({ "--emulator", "--scripts", place.path .. "/scripts" }, 1, 3, #words + 1, words)
      return place:run(words)
    end

    it("starts a private one, and takes its profile", function()
      local outcome = with([[assert(args.private)
        print('{"config": "PLACE/ready.lua"}')]], { "plan", "./job.lua" })
      assert.equal(1, outcome.status)
      assert.matches("error: read the configuration /.*/ready.lua\n", outcome.err)
    end)

    it("says what goes wrong with it", function()
      local outcome = with("print 'hello'", { "plan", "./job.lua" })
      assert.equal(1, outcome.status)
      assert.matches("error: start a private emulator\n  why: its first line is not the expected JSON: hello\n"
        .. "  fix: Run `moonlatch emulator` and read what it prints; then run the same command again.\n$", outcome.err)
      outcome = with("", { "plan", "./job.lua" })
      assert.matches("why: it did not print the line that says it is ready\n", outcome.err)
    end)
  end)
end)
