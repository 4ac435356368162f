local document = require "report.document"
local json = require "host.json"
local log = require "log"
local output = require "log.output"
local report = require "report"
local term = require "host.term"
local time = require "time"

describe("what a person is told", function()
  local out, err, write, clear, is_terminal

  before_each(function()
    out, err, write, clear, is_terminal = {}, {}, term.write, term.clear, term.is_terminal
    term.write = function(stream, text) table.insert(stream == "out" and out or err, text) end
    term.clear = function() table.insert(err, "CLEAR ") end
    term.is_terminal = function() return false end
    output.configure {}
  end)

  after_each(function()
    term.write, term.clear, term.is_terminal = write, clear, is_terminal
    output.configure {}
  end)

  local function said(list) return table.concat(list) end

  it("goes to standard output, warnings and details to standard error", function()
    log.step "Pre-flight"
    log.say "hello"
    log.detail "not shown"
    log.warn "careful"
    assert.equal("Pre-flight\nhello\n", said(out))
    assert.equal("warning: careful\n", said(err))
    output.configure { verbose = true }
    log.detail "shown"
    assert.equal("warning: careful\nshown\n", said(err))
  end)

  it("leaves standard output to the document with --json, and says less with --quiet", function()
    output.configure { json = true }
    log.step "a"
    log.say "b"
    assert.equal("", said(out))
    assert.equal("a\nb\n", said(err))
    output.configure { quiet = true }
    log.step "c"
    log.progress "d"
    log.note "d"
    log.say "e"
    assert.equal("e\n", said(out))
  end)

  it("goes to a listener, who may say something of it to the person", function()
    local heard = {}
    do
      local _ <close> = output.divert_to(function(text)
        heard[#heard + 1] = text
        log.say("they said " .. text)
      end)
      log.say "hello"
    end
    log.say "after"
    assert.same({ "hello" }, heard)
    assert.equal("they said hello\nafter\n", said(out))
  end)

  it("shows progress now and then where it is no terminal", function()
    local monotonic, now = time.monotonic, 100
    time.monotonic = function() return now end
    output.configure {}
    for i = 1, 100 do
      log.progress("part " .. i)
      now = now + 0.25
    end
    time.monotonic = monotonic
    assert.equal("part 41\npart 81\n", said(err)) -- nothing of what takes less than ten seconds
  end)

  it("shows progress as one changing line on a terminal, gone before other lines", function()
    term.is_terminal = function() return true end
    log.progress "part 1"
    log.progress "part 2"
    log.say "done"
    assert.equal("CLEAR part 1CLEAR ", said(err))
    assert.equal("done\n", said(out))
    log.progress(("x"):rep(500))
    assert.is_true(#err[#err] < 120)
  end)

  it("is a table with aligned columns", function()
    local rows = { { name = "é", count = 5 }, { name = "long\nname", count = 10, more = { 1 } } }
    report.table(rows, { "name", { key = "count", title = "n" }, "more" })
    assert.equal("NAME        N  MORE\né           5\nlong name  10  [1]\n", said(out))
    report.table({ { b = 1, a = "x" } })
    assert.equal("A  B\nx  1\n", out[2])
    report.table({}, { "name" })
    assert.equal("(nothing)\n", out[3])
  end)

  it("is a table with aligned columns for any script and for emoji", function()
    local rows = {}
    for i, name in ipairs { "plain", "✅ done", "ที่อยู่", "漢字", "👩‍💻" } do
      rows[i] = { name = name, n = 1, more = "|" }
    end
    report.table(rows, { "name", "n", "more" })
    assert.equal(table.concat({
      "NAME     N  MORE", "plain    1  |", "✅ done  1  |", "ที่อยู่      1  |", "漢字     1  |", "👩‍💻     1  |", "",
    }, "\n"), said(out))
  end)

  it("is one document with --json: the only value, or the list of all", function()
    output.configure { json = true }
    report.table({ { a = 1, b = 2 } }, { "a" })
    document.flush()
    assert.same({ { a = 1 } }, json.decode(said(out)))
    out = {}
    report.table({}, { "a" })
    report.json { x = 1 }
    document.flush()
    document.flush()
    assert.same({ {}, { x = 1 } }, json.decode(said(out)))
  end)

  describe("a table on a terminal that is too narrow", function()
    local width, columns = term.width, nil
    local ROWS = { { who = "adele", what = "reads one thing, then another" }, { who = "uma", what = "" } }

    before_each(function()
      term.is_terminal = function() return true end
      term.width = function() return columns end
    end)

    after_each(function() term.width = width end)

    it("keeps the last column beside the others while there is room", function()
      columns = 32
      report.table(ROWS, { "who", "what" })
      assert.equal("WHO    WHAT\nadele  reads one thing, then\n       another\numa\n", said(out))
    end)

    it("sets it below them where there is not", function()
      columns = 28
      report.table(ROWS, { "who", "what" })
      assert.equal("WHO\n    WHAT\nadele\n    reads one thing, then\n    another\numa\n", said(out))
    end)

    it("names cells below that do not fit beside the first ones, and leaves no word broken", function()
      columns = 30
      report.table({ { who = "adele@contoso.com", state = "enabled", age = "5 years", what = "reads" },
        { who = "uma@contoso.com", what = "a-word-that-needs-26-cols" } }, { "who", "state", "age", "what" })
      assert.equal(table.concat({ "WHO                STATE", "    WHAT", "adele@contoso.com  enabled",
        "    age: 5 years", "    reads", "uma@contoso.com", "    a-word-that-needs-26-cols", "" }, "\n"), said(out))
      out, columns = {}, 39
      report.table({ { who = "uma", what = "a-word-of-more-than-33-columns-here" } }, { "who", "what" })
      assert.equal("WHO\n    WHAT\numa\n    a-word-of-more-than-33-columns-here\n", said(out))
    end)

    it("is one line a row where all fits, and elsewhere", function()
      columns = 80
      report.table(ROWS, { "who", "what" })
      assert.equal("WHO    WHAT\nadele  reads one thing, then another\numa\n", said(out))
    end)
  end)
end)
