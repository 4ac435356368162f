-- What is raised when the journal cannot be written or read: a failure, with what to do.

local fail = require "fail"
local child = require "child"
local journal = require "host.journal"
local journals = require "journals"
local process = require "host.process"
local record = require "journal.commit"

describe("a message of the journal", function()
  it("is a failure that says what to do", function()
    local failure = record.failure("the journal cannot be written: database or disk is full (No space left on "
      .. "device), in"
      .. " '/var/lib/x'. What was not yet committed is not kept and nothing more is sent. Make room on that disk, then"
      .. " run it again: it goes on from the last commit")
    assert.is_true(fail.is(failure, "journal"))
    assert.equal("put on record what was done: the journal cannot be written: database or disk is full (No space left"
      .. " on device), in '/var/lib/x'\nWhat was not yet committed is not kept and nothing more is sent. Make room on"
      .. " that disk, then run it again: it goes on from the last commit.", tostring(failure))
  end)

  it("says that it cannot be read", function()
    assert.equal("read what is on record: the journal cannot be read: disk I/O error, in '/x'\nMake room on the disk "
      .. "of the state folder, and give your user write access to it; then run the same command again.",
      tostring(record.failure "the journal cannot be read: disk I/O error, in '/x'"))
  end)
end)

describe("a journal", function()
  it("raises what its opener makes of the message", function()
    local place <close> = journals.folder()
    local j <close> = assert(journal.open(place.path .. "/j", journals.KEY, journals.BINDING, nil, record.failure))
    journals.tamper(place, "UPDATE records SET body = 'x'; INSERT INTO records VALUES (1, 'k', 'i', 's', '{', 0, 0, 1)")
    local ok, failure = pcall(j.get, j, "k", "i")
    assert.is_false(ok)
    assert.is_true(fail.is(failure, "journal"), tostring(failure))
  end)

  it("does so where a file may not grow", function()
    local place <close> = journals.folder()
    local body = journals.OPEN:gsub('contoso.onmicrosoft.com"%)', 'contoso.onmicrosoft.com", nil,\n'
      .. "function(text) return { said = text } end)") .. [[
      local ok, failure = true, nil
      for n = 1, 1000 do
        if ok then ok, failure = pcall(j.put, j, "k", tostring(n), "s", { text = ("x"):rep(4000) }, n) end
        if ok then
          local done, message = j:commit()
          if not done then ok, failure = false, { said = message } end
        end
      end
      local raised = pcall(j.put, j, "k", "last", "s", {}, 0)
      local _, last = pcall(j.put, j, "k", "last", "s", {}, 0)
      term.write("out", tostring(raised) .. " " .. failure.said .. "\n" .. last.said .. "\n")
      return 0]]
    local arguments = { "/usr/bin/prlimit", "--fsize=200000", table.unpack(child.arguments(place, body,
      place.path .. "/j")) }
    local limited <close> = assert(process.start(arguments))
    assert.matches("^false the journal cannot be written: .*, in '", limited:line(30))
    assert.matches("^the journal cannot be written: ", limited:line(30))
  end)

  it("that there is no room for is not called damaged", function()
    local words = journals.OPEN .. [[
      term.write("out", "opened\n")
      return 0]]
    for _, bytes in ipairs { 1024, 4096, 8192, 20000 } do
      local place <close> = journals.folder()
      local arguments = child.arguments(place, words, place.path .. "/j")
      table.move(arguments, 1, #arguments, 3)
      arguments[1], arguments[2] = "/usr/bin/prlimit", "--fsize=" .. bytes
      local limited <close> = assert(process.start(arguments))
      assert.matches("^io: cannot open the journal in ", limited:line(30), bytes .. " bytes")
    end
  end)
end)
