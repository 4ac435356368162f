-- switches TASKS ROUNDS: as many tasks sleep for a moment and wake, so often.
-- Prints microseconds a sleep.

local task = require "task"
local time = require "time"

local count, rounds = math.tointeger((...)), math.tointeger((select(2, ...)))

local function nap()
  for _ = 1, rounds do task.sleep(0.001) end
end

local places = {}
for i = 1, count do places[i] = i end
local start = time.monotonic()
task.map(places, count, nap)
print(("%.3f"):format((time.monotonic() - start) * 1e6 / count / rounds))
