--- Fill a journal with a history: FOLDER KEY BINDING RECORDS. Two thousand accounts, each rotated
--- again and again, with six rows and eleven other records a rotation.

local journal = require "host.journal"
local sys = require "host.sys"
local term = require "host.term"

local ACCOUNTS, ROWS, OTHERS = 2000, 6, 11
local STATES = { "intent", "pending", "sent", "changed", "current", "closed" }
local BEGAN, APART = 1.5e9, 60 -- seconds since 1970, and between rotations

local function rotate(j, number)
  local id = ("%08x-0000-4000-8000-000000000000"):format(number % ACCOUNTS)
  local at = BEGAN + number * APART
  local body = {
    type = "user password", user = id, name = ("history-%d@contoso.onmicrosoft.com"):format(number % ACCOUNTS),
    policy = "history", rotation = ("%016x"):format(number), marker = ("ml:00000000:%016x"):format(number),
    candidates = { { state = "accepted", sent = at, last = at } }, changed_at = at, closed_at = at,
  }
  for i = 1, ROWS do j:put("password", id, STATES[i], body, at) end
  for i = 1, OTHERS do
    local body_of = { method = "PATCH", path = "/users/" .. id, status = 204, id = i }
    j:audit(i % 2 == 0 and "answer" or "request", body_of, at)
  end
end

return {
  main = function(words)
    local key <close> = assert(sys.read_secret(words[2], "person", "bytes"))
    local j <close> = assert(journal.open(words[1], key, words[3]))
    local rotations = tonumber(words[4]) // (ROWS + OTHERS)
    for number = 1, rotations do
      rotate(j, number)
      if number % ACCOUNTS == 0 then assert(j:commit()) end
    end
    assert(j:commit())
    term.write("out", ("%d records\n"):format((j:head())))
    return 0
  end,
}
