-- takes 10 s: plays a person at terminals of several sizes
--- The screens that a person meets, at 80 and 120 columns and on odd terminals, all on one emulator. They are kept in
--- tests/screens, to be read as a person reads them.

local moonlatch = require "moonlatch"
local rehearsal = require "rehearsal"
local screen = require "screen"

local SETUP = "setup/entra-pam-provider"
local WORDS = { "--managed", "PAM managed service accounts", "--no-jit-elevation" }
local TALL = 170 -- lines: nothing scrolls away
local LEFT = "left with %d"

describe("the screen of", function()
  local emu

  setup(function() emu = rehearsal.at_home("--lag", "0") end)
  teardown(function() local _ <close> = emu end)

  local function open(columns, words, settings) return screen.open({ columns, TALL }, words, settings, emu.place) end

  local function plan_words(command, ...)
    return table.move({ ... }, 1, select("#", ...), 6, { command, SETUP, table.unpack(WORDS) })
  end

  -- Show a command until it ends, and compare it with the screen that is kept.
  local function check(name, columns, words, settings)
    local shown <close> = open(columns, words, settings)
    shown:wait(LEFT)
    assert.same({}, shown:broken_lines())
    shown:check(name)
    return shown:text()
  end

  local function apply(name, columns, ...)
    local shown <close> = open(columns, plan_words("apply", ...))
    shown:wait "%[y/N%]"
    shown:go "y"
    shown:wait(LEFT)
    assert.same({}, shown:broken_lines())
    shown:check(name)
  end

  it("plan and apply: the same words and numbers, and what comes next", function()
    local planned = check("plan-80", 80, plan_words "plan")
    assert.matches("consent page asks for:\n  Application%.ReadWrite%.All", planned)
    apply("apply-80", 80)
    local again <close> = open(80, plan_words "plan")
    local text = again:wait(LEFT)
    assert.is_nil(text:find("consent page", 1, true), text) -- apply has told what it asks for
  end)

  it("plan and apply at 120 columns, with a change of what is there", function()
    emu:run { "login", "--for", SETUP }
    apply("apply-120", 120, "--lifetime", "90d", "--renew")
    check("plan-120", 120, { "plan", SETUP, "--jit-elevation" })
  end)

  it("status, doctor, discover and the journal", function()
    for _, columns in ipairs { 80, 120 } do
      for _, command in ipairs { "status", "doctor", "discover" } do
        check(("%s-%d"):format(command, columns), columns, { command })
      end
      for _, words in ipairs { { "journal", "list" }, { "whoami" }, { "activity" }, { "expiring" } } do
        local shown <close> = open(columns, words)
        shown:wait(LEFT)
        assert.same({}, shown:broken_lines())
      end
    end
  end)

  it("the prompt", function()
    for _, columns in ipairs { 80, 120 } do
      local shown <close> = open(columns, { "repl" })
      shown:wait "emulator>"
      shown:enter('graph.get("/users", { top = 3 })', "emulator>")
      shown:enter('graph.get "/nothing"', "emulator>")
      shown:press "C-d"
      shown:wait(LEFT)
      assert.same({}, shown:broken_lines())
      shown:check("repl-" .. columns)
    end
  end)

  it("a plan on a terminal with colours, and the same signs without", function()
    local function coloured(settings)
      local shown <close> = open(80, { "plan", SETUP, "--jit-elevation" }, settings)
      shown:wait(LEFT)
      return shown:coloured_text(), shown:text()
    end
    local text, plain = coloured()
    assert.truthy(text:find("\27[32m+\27", 1, true) or text:find("\27[33m~\27", 1, true), text)
    for _, setting in ipairs { "NO_COLOR=1", "TERM=dumb" } do
      assert.same({ plain, plain }, { coloured { setting } })
    end
  end)

  it("a small terminal, on which no word is broken either", function()
    for _, words in ipairs { { "discover" }, { "doctor", "--all" }, { "status" }, { "plan", SETUP, "--jit-elevation" },
      { "--help" } } do
      local shown <close> = open(40, words)
      shown:wait(LEFT)
      assert.same({}, shown:broken_lines())
    end
    local shown <close> = screen.open({ 40, 20 }, { "status" }, nil, emu.place)
    shown:wait(LEFT)
    shown:check "status-40x20"
  end)

  it("names that are written from right to left, and with marks of their own", function()
    check("names-80", 80, { "plan", SETUP, "--name", "خزنة é̂ 漢字" })
  end)

  it("a home in which nothing can be written", function()
    local place <close> = moonlatch.place()
    local outcome = place:run({ "init", "--tenant", "contoso.com", "--key", "file" }, { env = { "HOME=/proc" } })
    assert.equal(1, outcome.status)
    assert.matches("^error: [^\n]+/proc/[^\n]+\n  why: [^\n]+\n  fix: ", outcome.err)
  end)
end)
