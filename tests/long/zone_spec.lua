-- Every zone of the system and eleven years, and three that no table holds, against Python's zoneinfo.

local sys = require "host.sys"
local zones = require "zones"

local DAY, HALF_HOUR = 86400, 1800
local function day(year) return sys.from_utc(year, 1, 1, 0, 0, 0) // DAY end

local FIRST = day(2025)
local DAYS = day(2036) - FIRST

local function compare_all(questions)
  local answers = zones.ask(questions)
  for i, question in ipairs(questions) do assert.is_nil(zones.compare(question, answers[i])) end
end

describe("windows", function()
  if not zones.is_possible() then return pending("needs python3 with zoneinfo") end
  local names = zones.names()

  local function each_night(first, days)
    local questions = {}
    for i, name in ipairs(names) do
      questions[i] = { zone = name, first = first, days = days, from = 5 * HALF_HOUR, length = 2 * HALF_HOUR }
    end
    assert.is_true(#questions > 300)
    compare_all(questions)
  end

  it("open and close when Python says, from 2025 to 2035, each night and in every zone", function()
    each_night(FIRST, DAYS)
  end)

  it("do so from 2090 to 2092, by the rule at the end of each file", function()
    each_night(day(2090), day(2093) - day(2090))
  end)

  it("do so at each half hour of the days around every change of a clock", function()
    local asked, questions, changes = {}, {}, 0
    for i, name in ipairs(names) do asked[i] = { zone = name, first = FIRST, days = DAYS } end
    for i, line in ipairs(zones.ask(asked)) do
      for number in line:gmatch("%d+") do
        changes = changes + 1
        for half_hour = 0, 47 do
          questions[#questions + 1] = {
            zone = names[i], first = math.tointeger(number) - 2, days = 6, from = half_hour * HALF_HOUR,
            length = half_hour % 3 == 0 and 45 * HALF_HOUR or HALF_HOUR,
          }
        end
      end
    end
    assert.is_true(changes > 1000)
    compare_all(questions)
  end)
end)
