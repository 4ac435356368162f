-- Read all users. Prints how many there were.

local graph = require "graph"

local count, enabled = 0, 0
for user in graph.list("/users", { select = { "id", "displayName", "accountEnabled" }, top = 999 }) do
  count = count + 1
  if user.accountEnabled then enabled = enabled + 1 end
end
print(count)
