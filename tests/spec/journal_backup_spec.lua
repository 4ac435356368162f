--- A journal's backups: made while others work, verified, and put back in its place.

local child = require "child"
local journal = require "host.journal"
local journals = require "journals"
local secret = require "host.secret"
local sys = require "host.sys"

local function restore(place, options)
  options = options or {}
  local done, message, kind = journal.restore(place.path .. "/" .. (options.to or "j"), place.path .. "/backup",
    options.key or journals.KEY, options.binding or journals.BINDING, 5000, options.replaces, options.set_aside)
  return done, message and message:gsub(place.path:gsub("%p", "%%%0"), "/P"), kind
end

local function filled()
  local place = journals.folder()
  journals.fill(place)
  return place
end

local function with_backup()
  local place = filled()
  local j <close> = journals.open(place)
  assert(j:backup(place.path .. "/backup"))
  return place
end

describe("a backup of a journal", function()
  it("is a private file of its own that opens, verifies and ends as was said", function()
    local place <close> = filled()
    local j <close> = journals.open(place)
    local seq, hash = j:backup(place.path .. "/backup")
    assert.same({ j:head() }, { seq, hash })
    assert.equal(8, seq)
    assert.equal(tonumber("600", 8), sys.stat(place.path .. "/backup").mode)
    local copy <close> = assert(journal.read(place.path .. "/backup", journals.KEY, journals.BINDING))
    assert.equal(8, copy:verify())
    assert.same(j:installations(), copy:installations())
    local value <close> = assert(copy:unseal("b"))
    assert.equal(15, #value)
    assert.error_matches(function() copy:put("k", "i", "s", {}, 0) end, "^the journal cannot be written: ")
    assert.same({ "backup", "j" }, sys.list(place.path))
  end)

  it("is made while others write, of one moment", function()
    local place <close> = filled()
    local writer <close> = child.start(place, journals.OPEN .. [[
      for n = 1, 100000 do
        j:put("work", tostring(n % 7), "done", { n = n }, n)
        assert(j:commit())
        if n == 20 then term.write("out", "going\n") end
      end]], place.path .. "/j")
    assert.equal("going", writer:line(20))
    local j <close> = journals.open(place)
    for i = 1, 5 do
      local path = ("%s/backup-%d"):format(place.path, i)
      local seq = assert(j:backup(path))
      local copy <close> = assert(journal.read(path, journals.KEY, journals.BINDING))
      assert.equal(seq, copy:verify())
    end
    writer:kill("KILL")
    writer:wait(10)
  end)

  it("is never put over a file that is there, and replaces what a stopped one left", function()
    local place <close> = filled()
    local j <close> = journals.open(place)
    assert(sys.write(place.path .. "/backup", "mine", "new"))
    local none, message, kind = j:backup(place.path .. "/backup")
    assert.same({ nil, ("cannot make '%s/backup': it exists already and is not replaced"):format(place.path),
      "exists" }, { none, message, kind })
    assert.equal("mine", sys.read(place.path .. "/backup", 100))
    assert(sys.write(place.path .. "/other.part", "left", "new"))
    assert.equal(8, (j:backup(place.path .. "/other")))
    assert.is_nil(sys.stat(place.path .. "/other.part"))
    assert.truthy(select(2, j:backup(place.path .. "/no/such")):find("cannot make '.*/no/such.part': No such file"))
    j:audit("note", {}, 1)
    assert.error_matches(function() j:backup(place.path .. "/more") end, "a record is not committed yet")
  end)

  it("is written and read through a link to a folder, as everything else", function()
    local place <close> = filled()
    assert(os.execute(("mkdir '%s/real' && ln -s real '%s/way'"):format(place.path, place.path)))
    local j <close> = journals.open(place)
    assert.equal(8, (j:backup(place.path .. "/way/backup")))
    local copy <close> = assert(journal.read(place.path .. "/way/backup", journals.KEY, journals.BINDING))
    assert.equal(8, copy:verify())
    assert(journal.restore(place.path .. "/new", place.path .. "/way/backup", journals.KEY, journals.BINDING, 5000))
  end)

  it("is refused of a journal that is not sound", function()
    local place <close> = filled()
    journals.tamper(place, "UPDATE audit SET time = time + 1 WHERE seq = 2")
    local j <close> = journals.open(place)
    local none, message, kind = j:backup(place.path .. "/backup")
    assert.is_nil(none)
    assert.equal("damaged", kind)
    assert.truthy(message:find("is damaged: audit record 2 or a record before it was altered", 1, true), message)
    assert.same({ "j" }, sys.list(place.path))
  end)
end)

describe("a journal that is restored", function()
  it("gets an id of its own, keeps the former one, and knows when", function()
    local place <close> = with_backup()
    local own
    do
      local j <close> = journals.open(place)
      own = j:installation()
    end
    assert(sys.remove_tree(place.path .. "/j"))
    local done = assert(restore(place))
    assert.is_nil(done.aside)
    local j <close> = journals.open(place)
    assert.same({ done.installation, own }, j:installations())
    assert.is_true(done.installation ~= own)
    assert.same({ done.head, done.hash }, { j:head() })
    assert.equal(5000.0, j:restored_at())
    assert.equal(9, j:verify())
    local value <close> = assert(j:unseal("b"))
    assert.equal(15, #value)
    assert.equal("sent", j:get("intent", "a").state)
  end)

  it("keeps its id where it replaces the one it was made of", function()
    local place <close> = with_backup()
    local own
    do
      local j <close> = journals.open(place)
      own = j:installations()
    end
    assert(restore(place, { replaces = true, set_aside = true }))
    local j <close> = journals.open(place)
    assert.same(own, j:installations())
    assert.equal(5000.0, j:restored_at())
  end)

  it("is not put over a living one unless told so, and then that one lies aside, whole", function()
    local place <close> = with_backup()
    local later
    do
      local j <close> = journals.open(place)
      j:mark_restored(4000)
      j:audit("note", { text = "only here" }, 4001)
      assert(j:commit())
      later = j:installations()
    end
    local none, message, kind = restore(place)
    assert.same({ nil, "there is already a journal in '/P/j': one that ends with record 10", "living" },
      { none, message, kind })
    local done = assert(restore(place, { set_aside = true }))
    assert.equal(place.path .. "/j/journal.db.before-1", done.aside)
    local j <close> = journals.open(place)
    assert.same({ done.installation, later[1], later[2] }, j:installations())
    assert.equal(9, j:verify())
    j:close()
    assert.equal(place.path .. "/j/journal.db.before-2", assert(restore(place, { set_aside = true })).aside)
    local old <close> = assert(journal.read(done.aside, journals.KEY, journals.BINDING))
    assert.equal(10, old:verify())
  end)

  it("is put over one that does not open, and over an emptied one without a word", function()
    for _, damage in ipairs { "echo nonsense >'%s/j/journal.db'", ": >'%s/j/journal.db'" } do
      local place <close> = with_backup()
      assert(os.execute(damage:format(place.path)))
      local _, message, kind = restore(place)
      if damage:find("nonsense") then
        assert.equal("living", kind)
        assert.truthy(message:find("one that does not open (cannot open the journal in", 1, true), message)
        assert(restore(place, { set_aside = true }))
      end
      local j <close> = journals.open(place)
      assert.equal(9, j:verify())
    end
  end)

  it("is refused while another process has the journal open", function()
    local place <close> = with_backup()
    do
      local j <close> = journals.open(place)
      local lease <close> = assert(j:lease("user anna"))
      assert.is_truthy(lease)
      local none, message, kind = restore(place, { set_aside = true })
      assert.same({ nil, "cannot open the journal in '/P/j': another moonlatch uses the journal",
        "busy" }, { none, message, kind })
      assert.equal(8, j:verify())
    end
    assert(restore(place, { set_aside = true }))
  end)

  it("is refused from what is no backup of this journal, and nothing is changed", function()
    local place <close> = with_backup()
    local function check(options, expected, text)
      options.to = "new"
      local none, message, kind = restore(place, options)
      assert.is_nil(none)
      assert.equal(expected, kind, message)
      assert.truthy(message:find(text, 1, true), message)
      assert.same({}, sys.list(place.path .. "/new"))
    end
    check({ key = secret.from(("k"):rep(32)) }, "key", "the key does not open the journal in '/P/backup'")
    check({ binding = "login.example/other" }, "binding", "belongs to " .. journals.BINDING)
    local bytes = assert(sys.read(place.path .. "/backup", 1 << 20))
    assert(sys.write(place.path .. "/backup", (bytes:gsub('"step":2', '"step":3')), "replace"))
    check({}, "damaged", "cannot restore '/P/backup': audit record 3 or a record before it was altered")
    assert(sys.write(place.path .. "/backup", bytes:sub(1, 3 * 4096), "replace"))
    check({}, "damaged", "'/P/backup'")
    assert(sys.write(place.path .. "/backup", "no journal", "replace"))
    check({}, "damaged", "'/P/backup'")
    assert(sys.remove(place.path .. "/backup"))
    check({}, "io", "cannot open the journal in '/P/backup'")
  end)

  it("is not opened between the steps, and the same restore goes on", function()
    local place <close> = with_backup()
    assert(sys.write(place.path .. "/j/journal.db.restored", "half", "new"))
    local none, message, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
    assert.is_nil(none)
    assert.equal("restoring", kind)
    assert.truthy(message:find("`moonlatch journal restore` was stopped before it was done, and nothing is lost"))
    assert(restore(place, { set_aside = true }))
    local j <close> = journals.open(place)
    assert.equal(9, j:verify())
  end)
end)
