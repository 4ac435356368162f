-- patches COUNT: change as many users, 100 at a time. Prints the seconds it took.

local graph = require "graph"
local task = require "task"
local time = require "time"

local places = {}
for i = 1, math.tointeger(...) do places[i] = i end
graph.get("/users/x") -- signs in and connects
local start = time.monotonic()
local _, failures = task.each(places, 100, function(n)
  graph.patch(graph.path("/users/{id}", ("user%d"):format(n)), { department = "x" })
end)
print(("%.3f"):format(time.monotonic() - start))
return failures
