-- takes 5 s: runs what the guide tells to run
--- The vendor's how-to against runs on the emulator: nothing in it is left undone or unexplained, and the page that
--- says so, scripts/setup/HOW-TO.md, is what these runs give.

local how_to = require "how_to"
local sys = require "host.sys"

describe("the vendor's how-to", function()
  local runs

  setup(function() runs = { cloud = how_to.run "cloud", server = how_to.run "server" } end)

  it("has 35 steps, each of which is done or guided, on Cloud and on Server", function()
    assert.equal(35, #how_to.STEPS)
    for _, list in ipairs { how_to.STEPS, how_to.BESIDES } do
      for _, step in ipairs(list) do
        for _, run in pairs(runs) do
          for _, word in ipairs { "done", "guided", "proven" } do
            local needed = step[word] and (not step.only or step.only == run.edition)
            if needed then assert(step[word](run), ("%s is not %s on %s"):format(step[1], word, run.edition)) end
          end
        end
      end
    end
  end)

  it("is told on the page as it is", function()
    local page = how_to.page(runs)
    local file <close> = assert(io.open(SOURCE .. "/scripts/setup/HOW-TO.md"))
    if file:read "a" == page then return end
    assert(sys.write("how-to.md", page, "replace"))
    error "scripts/setup/HOW-TO.md is not what the runs give; that is in how-to.md, where the test ran"
  end)
end)
