-- takes 60 s: the emulator computes 45,000 objects several times over
--- Twenty thousand applications: within the service's limits, in little memory, and the same rows whatever is left out.

local json = require "host.json"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local TIME = "/usr/bin/time"

-- Each row is a line of the document, which is too long to be decoded at once.
local function rows_of(text)
  local rows = {}
  for line in text:gmatch "[^\n]+" do
    local object = line:match "^%s*({.*}),?$"
    if object then rows[#rows + 1] = assert(json.decode(object)) end
  end
  return rows
end

-- Rows, requests, and the most memory used, in KiB.
local function measure(emu, ...)
  local peak = emu.place.path .. "/peak"
  local before = #emu:control("GET", "/requests").requests
  local outcome = emu:run({ "applications", "--json", ... }, { before = { TIME, "-f", "%M", "-o", peak } })
  assert.equal(0, outcome.status, outcome.err)
  local file <close> = assert(io.open(peak))
  local after = #emu:control("GET", "/requests").requests
  return rows_of(outcome.out), after - before, tonumber(file:read "l")
end

describe("moonlatch applications", function()
  if not sys.stat(TIME) then return pending("needs " .. TIME) end

  it("lists 20,000 applications in 350 requests and some megabytes more than 1,000", function()
    local few <close> = rehearsal.new("--lag", "0", "--users", "0", "--applications", "1000")
    local _, _, small = measure(few, "--no-evidence")
    local emu <close> = rehearsal.new("--lag", "0", "--users", "0", "--applications", "20000")
    local rows, requests, large = measure(emu, "--no-evidence")
    assert.is_true(#rows > 23000, #rows)
    assert.is_true(requests <= 350, requests)
    assert.is_true(large - small < 32 * 1024, ("%d KiB, then %d KiB"):format(small, large))
    local seen = {}
    for _, row in ipairs(rows) do
      local name = row.object_id .. row.key_id .. row.name
      assert.is_nil(seen[name], name)
      seen[name] = row
    end
    local soon, fewer, less = measure(emu, "--no-evidence", "--expiring", "30d")
    assert.is_true(#soon > 500 and #soon < 2000, #soon)
    assert.is_true(fewer <= 150, fewer)
    assert.is_true(less < large)
    for _, row in ipairs(soon) do -- their owners came in batches, and before with the list
      assert.same(seen[row.object_id .. row.key_id .. row.name], row)
    end
  end)
end)
