--- A journal that is kept small: its oldest records go to segments, which verify by themselves.

local journal = require "host.journal"
local journals = require "journals"
local moonlatch = require "moonlatch"
local secret = require "host.secret"
local sys = require "host.sys"

local function segments(place)
  local list = {}
  for _, name in ipairs(sys.list(place.path .. "/j")) do
    if name:find("%.segment$") then list[#list + 1] = name end
  end
  return list
end

local function read(place, name, key)
  return journal.read(place.path .. "/j/" .. name, key or journals.KEY, journals.BINDING)
end

-- Rows and values are compared as they are before and after.
local function contents(j)
  local rows = j:list()
  local held = {}
  for _, id in ipairs { "a", "b", "c" } do
    local value <close> = j:unseal(id)
    held[id] = value and #value or false
  end
  return { rows, held, j:installations() }
end

describe("Journal:compact", function()
  it("moves what is older to a segment, and keeps all rows and values, proven", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local j <close> = journals.open(place)
    local before, hash = contents(j), j:hash(3)
    local done = assert(j:compact(1006.5, 5000, {}))
    assert.same({ 1, 3, 2 }, { done.first, done.last, done.carried })
    assert.equal(("journal-1-3-%s.segment"):format(hash:sub(1, 8)), done.segment)
    assert.same(before, contents(j))
    assert.same({ 3, hash }, { j:start() })
    assert.same({ 8, 11 }, { j:verify(), (j:head()) })
    local last = j:history(1)[1]
    assert.same({ "journal.compact", 5000.0, { segment = done.segment, first = 1, last = 3 } },
      { last.kind, last.time, last.body })
    j:put("intent", "a", "closed", {}, 5001)
    assert(j:commit())
    j:close()
    local again <close> = journals.open(place)
    assert.equal(9, again:verify())
    local segment <close> = assert(read(place, done.segment))
    assert.is_true(segment:is_segment())
    assert.same({ 3, hash }, { segment:head() })
    assert.equal(3, segment:verify())
    assert.equal(tonumber("600", 8), sys.stat(place.path .. "/j/" .. done.segment).mode)
    assert.same({ done.segment }, segments(place))
  end)

  it("adds segment to segment, each beginning where the other ends", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    for round = 1, 4 do
      for n = 1, 10 do j:put("work", tostring(n % 3), "done", { n = n }, 2000 * round + n) end
      assert(j:commit())
      assert(j:compact(2000 * round + 8.5, 2000 * round + 20, {}))
      j:verify()
    end
    local seq, hash = j:start()
    local names, count = segments(place), 0
    while seq > 0 do
      local found
      for _, name in ipairs(names) do
        if name:find(("-%d-%s."):format(seq, hash:sub(1, 8)), 1, true) then found = name end
      end
      local segment <close> = assert(read(place, found))
      assert.same({ seq, hash }, { segment:head() })
      assert.is_truthy(segment:verify())
      seq, hash = segment:start()
      count = count + 1
    end
    assert.equal(4, count)
    assert.equal(4, #names)
    assert.is_truthy(j:verify())
  end)

  it("drops the rows it is told to, if they were put in what goes, and nothing else", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    for _, id in ipairs { "a", "b", "c" } do j:put("intent", id, "closed", {}, 1000) end
    j:put("intent", "c", "closed", {}, 3000)
    assert(j:commit())
    assert(j:compact(2000, 5000, { { "intent", "a" }, { "intent", "c" }, { "intent", "none" } }))
    local ids = {}
    for i, row in ipairs(j:list()) do ids[i] = row.id end
    assert.same({ "b", "c" }, ids)
    assert.is_truthy(j:verify())
  end)

  it("does nothing when nothing is older, keeps the last record, and gives the room back", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    assert.is_nil(j:compact(1e10, 5000, {}))
    for n = 1, 2000 do j:put("work", tostring(n % 5), "done", { text = ("x"):rep(300) }, n) end
    assert(j:commit())
    assert.is_nil(j:compact(0.5, 5000, {}))
    local done = assert(j:compact(1e10, 5000, {}))
    assert.equal(1999, done.last)
    assert.is_truthy(j:verify())
    j:close()
    local again <close> = journals.open(place)
    assert.is_truthy(again:verify())
    assert.is_true(sys.stat(place.path .. "/j/journal.db").size < 100000)
  end)

  it("goes on where it was stopped, with what another run left", function()
    local place <close> = journals.folder()
    journals.fill(place)
    do
      local j <close> = journals.open(place)
      local hash = j:hash(3)
      assert(sys.write(("%s/j/journal-1-3-%s.segment"):format(place.path, hash:sub(1, 8)), "left", "new"))
      assert(sys.write(("%s/j/journal-1-3-%s.segment.part"):format(place.path, hash:sub(1, 8)), "left", "new"))
    end
    local j <close> = journals.open(place)
    local done = assert(j:compact(1006.5, 5000, {}))
    local segment <close> = assert(read(place, done.segment))
    assert.equal(3, segment:verify())
    assert.is_nil(sys.stat(place.path .. "/j/" .. done.segment .. ".part"))
  end)

  it("is refused of a journal that was altered", function()
    local place <close> = journals.folder()
    journals.fill(place)
    journals.tamper(place, "UPDATE audit SET time = time + 1 WHERE seq = 2")
    local j <close> = journals.open(place)
    local none, message, kind = j:compact(1006.5, 5000, {})
    assert.same({ nil, "io" }, { none, kind })
    assert.truthy(message:find("audit record 2 or a record before it was altered", 1, true), message)
    assert.same({}, segments(place))
  end)

  it("leaves a start that nobody moves unnoticed, and segments that are no journals", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local name
    do
      local j <close> = journals.open(place)
      name = assert(j:compact(1006.5, 5000, {})).segment
    end
    for _, change in ipairs {
      "DELETE FROM meta WHERE name = 'start'", "UPDATE meta SET value = zeroblob(72) WHERE name = 'start'",
      "DELETE FROM audit WHERE seq = 4",
    } do
      local other <close> = journals.folder()
      assert(os.execute(("cp -r '%s/j' '%s/j'"):format(place.path, other.path)))
      journals.tamper(other, change)
      local j <close> = journals.open(other)
      assert.is_nil((j:verify()), change)
    end
    assert(os.execute(("cp '%s/j/%s' '%s/j/journal.db' && rm '%s/j/journal.mark'"):format(place.path, name, place.path,
      place.path)))
    local none, _, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
    assert.same({ nil, "damaged" }, { none, kind })
  end)

  it("leaves segments that change keys as they are", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local name
    do
      local j <close> = journals.open(place)
      name = assert(j:compact(1006.5, 5000, {})).segment
    end
    local new <close> = secret.from(("new key "):rep(5))
    local path = place.path .. "/j/" .. name
    for _ = 1, 2 do assert(journal.rekey_segment(path, journals.KEY, new, journals.BINDING)) end
    assert.is_nil((read(place, name)))
    local segment <close> = assert(read(place, name, new))
    assert.equal(3, segment:verify())
  end)
end)

describe("moonlatch journal compact", function()
  local place

  before_each(function()
    place = moonlatch.place()
    journals.profile(place)
    local j <close> = journals.open(place)
    for n = 1, 3 do
      for _, id in ipairs { "old", "new" } do
        j:put("intent", id .. n, "closed", { type = "client secret", app_id = "app" .. n, marker = "ml:x:" .. id .. n },
          1000 * n)
      end
    end
    j:put("intent", "open", "sent", { type = "client secret", app_id = "app1", marker = "ml:x:open" }, 1500)
    j:audit("note", {}, os.time())
    assert(j:commit())
  end)
  after_each(function() local _ <close> = place end)

  local function run(...)
    local outcome = place:run { "journal", ... }
    return outcome.status, outcome.out .. outcome.err
  end

  it("moves what is old, keeps what is open and each application's newest, and verifies all of it", function()
    local status, said = run("compact", "--before", "2020-01-01", "--yes")
    assert.equal(0, status, said)
    assert.matches("^Records 1 to 7 lie in [^\n]+/j/journal%-1%-7%-%x+%.segment now%. What is still needed of them was "
      .. "put on record again %(3 records%)%.\n", said)
    local listed = select(2, run "list")
    for name, kept in pairs { old1 = false, new1 = false, open = true, old2 = false, new2 = true, new3 = true } do
      assert.equal(kept, listed:find("ml:x:" .. name, 1, true) ~= nil, name .. "\n" .. listed)
    end
    local name = said:match("/(journal%-[^/]+%.segment)")
    assert.matches("^5 records, unbroken; the last is 12:%x+\nThe 7 before them lie in 1 segment; `moonlatch journal "
      .. "verify FILE` looks at one:\n  " .. name:gsub("%p", "%%%0") .. "\n$", select(2, run "verify"))
    local path = place.path .. "/j/" .. name
    local _, alone = run("verify", path)
    assert.matches("^7 records, unbroken; the last is 7:%x+\n$", alone)
    assert.equal(0, (run("verify", "--head", alone:match("(7:%x+)"))))
    assert.equal(1, (run("verify", "--head", "7:abcd")))
    assert.same({ 0, "Nothing is that old: the journal is as it was.\n" },
      { run("compact", "--before", "2020-01-01", "--yes") })
    assert(os.rename(path, path .. ".away"))
    status, said = run "verify"
    assert.equal(1, status)
    assert.truthy(said:find("it is not there. What it said is unknown; the journal itself is whole", 1, true), said)
  end)

  it("has its segments taken along by backups, restores and another key", function()
    assert.equal(0, (run("compact", "--before", "2020-01-01", "--yes")))
    local file = place.path .. "/kept/backup"
    assert(sys.mkdir(place.path .. "/kept"))
    local status, said = run("backup", file)
    assert.equal(0, status, said)
    assert.truthy(said:find("Its older records were copied beside it (1 segment).", 1, true), said)
    assert(sys.remove_tree(place.path .. "/j"))
    assert.equal(0, (run("restore", file, "--yes")))
    assert.equal(0, (run "verify"))
    assert(os.rename(place.path .. "/key", place.path .. "/old.key"))
    status, said = run("rekey", "--old-key", "file:" .. place.path .. "/old.key", "--yes")
    assert.equal(0, status, said)
    status, said = run "verify"
    assert.equal(0, status, said)
  end)

  it("whose change of the key was interrupted at a segment says so, and goes on", function()
    assert.equal(0, (run("compact", "--before", "2020-01-01", "--yes")))
    local name = segments(place)[1]
    local path = place.path .. "/j/" .. name
    local rekey = { "rekey", "--old-key", "file:" .. place.path .. "/old.key", "--yes" }
    local under_old_key = assert(sys.read(path, 1 << 20))
    assert(os.rename(place.path .. "/key", place.path .. "/old.key"))
    assert.equal(0, (run(table.unpack(rekey))))
    assert(sys.write(path, under_old_key, "replace"))
    local fix = "fix: Change the key of this segment, too: moonlatch"
    local function assert_told(why)
      local status, said = run "verify"
      assert.equal(1, status)
      assert.truthy(said:find(why, 1, true) and said:find(fix, 1, true), said)
      local folder = ("%s/kept-%d"):format(place.path, #why)
      assert(sys.mkdir(folder))
      status, said = run("backup", folder .. "/backup")
      assert.equal(0, status, said)
      assert.truthy(said:find("warning: the older records are not all beside the backup: ", 1, true), said)
    end
    assert_told "it was made with another one"
    journals.interrupt(place, name)
    assert_told "a change of its key was interrupted, and is neither done nor undone yet"
    assert.equal(0, (run(table.unpack(rekey))))
    local status, said = run "verify"
    assert.equal(0, status, said)
    status, said = run("backup", place.path .. "/backup")
    assert.equal(0, status, said)
    assert.is_nil(said:find("warning", 1, true))
    assert(sys.remove(path)) -- the backup's folder has it, so nothing is missing there
    status, said = run("backup", place.path .. "/another")
    assert.equal(0, status, said)
    assert.is_nil(said:find("warning", 1, true))
  end)

  it("asks for a date", function()
    for _, words in ipairs { {}, { "--before", "soon" }, { "--before", "2025-02-30" } } do
      local status, said = run("compact", "--yes", table.unpack(words))
      assert.equal(2, status)
      assert.matches("fix: Name a day: moonlatch journal compact %-%-before 2026%-01%-31 moves the records made "
        .. "before that day, in UTC%.", said)
    end
  end)
end)
