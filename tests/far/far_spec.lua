-- takes 20 s: 48 cases, each with a far side of its own and several runs of the program
--- The built program before a far side that shares nothing with the emulator: what
--- can happen to one account, each case alone. The cases are in tests/far/single.py,
--- tests/far/pairs.py and tests/far/keys.py; here is each second, tests/long/far_cases_spec.lua has them all.

local json = require "host.json"

local EACH = ...
EACH = math.type(EACH) == "integer" and EACH or 2

local CASES = ("python3 -B '%s/tests/far/cases.py' "):format(SOURCE)

local function lines_of(words)
  local results = {}
  local pipe <close> = assert(io.popen(CASES .. words))
  for line in pipe:lines() do results[#results + 1] = assert(json.decode(line)) end
  return results
end

local results

-- All are played side by side when the first is asked for.
local function result_of(name)
  if not results then
    results = {}
    for _, result in ipairs(lines_of("all 4 " .. EACH)) do results[result.case] = result end
  end
  return assert(results[name], name)
end

describe("before a far side of another make", function()
  local names = lines_of "names"[1]
  for i = 1, #names, EACH do
    local name = names[i]
    it("stands: " .. name, function()
      local result = result_of(name)
      if not result.u9 then assert.same({}, result.problems) end
    end)
  end
end)
