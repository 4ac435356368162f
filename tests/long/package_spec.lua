-- takes 420 s: builds the package for Debian 13 twice in fresh chroots, and installs, tries, upgrades and removes it.

local function succeeds(command) return (os.execute(command .. " >/dev/null 2>&1")) == true end

-- Why the packages cannot be built on this machine; nil when they can.
local function obstacle()
  if not succeeds "[ $(id -u) = 0 ]" then return "only root can make chroots" end
  if not succeeds "command -v mmdebstrap" then return "mmdebstrap is not installed: ./dev package installs it" end
  if not succeeds(("cd '%s' && git rev-parse HEAD"):format(SOURCE)) then return "the tree has no commit" end
  local mirror = ("curl -sfI \"$('%s/package/mirror')/dists/trixie/Release\""):format(SOURCE)
  if not succeeds(mirror) then return "the mirror of Debian cannot be reached" end
end

describe("the package for Debian 13", function()
  local why = obstacle()
  if why then return pending("is built, tried, upgraded and removed in fresh chroots (" .. why .. ")") end

  it("is built to the same bytes twice, accepted by lintian, tried, upgraded and removed", function()
    local pipe <close> = assert(io.popen(("cd '%s' && package/run --check trixie 2>&1"):format(SOURCE)))
    local text = pipe:read "a"
    for _, said in ipairs {
      "\nbuilt, and lintian has nothing to say: build/package/trixie/moonlatch_", "\nthe same bytes when built again\n",
      "\ninstalled, tried, upgraded, removed and purged on trixie\n",
      "\nplans on a read-only root, as the user moonlatch\n",
    } do
      assert(("\n" .. text):find(said, 1, true), text)
    end
    assert.matches("\n%d passed, [01] skipped\n$", text)
  end)
end)
