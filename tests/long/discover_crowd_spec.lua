--- A hundred times the people take no more memory.

local rehearsal = require "rehearsal"
local sys = require "host.sys"

local TIME = "/usr/bin/time"

-- Rows written, and the most memory used, in KiB.
local function measure(users)
  local emu <close> = rehearsal.new("--lag", "0", "--users", tostring(users))
  local peak = emu.place.path .. "/peak"
  local outcome = emu:run({ "discover", "--all", "--format", "csv" }, { before = { TIME, "-f", "%M", "-o", peak } })
  assert.equal(0, outcome.status, outcome.err)
  local _, lines = outcome.out:gsub("\r\n", "")
  local file <close> = assert(io.open(peak))
  return lines - 1, assert(tonumber(file:read "l"))
end

describe("moonlatch discover", function()
  it("takes as much memory for 100,000 accounts as for 3,000", function()
    if not sys.stat(TIME) then return pending("needs " .. TIME) end
    local few, small = measure(3000)
    local many, large = measure(100000)
    assert.equal(3016, few)
    assert.equal(100016, many)
    assert(large < small * 1.3, ("%d KiB, then %d KiB"):format(small, large))
  end)
end)
