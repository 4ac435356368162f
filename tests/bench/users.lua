-- Read all users. Prints how many there were, and the requests that took beside the sign-in.

local graph = require "graph"
local http = require "http.client"

require("oauth.sign_in").credential() -- signs in
local before = http.request_count()
local count, enabled = 0, 0
for user in graph.list("/users", { select = { "id", "displayName", "accountEnabled" }, top = 999 }) do
  count = count + 1
  if user.accountEnabled then enabled = enabled + 1 end
end
print(("%d %d"):format(count, http.request_count() - before))
