local json = require "host.json"
local secret = require "host.secret"
local show = require "report.show"
local stage = require "stage"
local time_clock = require "time.clock"
local words = require "report.words"

local ID = "5da79005-66ce-490b-bf77-e8975bf17403"

local function text(value, width, options)
  return table.concat(show.lines(value, width or 80, options), "\n")
end

local USERS = {
  { displayName = "Adele Arden", userPrincipalName = "adele@contoso.onmicrosoft.com", id = ID, accountEnabled = true,
    jobTitle = json.null, createdDateTime = "2021-01-01T00:00:00Z", city = "" },
  { displayName = "漢字 with a very long name that goes on and on, and on", id = ID, accountEnabled = false,
    createdDateTime = "2025-12-31T23:59:59.1234567Z", note = "two\nlines" },
}

describe("a value at the prompt", function()
  local before
  setup(function() before = time_clock.use(require("fake_door").clock()) end) -- 2026-01-01T00:00:00Z
  teardown(function() time_clock.use(before) end)

  it("is a word as people read it", function()
    for want, value in pairs {
      ["12"] = 12, ["3"] = 3.0, ["0.25"] = 0.25, ["true"] = true, ["[secret]"] = secret.from "hunter2hunter2",
      ["2025-12-31 23:59"] = "2025-12-31T23:59:59Z", ["a b"] = "a\n  b", ["[]"] = json.array {}, ["{}"] = {},
      ["one, two"] = { "one", "two" }, ["[2 items]"] = { {}, { a = 1 } }, ["{1 member}"] = { a = 1 },
    } do
      assert.equal(want, words.text(value))
    end
    assert.equal("[30 items]", words.text { table.unpack((function()
      local list = {}
      for i = 1, 30 do list[i] = "item" .. i end
      return list
    end)()) })
  end)

  it("is an object with a member a line, what tells it apart first, what is folded, what is not set", function()
    assert.equal(([[
displayName       Adele
id                %s
accountEnabled    true
createdDateTime   2025-12-31 00:00 UTC  (1 day ago)
assignedLicenses  [2 items]
ends              2026-01-31 00:00 UTC  (in 30 days)
password          [secret]
not set: city, jobTitle]]):format(ID), text { displayName = "Adele", id = ID, accountEnabled = true,
      ends = "2026-01-31T00:00:00Z", createdDateTime = "2025-12-31T00:00:00Z", jobTitle = json.null, city = "",
      assignedLicenses = { { skuId = ID }, { skuId = ID } }, password = secret.from "hunter2hunter2",
      ["@odata.context"] = "x" })
  end)

  it("is a table that fits: the last column is cut, ids never, and what is hidden is counted", function()
    assert.equal([[
displayName                                       userPrincipalName
Adele Arden                                       adele@contoso.onmicro…
漢字 with a very long name that goes on and on,…
2 items; 4 columns hidden]], text(USERS, 72))
    assert.equal(([[
displayName                                       userPrincipalName              id
Adele Arden                                       adele@contoso.onmicrosoft.com  %s
漢字 with a very long name that goes on and on,…                                 %s
2 items; 3 columns hidden]]):format(ID, ID), text(USERS, 120))
    for _, width in ipairs { 20, 40, 80, 140 } do
      for _, line in ipairs(show.lines(USERS, width)) do
        assert.is_true(require("terminal.layout").width(line) <= width or line:find("hidden") ~= nil, line)
      end
    end
  end)

  it("is a table for a page of Graph, and says when there are more", function()
    local page = { ["@odata.context"] = "x", ["@odata.nextLink"] = "y", value = { { id = "1" }, { id = "2", n = 3 } } }
    assert.equal("id  n\n1\n2   3\n2 items, and there are more (graph.all reads all)", text(page))
    assert.equal("(nothing)", text { ["@odata.context"] = "x", value = json.array {} })
  end)

  it("is no more rows than anybody reads", function()
    local rows = {}
    for i = 1, 30 do rows[i] = { id = ("%02d"):format(i) } end
    assert.equal("id\n01\n02\nthe first 2 of 30 items; `last` has them all", text(rows, 80, { most = 2 }))
    assert.equal("id\n01\n1 item, and there are more (graph.all reads all)", text({ rows[1] }, 80, { more = true }))
  end)

  it("tells how far a moment is", function()
    assert.equal("in 30 days", words.distance "2026-01-31T00:00:00Z")
    assert.equal("5 years ago", words.distance "2021-01-01T00:00:00Z")
    assert.is_nil(words.distance "2021-13-01T00:00:00Z")
  end)

  it("is a line an item for plain lists, and plain for what has no parts", function()
    assert.equal("one\n2", text { "one", 2 })
    assert.equal("some text", text "some text")
    assert.equal("nil", text(nil))
    assert.equal("null", text(json.null))
    assert.equal("2026-01-01T00:00:10Z  (in 10 seconds)", text "2026-01-01T00:00:10Z")
    assert.equal("{}", text {})
  end)

  it("unfolds", function()
    assert.equal("name  x\nempty  []\nlist\n  1\n    a  1\n  2\n    a  null",
      table.concat(show.unfolded { name = "x", list = { { a = 1 }, { a = json.null } }, empty = json.array {} }, "\n"))
  end)

  it("is shown without a terminal all at once", function()
    local ears <close> = stage.ears()
    require("report.pager").show { "one", "two" }
    assert.same({ "one\ntwo" }, ears.said)
  end)

  describe("on a terminal", function()
    local process, sys, term = require "host.process", require "host.sys", require "host.term"
    local lines, kept = {}, {}
    for i = 1, 30 do lines[i] = "line " .. i end

    -- How the lines are shown where $PAGER is this and these programs are there: the command line of the pager, or nil
    -- where they are shown all at once.
    local function shown(pager, there, status)
      local ears <close>, chosen = stage.ears(), nil
      sys.getenv = function(name) return name == "PAGER" and pager or nil end
      sys.stat = function(path) return there[path] and {} or nil end
      process.page = function(arguments, whole)
        assert.equal(table.concat(lines, "\n") .. "\n", whole)
        chosen = table.concat(arguments, " ")
        return status or 0
      end
      require("report.pager").show(lines)
      assert.same(chosen and not status and {} or { table.concat(lines, "\n") }, ears.said)
      return chosen
    end

    before_each(function()
      kept = { sys.getenv, sys.stat, process.page, term.is_terminal, term.height, term.width }
      term.is_terminal = function() return true end
      term.height, term.width = function() return 24 end, function() return 80 end
    end)
    after_each(function()
      sys.getenv, sys.stat, process.page, term.is_terminal, term.height, term.width = table.unpack(kept)
    end)

    local BOTH = { ["/usr/bin/less"] = true, ["/usr/bin/more"] = true }

    it("is shown by less, or by more where that is all there is, or else all at once", function()
      assert.equal("/usr/bin/less -RFXM", shown(nil, BOTH))
      assert.equal("/usr/bin/more", shown(nil, { ["/usr/bin/more"] = true }))
      assert.is_nil(shown(nil, {}))
    end)

    it("is shown by the pager that $PAGER names, with its options", function()
      assert.equal("/usr/bin/more", shown("more", BOTH))
      assert.equal("/usr/bin/less -S -i", shown("/usr/local/bin/less -S -i", BOTH))
      assert.is_nil(shown("cat", BOTH))
      assert.is_nil(shown("", BOTH))
    end)

    it("runs no other program, and no shell", function()
      for _, pager in ipairs { "vi", "less; id", "less -R | sh", "less $(id)", "less -o/tmp/x", "/tmp/evil" } do
        assert.equal("/usr/bin/less -RFXM", shown(pager, BOTH), pager)
      end
    end)

    it("is shown all at once where it fits, and where the pager fails", function()
      assert.equal("/usr/bin/less -RFXM", shown(nil, BOTH, 1))
      term.height = function() return 31 end
      assert.is_nil(shown(nil, BOTH))
    end)
  end)
end)
