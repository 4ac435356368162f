-- small_gets COUNT: read the same user so often, 100 requests in flight. Prints
-- requests a second.

local graph = require "graph"
local task = require "task"
local time = require "time"

local places = {}
for i = 1, math.tointeger(...) do places[i] = i end
graph.get("/users/x") -- signs in and connects
local start = time.monotonic()
task.map(places, 100, function() return graph.get("/users/x").id end)
print(("%.1f"):format(#places / (time.monotonic() - start)))
