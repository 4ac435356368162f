local await = require "await"
local child = require "child"
local journals = require "journals"
local process = require "host.process"

describe("two processes", function()
  it("make one journal together", function()
    local place <close> = journals.folder()
    local writers = {}
    for i = 1, 3 do
      writers[i] = child.start(place, journals.OPEN .. [[
        for n = 1, 50 do
          if n % 5 == 0 then -- opening and closing are the crowded moments
            j:close()
            j = assert(journal.open(arguments[1], key, "login.microsoftonline.com/contoso.onmicrosoft.com"))
          end
          j:put("work", arguments[2] .. "-" .. n, "done", { n = n }, n)
          local ok, why = j:commit()
          if not ok then term.write("out", why .. "\n") return 8 end
        end
        return 0]], place.path .. "/j", tostring(i))
    end
    for _, writer in ipairs(writers) do
      assert.equal(0, writer:wait(60), writer:line(0))
      writer:close()
    end
    local j <close> = journals.open(place)
    assert.equal(150, #j:list("work"))
    assert.equal(150, j:verify())
  end)

  it("wait for each other only so long, and the one that waited in vain goes on", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local holder <close> = child.start(place, journals.OPEN .. [[
      j:put("work", "theirs", "done", {}, 1)
      term.write("out", "held\n")
      term.read_line("")
      assert(j:commit())
      return 0]], place.path .. "/j")
    assert.equal("held", holder:line(10))
    assert.has_error(function() j:put("work", "ours", "done", {}, 1) end,
      ("the journal cannot be written: another moonlatch has been writing to '%s/j' for more than 5 seconds. "
        .. "Wait for it, or stop it"):format(place.path))
    holder:kill("TERM")
    assert.is_truthy(holder:wait(10))
    j:put("work", "ours", "done", {}, 1)
    assert.is_true(j:commit())
    assert.equal(1, j:verify())
  end)
end)

describe("a crash", function()
  it("in the middle of a transaction leaves what was committed", function()
    local place <close> = journals.folder()
    local victim <close> = child.start(place, journals.OPEN .. [[
      local value = secret.from("a value in force")
      j:put("intent", "one", "sent", {}, 1)
      j:seal("one", value)
      assert(j:commit())
      j:put("intent", "one", "closed", {}, 2)
      j:put("intent", "two", "intent", {}, 2)
      j:forget("one")
      term.write("out", "open\n")
      term.read_line("")
      return 0]], place.path .. "/j")
    assert.equal("open", victim:line(10))
    victim:kill("KILL")
    assert.equal(128 + 9, victim:wait(10))
    local j <close> = journals.open(place)
    assert.equal("sent", j:get("intent", "one").state)
    assert.is_nil(j:get("intent", "two"))
    local value <close> = assert(j:unseal("one"))
    assert.equal(16, #value)
    assert.equal(2, j:verify())
  end)

  it("at any moment loses nothing that was acknowledged", function()
    local place <close> = journals.folder()
    local acknowledged, round = 0, 0
    repeat
      round = round + 1
      local victim <close> = child.start(place, journals.OPEN .. [[
        for n = tonumber(arguments[2]) + 1, 1000000 do
          j:put("work", tostring(n), "done", { text = ("x"):rep(200) }, n)
          assert(j:commit())
          term.write("out", n .. "\n")
        end]], place.path .. "/j", tostring(acknowledged))
      for _ = 1, 10 * round do acknowledged = assert(tonumber(victim:line(await.PATIENCE))) end
      victim:kill("KILL")
      assert.equal(128 + 9, victim:wait(10))
      for line in function() return victim:line(1) end do acknowledged = tonumber(line) end
      local j <close> = journals.open(place)
      local count = #j:list("work")
      assert.is_true(count == acknowledged or count == acknowledged + 1,
        count .. " kept, " .. acknowledged .. " acknowledged")
      assert.equal(count, j:verify())
      acknowledged = count
    until round == 8
  end)
end)

describe("a commit", function()
  it("is on the disk before anything is done about it", function()
    local place <close> = journals.folder()
    local trace = place.path .. "/trace"
    if not os.execute(("strace -o '%s' true 2>/dev/null"):format(trace)) then return pending("needs strace") end
    local words = child.arguments(place, journals.OPEN .. [[
      for n = 1, 20 do
        j:put("work", tostring(n), "sent", {}, n)
        assert(j:commit())
        term.write("out", "sent\n")
      end
      return 0]], place.path .. "/j")
    local traced <close> = assert(process.start(child.traced({ "-o", trace, "-e",
      "trace=pwrite64,fdatasync,fsync,write" }, words)))
    assert.is_truthy(traced:wait(30))
    local sent, unsynced = 0, 0
    for line in io.lines(trace) do
      if line:find("pwrite64(", 1, true) then unsynced = unsynced + 1 end
      if line:find("sync(", 1, true) then unsynced = 0 end
      if line:find("write(1, ", 1, true) then -- strace may not read what is written
        sent = sent + 1
        assert.equal(0, unsynced)
      end
    end
    assert.equal(20, sent)
  end)
end)

describe("a full disk", function()
  -- Put until it fails, then see that nothing goes any more; prints what was acknowledged and the reason.
  local FILL = journals.OPEN .. [[
    local committed, ok, why = 0
    for n = 1, 2000 do
      ok, why = pcall(j.put, j, "work", tostring(n), "done", { text = ("x"):rep(2000) }, n)
      if ok then ok, why = j:commit() end
      if not ok then break end
      committed = n
    end
    term.write("out", committed .. "\n" .. tostring(why) .. "\n")
    local commit, message = j:commit()
    assert(commit == nil and message == why)
    for _, call in ipairs { "put", "audit", "get", "list", "seal", "unseal", "forget" } do
      local done, reason = pcall(j[call], j, "a", "b", "c", {}, 0)
      assert(not done and reason == why, call .. ": " .. tostring(reason))
    end
    return 0]]

  local function check(place, runner, reason)
    local words = child.arguments(place, FILL, place.path .. "/j")
    local all = table.move(words, 1, #words, #runner + 1, table.move(runner, 1, #runner, 1, {}))
    local filler <close> = assert(process.start(all))
    local committed, why = tonumber(filler:line(60)), filler:line(10)
    assert.equal(0, filler:wait(10))
    assert.is_true(committed > 0 and committed < 2000)
    -- A later SQLite adds the system's words: "disk I/O error (File too large)".
    local told = why:gsub("^(the journal cannot be written: [^,(]+) %([^)]*%),", "%1,")
    assert.equal(("the journal cannot be written: %s, in '%s/j'. What was not yet committed is not kept and nothing "
      .. "more is sent. %s, then run the same command again: it goes on from the last commit"):format(reason[1],
      place.path, reason[2]), told)
    return committed
  end

  it("is said at the limit of a file's size, and nothing is half done", function()
    local place <close> = journals.folder()
    local runner = { "/usr/bin/prlimit", "--fsize=300000" }
    local committed = check(place, runner, { "disk I/O error", "Check that disk" })
    local j <close> = journals.open(place)
    assert.equal(committed, #j:list("work"))
    assert.equal(committed, j:verify())
    j:put("work", "more", "done", {}, 0)
    assert.is_true(j:commit())
  end)

  local function can_mount(place)
    return os.execute(("unshare -m mount -t tmpfs tmpfs '%s' 2>/dev/null"):format(place.path))
  end

  it("is said when the disk is full", function()
    local place <close> = journals.folder()
    if not can_mount(place) then return pending("needs the right to mount a small disk") end
    local script = ([[mkdir -m 700 "$0" && mount -t tmpfs -o size=400k,mode=700 tmpfs "$0" && shift 0 && exec "$@"]])
    check(place, { "/usr/bin/unshare", "-m", "/bin/sh", "-c", script, place.path .. "/j" },
      { "database or disk is full", "Make room on that disk" })
  end)

  it("is said when the disk cannot be written", function()
    local place <close> = journals.folder()
    if not can_mount(place) then return pending("needs the right to mount a small disk") end
    journals.fill(place)
    local words = child.arguments(place, journals.OPEN .. [[
      local ok, why = pcall(j.put, j, "k", "i", "s", {}, 0)
      term.write("out", tostring(ok) .. ": " .. tostring(why) .. "\n")
      return 0]], place.path .. "/j")
    local script = [[mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"]]
    local reader <close> = assert(process.start { "/usr/bin/unshare", "-m", "/bin/sh", "-c", script, place.path .. "/j",
      table.unpack(words) })
    local line = reader:line(10)
    assert.truthy(line:find("readonly database", 1, true) or line:find("unable to open database file", 1, true), line)
    local j <close> = journals.open(place)
    assert.equal(8, j:verify())
  end)
end)
