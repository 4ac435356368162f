-- All misdeeds for all calls, each against a process of its own; those that
-- stall with the program's own patience, all of them at once.

local json = require "host.json"
local misdeeds = require "misdeeds"
local moonlatch = require "moonlatch"
local process = require "host.process"
local sys = require "host.sys"
local tap = require "tap"

-- Four tries of thirty seconds, the breaks between them, and what two cores
-- need to start so many.
local PATIENCE = 180

local function is_slow(name)
  return name:find("^stall") or name:find("^drip") or name == "endless_extension"
end

describe("each misdeed alone", function()
  local far, all

  setup(function()
    far = tap.start()
    all = {
      graph = misdeeds.joined(far.plain, far.answers), token = misdeeds.joined(far.plain, far.answers, far.tokens),
      login = misdeeds.joined(far.plain, far.answers, far.sessions), vault = misdeeds.joined(far.plain, far.answers),
    }
  end)
  teardown(function() far:close() end)

  for _, what in ipairs { "graph", "token", "login", "vault" } do
    it("is told by " .. what, function()
      for _, name in ipairs(all[what]) do
        if not is_slow(name) then
          local list, outcome = misdeeds.run(far, what, { name })
          assert.equal(0, outcome.status, name .. "\n" .. outcome.err)
          misdeeds.check(assert(list[1], outcome.err), what)
        end
      end
    end)
  end

  it("that stalls is given up in time", function()
    local file = far.place:write("misdeeds.lua", misdeeds.SCRIPT)
    local running, start = {}, sys.monotonic()
    for what, names in pairs(all) do
      for _, name in ipairs(names) do
        if is_slow(name) then
          local words = {
            os.getenv "MOONLATCH", "--stdlib", moonlatch.INSIDE, "--config", far.config,
            "run", file, what, "wait", name,
          }
          running[#running + 1] = { what = what, name = name, child = assert(process.start(words)) }
        end
      end
    end
    for _, one in ipairs(running) do
      local said
      repeat
        local line = one.child:line(math.max(1, PATIENCE - (sys.monotonic() - start)))
        said = line and json.decode(line)
      until said or not line
      assert(said, one.what .. " " .. one.name .. " said nothing in time")
      misdeeds.check(said, one.what)
      assert.equal(0, one.child:wait(5))
      one.child:close()
    end
    assert.is_true(#running >= 28)
  end)
end)
