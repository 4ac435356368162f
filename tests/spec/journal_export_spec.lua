--- journal export: page by page, whatever the journal has. tests/end/metrics_spec.lua runs the command.

local json = require "host.json"
local journals = require "journals"
local term = require "host.term"

-- The command's module, with `write` in the place of standard output.
local function with_output(write, fn)
  local before, name = term.write_data, "command.journal_export"
  package.loaded[name], term.write_data = nil, write
  local ok, failure = pcall(fn, require(name))
  package.loaded[name], term.write_data = nil, before
  if not ok then error(failure, 0) end
end

-- A journal of `count` records, of which the file has those that `has` names; it notes how many were read at once.
local function fake_journal(count, has)
  local journal = { most = 0 }
  function journal.installation() return "cafe" end
  function journal.start() return 0, "" end
  function journal:records_after(after, most)
    local list = {}
    for seq = after + 1, count do
      if #list < most and has(seq) then
        list[#list + 1] = { seq = seq, hash = ("%064x"):format(seq), time = 1, kind = "note",
          body = { hint = "abc", inner = { hint = "abc", n = seq } } }
      end
    end
    self.most = math.max(self.most, #list)
    return list
  end
  return journal
end

local function export(journal, write)
  local lines, writes = {}, 0
  with_output(write or function(text)
    writes = writes + 1
    for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
    return true
  end, function(command) command.run(journal, nil, {}, {}) end)
  return lines, writes
end

describe("journal export", function()
  it("holds some hundred records at a time, and writes each once, without a hint", function()
    local journal = fake_journal(1234, function() return true end)
    local lines, writes = export(journal)
    assert.same({ 1234, 3 }, { #lines, writes })
    assert.is_true(journal.most <= 500, journal.most)
    for i, line in ipairs(lines) do
      local record = json.decode(line)
      assert.same({ i, { inner = { n = i } } }, { record.seq, record.body })
      assert.equal(("%d:%064x"):format(i, i), record.cursor)
    end
  end)

  it("stops when nobody reads any more", function()
    local written = 0
    export(fake_journal(5000, function() return true end), function()
      written = written + 1
      return nil, "broken pipe"
    end)
    assert.equal(1, written)
  end)

  it("says which record is missing, after those before it", function()
    local lines = {}
    local ok, failure = pcall(export, fake_journal(900, function(seq) return seq ~= 700 end), function(text)
      for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
      return true
    end)
    assert.same({ false, "journal", "record 700 is not there" }, { ok, failure.kind, failure.why })
    assert.same({ 699, 699 }, { #lines, json.decode(lines[699]).seq })
  end)
end)

it("a journal gives its records after a number, with their hashes", function()
  local place <close> = journals.folder()
  journals.fill(place)
  local j <close> = journals.open(place)
  local list = j:records_after(2, 3)
  assert.same({ 3, 3, 5 }, { #list, list[1].seq, list[3].seq })
  for _, record in ipairs(list) do assert.equal(j:hash(record.seq), record.hash) end
  assert.same({ {}, {} }, { j:records_after(8, 10), j:records_after(0, 0) })
end)
