-- takes 6 s: a provider on the emulator
--- moonlatch metrics and moonlatch journal export: what machines read.

local job = require "setup_job"
local json = require "host.json"
local lfs = require "lfs"
local process = require "host.process"
local prometheus = require "report.prometheus"
local sys = require "host.sys"

local must = job.must
local PROMTOOL, EXPORTER = "promtool", "prometheus-node-exporter"
local emu, secret, hint

local function export(...)
  local outcome = must(emu:run { "journal", "export", ... }, 0)
  local records = {}
  for line in outcome.out:gmatch "[^\n]+" do records[#records + 1] = assert(json.decode(line)) end
  return records, outcome.out
end

local function sample(text, name) return text:match("\n" .. name .. "(%b{} %S+)\n") end

describe("what machines read", function()
  setup(function()
    emu = job.emulator("cloud")
    must(job.apply(emu), 1)
    local path = emu.place.path .. "/given"
    must(emu:run { "handover", "--secret-file", path }, 0)
    secret = assert(sys.read(path, 4096)):gsub("%s+$", "")
    local _, document = emu:json { "journal", "show", emu:run({ "journal", "list" }).out:match "(ml:%S+)" }
    hint = document.body.hint
    emu:run { "rotate", "policies/app-client-secrets", "--yes" }
  end)
  teardown(function() local _ <close> = emu end)

  it("is in the metrics, in Prometheus's format", function()
    local text = must(emu:run { "metrics" }, 0).out
    assert.truthy(sample(text, "moonlatch_credential_end_timestamp_seconds"):find('use="pending"', 1, true))
    assert.truthy(sample(text, "moonlatch_handover_pending_since_timestamp_seconds"))
    assert.truthy(sample(text, "moonlatch_run_last_result"):find 'policy="policies/app%-client%-secrets"')
    assert.truthy(text:find("# TYPE moonlatch_findings gauge\nmoonlatch_findings{severity=\"critical\"} ", 1, true))
    assert.equal("\n", text:sub(-1))
    local helps = {}
    for line in text:gmatch "[^\n]+" do
      local name = line:match "^# HELP (%S+) "
      assert(not helps[name or 0], line)
      helps[name or 1] = name ~= nil
      local measured = line:match "^([%l_]+)[{ ]"
      assert(line:find "^#" or helps[measured], line)
    end
  end)

  local function is_there(program) return os.execute(("command -v %s >/dev/null"):format(program)) end

  it("is accepted by promtool", function()
    if not is_there(PROMTOOL) then return pending(PROMTOOL .. " is not there: install the package prometheus") end
    local path = emu.place:write("metrics.prom", must(emu:run { "metrics" }, 0).out)
    local pipe <close> = assert(io.popen(("%s check metrics <%s 2>&1; echo $?"):format(PROMTOOL, path)))
    assert.equal("0\n", pipe:read "a")
  end)

  -- What node_exporter serves of the text files in a folder.
  local function served_metrics(folder)
    local words = ("PATH='%s' exec %s --collector.disable-defaults --web.disable-exporter-metrics --collector.textfile "
      .. "--collector.textfile.directory='%s' --web.listen-address=127.0.0.1:0 2>&1")
      :format(os.getenv "PATH", EXPORTER, folder)
    local child <close> = assert(process.start({ "/bin/sh", "-c", words }, nil, nil, "kept"))
    local address
    while not address do
      address = assert(child:line(20), "it did not start"):match 'msg="Listening on" address=(%S+)'
    end
    local pipe <close> = assert(io.popen(("curl -s --max-time 20 http://%s/metrics"):format(address)))
    return pipe:read "a"
  end

  it("is served by node_exporter, from a file", function()
    if not is_there(EXPORTER) then
      return pending(EXPORTER .. " is not there: install the package of that name")
    end
    local folder = emu.place.path .. "/collected"
    assert(sys.mkdir(folder))
    must(emu:run { "metrics", "--file", folder .. "/moonlatch.prom" }, 0)
    local served = served_metrics(folder)
    assert.truthy(served:find("\nnode_textfile_scrape_error 0\n", 1, true), served)
    local count = 0
    for name in assert(sys.read(folder .. "/moonlatch.prom", 1 << 20)):gmatch "\n(moonlatch_[%l_]+)%b{}" do
      assert.truthy(served:find("\n" .. name .. "{", 1, true), name)
      count = count + 1
    end
    assert.is_true(count >= 6, count)
    assert(sys.write(folder .. "/wrong.prom", "m_x 1 1796000000000\n", "new")) -- a sample with a time of its own
    assert.truthy(served_metrics(folder):find("\nnode_textfile_scrape_error 1\n", 1, true))
  end)

  it("is written to a file that others may read, in one piece", function()
    local path = emu.place.path .. "/moonlatch.prom"
    must(emu:run { "metrics", "--file", path }, 0)
    assert.equal("rw-r--r--", lfs.attributes(path, "permissions"))
    assert(os.execute(("chmod 600 '%s'"):format(path)))
    must(emu:run { "metrics", "--file", path }, 0)
    assert.equal("rw-r--r--", lfs.attributes(path, "permissions"))
    local other = emu.place:write("notes.txt", "not ours\n")
    local refused = must(emu:run { "metrics", "--file", other }, 2)
    assert.truthy(refused.err:find("why: there is a file that Moonlatch did not write\n  fix: Name a new file: "
      .. "moonlatch", 1, true), refused.err)
    local outcome = must(emu:run { "metrics", "--file", emu.place.path .. "/none/moonlatch.prom" }, 1)
    assert.truthy(outcome.err:find("error: write the metrics " .. emu.place.path .. "/none/moonlatch.prom\n  why: ", 1,
      true), outcome.err)
  end)

  it("escapes what a label may hold", function()
    assert.equal('# HELP m_x a\\nb\n# TYPE m_x gauge\nm_x{a="\\\\\\"\\n}",b="ä"} 1\nm_x 1.500\n', prometheus.text {
      { name = "m_x", help = "a\nb", samples = { { labels = { a = "\\\"\n}", b = "ä" }, value = 1 },
        { labels = {}, value = 1.5 } } }, { name = "m_y", help = "none", samples = {} },
    })
  end)

  it("is in the export: each record once, in order, with its place in the chain", function()
    local records = export()
    for i, record in ipairs(records) do
      assert.same({ i, ("%d:%s"):format(i, record.hash) }, { record.seq, record.cursor })
      assert(record.kind and record.body and record.time and record.journal, i)
    end
    assert.is_true(#records > 20, #records)
    must(emu:run { "journal", "verify", "--head", records[10].cursor }, 0)
    local later = export("--since", records[#records - 3].cursor)
    assert.same({ 3, #records - 2 }, { #later, later[1].seq })
    assert.same({}, (export("--since", records[#records].cursor)))
  end)

  it("goes on across the segments of a compacted journal, with no gap", function()
    local before = export()
    emu:later "100d"
    must(emu:run { "handover", "--done", "licence" }, 0)
    local records = export()
    must(emu:run { "journal", "compact", "--before", records[#records].time:sub(1, 10), "--yes" }, 0)
    local _, verified = emu:json { "journal", "verify" }
    assert.equal(1, #verified.segments)
    local after = export()
    assert.is_true(#after > #before)
    for i, record in ipairs(after) do assert.equal(i, record.seq) end
    for i, record in ipairs(before) do assert.equal(record.cursor, after[i].cursor) end
    assert.equal(#after - 5, #export("--since", before[5].cursor))
  end)

  it("refuses a cursor of another journal, and one that is none", function()
    local outcome = must(emu:run { "journal", "export", "--since", "5:abcd" }, 1)
    assert.truthy(outcome.err:find("why: record 5 is not the one it was", 1, true), outcome.err)
    outcome = must(emu:run { "journal", "export", "--since", "99999:abcd" }, 1)
    assert.truthy(outcome.err:find("why: it ends before record 99999", 1, true), outcome.err)
    outcome = must(emu:run { "journal", "export", "--since", "yesterday" }, 2)
    assert.truthy(outcome.err:find("Copy the member `cursor` of the last line that was stored.", 1, true), outcome.err)
  end)

  it("holds no secret and no hint", function()
    local _, text = export()
    text = text .. must(emu:run { "metrics" }, 0).out
    assert.equal(3, #hint)
    assert.equal(hint, secret:sub(1, 3))
    assert.is_nil(text:find(secret, 1, true))
    assert.is_nil(text:find('"hint"', 1, true))
    assert.is_nil(text:find('"' .. hint, 1, true))
  end)
end)
