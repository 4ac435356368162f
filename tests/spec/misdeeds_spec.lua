-- takes 12 s: runs the program once for each misdeed of a server
-- The built program against a far side that misbehaves: no crash, no hang,
-- bounded memory, and a failure with a cause and a fix for each. All misdeeds
-- are played for Graph; what lies below what is said is the same for the other
-- calls, which get one of each kind here, and all in tests/long.

local canary = require "canary"
local misdeeds = require "misdeeds"
local tap = require "tap"

-- The most memory, in KiB; and where the text is all that is allowed (8 MiB and
-- 400,000 values of Graph, 4 MiB of the others) and Lua makes tables of it, beside the list of spots to correct.
local MOST, MOST_OF_MUCH = 64 << 10, 112 << 10

local SOME = { "bomb", "cut", "endless_headers", "redirect_away", "stall_body", "status_101", "two_lengths" }

local function split(names)
  local much, rest = {}, {}
  for _, name in ipairs(names) do
    local list = (name:find("^many_") or name:find("^long_")) and much or rest
    list[#list + 1] = name
  end
  return much, rest
end

local function read_measure(path)
  local file <close> = assert(io.open(path))
  return file:read("n", "n")
end

describe("a far side that misbehaves", function()
  local far
  local said = {}

  setup(function() far = tap.start() end)
  teardown(function() far:close() end)

  local function play_some(what, names, most)
    local measure = far.place.path .. "/measure"
    local list, outcome = misdeeds.run(far, what, names, {
      hurry = true, before = { "/usr/bin/python3", SOURCE .. "/tests/measure.py", measure }, seconds = 120,
    })
    said[#said + 1] = far.place:write("said-" .. #said + 1, outcome.out .. outcome.err)
    assert.equal(0, outcome.status, outcome.err)
    assert.equal(#names, #list)
    for _, one in ipairs(list) do misdeeds.check(one, what) end
    local used = read_measure(measure)
    if not os.getenv "MOONLATCH":find("/asan/", 1, true) then
      assert(used < most, ("%s: %d KiB"):format(what, used))
    end
  end

  local function play(what, names)
    local much, rest = split(names)
    play_some(what, rest, MOST)
    for _, name in ipairs(what == "graph" and much or {}) do play_some(what, { name }, MOST_OF_MUCH) end
  end

  it("as Graph", function()
    local names = misdeeds.joined(far.plain, far.answers)
    assert.is_true(#names >= 90)
    play("graph", names)
  end)

  it("as the login service", function()
    play("token", misdeeds.joined(SOME, far.answers, far.tokens))
  end)

  it("as Devolutions Server, at the login", function()
    play("login", misdeeds.joined(SOME, far.answers, far.sessions))
  end)

  it("as Devolutions Server, logged in", function()
    play("vault", misdeeds.joined(SOME, far.answers))
  end)

  it("gets no secret told, though it repeats all it was", function()
    local found = canary.search(far, { files = said })
    assert.equal("", canary.describe(found))
    assert.is_true(found.secrets.access_token > 0 and found.searched > 20000)
  end)

  it("gets no visit where it wanted to send us", function()
    assert.same({}, far:strays())
  end)
end)
