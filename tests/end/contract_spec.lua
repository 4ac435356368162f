--- What the setups say to Graph, and what the emulator answers, held against
-- Microsoft's own description by Prism.

local json = require "host.json"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local SETUP, ROTATOR = "setup/entra-pam-provider", "setup/rotator"
local POLICIES = "policies/tier0-users,policies/pam-provider-secret"
local DESCRIPTION = SOURCE .. "/../shared/contract/graph-openapi.json"
local PRISM = SOURCE .. "/tests/peer/node_modules/@stoplight/prism-cli/package.json"

local function decode(text) return text and assert(json.decode(text)) or nil end

-- The record's entries for Graph, as lines the checker reads.
local function exchanges(emu)
  local lines = {}
  for _, entry in ipairs(emu:control("GET", "/requests").requests) do
    if entry.peer == "graph" and math.type(entry.status) == "integer" then
      local said = entry.exchange
      lines[#lines + 1] = json.encode {
        method = entry.method, path = entry.path:gsub("^/v1%.0", ""), status = entry.status,
        headers = said.headers, body = decode(said.body), answer = decode(said.answer),
      }
    end
  end
  return lines
end

local function rehearse(emu)
  local function run(status, ...)
    local outcome = emu:run { ... }
    assert.equal(status, outcome.status, outcome.out .. outcome.err)
  end
  run(3, "plan", SETUP, "--managed", "PAM managed tier 0")
  run(0, "apply", SETUP, "--managed", "PAM managed tier 0", "--yes")
  run(0, "verify", SETUP, "--managed", "PAM managed tier 0")
  emu:later "155d"
  run(0, "apply", SETUP, "--managed", "PAM managed tier 0", "--yes")
  emu:later "8d"
  run(0, "apply", SETUP, "--managed", "PAM managed tier 0", "--yes")
  emu:admin("set_flag", "pim_only", { "Privileged Authentication Administrator" })
  run(0, "apply", ROTATOR, "--policies", POLICIES, "--yes")
  emu:later "340d"
  run(0, "apply", SETUP, "--yes")
  run(0, "apply", ROTATOR, "--policies", POLICIES, "--yes")
  emu:later "11d"
  run(0, "apply", ROTATOR, "--policies", POLICIES, "--yes")
  run(0, "destroy", ROTATOR, "--yes")
  run(0, "destroy", SETUP, "--yes")
end

local function check(emu, lines)
  local file = emu.place:write("exchanges", table.concat(lines, "\n") .. "\n")
  local command = ("node %s/tests/peer/contract.mjs %s %s 2>&1"):format(SOURCE, DESCRIPTION, file)
  local pipe <close> = assert(io.popen("timeout 100 " .. command))
  return pipe:read "a"
end

describe("the setups and the emulator", function()
  it("keep to Microsoft's description of Graph, request by request and answer by answer", function()
    if not sys.stat(DESCRIPTION) then return pending "the description is not here (../shared/contract)" end
    if not sys.stat(PRISM) then return pending "prism is not installed (tests/peer)" end
    local emu <close> = rehearsal.new("--exchanges", "--lag", "0")
    rehearse(emu)
    local lines = exchanges(emu)
    local report = check(emu, lines)
    local wrong = {}
    for line in report:gmatch "[^\n]+" do
      if line:find "^not ok" or line:find "^#" then wrong[#wrong + 1] = line end
    end
    assert.equal("", table.concat(wrong, "\n"))
    local count = tonumber(report:match "1%.%.(%d+)%s*$")
    assert.equal(#lines + 2, count, report)
    assert(#lines > 50, "only " .. #lines .. " exchanges")
  end)
end)
