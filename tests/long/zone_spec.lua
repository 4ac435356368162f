-- Every zone of the system and eleven years, held against Python's zoneinfo.

local sys = require "host.sys"
local zones = require "zones"

local DAY, HALF_HOUR = 86400, 1800
local FIRST = sys.from_utc(2025, 1, 1, 0, 0, 0) // DAY
local DAYS = sys.from_utc(2035, 12, 31, 0, 0, 0) // DAY - FIRST

local function compare_all(questions)
  local answers = zones.ask(questions)
  for i, question in ipairs(questions) do assert.is_nil(zones.compare(question, answers[i])) end
end

describe("windows, from 2025 to 2035", function()
  if not zones.is_possible() then return pending("needs python3 with zoneinfo") end
  local names = zones.names()

  it("open and close when Python says, each night and in every zone", function()
    local questions = {}
    for i, name in ipairs(names) do
      questions[i] = { zone = name, first = FIRST, days = DAYS, from = 5 * HALF_HOUR, length = 2 * HALF_HOUR }
    end
    assert.is_true(#questions > 300)
    compare_all(questions)
  end)

  it("do so at each half hour of the days around every change of a clock", function()
    local asked, questions, changes = {}, {}, 0
    for i, name in ipairs(names) do asked[i] = { zone = name, first = FIRST, days = DAYS } end
    for i, line in ipairs(zones.ask(asked)) do
      for day in line:gmatch("%d+") do
        changes = changes + 1
        for half_hour = 0, 47 do
          questions[#questions + 1] = {
            zone = names[i], first = math.tointeger(day) - 2, days = 6, from = half_hour * HALF_HOUR,
            length = half_hour % 3 == 0 and 45 * HALF_HOUR or HALF_HOUR,
          }
        end
      end
    end
    assert.is_true(changes > 1000)
    compare_all(questions)
  end)
end)
