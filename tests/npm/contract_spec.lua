-- takes 16 s: runs every bundled script, and Prism reads what was said
--- What the bundled scripts say to Graph, and what the emulator answers, held against
-- Microsoft's own description by Prism.

local json = require "host.json"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local DESCRIPTION = SOURCE .. "/../shared/contract/graph-openapi.json"
local PRISM = SOURCE .. "/tests/peer/node_modules/@stoplight/prism-cli/package.json"

local SETUP, ROTATOR = "setup/entra-pam-provider", "setup/rotator"
local TIER0, PROVIDER, APPS = "policies/tier0-users", "policies/pam-provider-secret", "policies/app-client-secrets"
local ADVANCE = "rehearse/advance"
local MANAGED, POLICIES = "PAM managed tier 0", TIER0 .. "," .. PROVIDER

local function demand_pim(emu) emu:admin("set_flag", "pim_only", { "Privileged Authentication Administrator" }) end

-- In this order, in one tenant, with the exit status each is to have.
local RUNS = {
  { 3, "plan", SETUP, "--managed", MANAGED },
  { 0, "apply", SETUP, "--managed", MANAGED, "--prove-on", "t0-chen@contoso.onmicrosoft.com", "--yes" },
  { 0, "verify", SETUP, "--managed", MANAGED },
  { 0, "permissions", SETUP },
  { 3, "doctor" },
  { 0, "discover" },
  { 0, "discover", "--group", "PAM managed" },
  { 0, "applications" },
  { 0, "activity" },
  { 3, "plan", TIER0 },
  { 0, "rotate", TIER0, PROVIDER, APPS, "--yes" },
  { 0, "run", ADVANCE, "--by", "155d" },
  { 0, "apply", SETUP, "--managed", MANAGED, "--yes" },
  { 0, "rotate", TIER0, PROVIDER, APPS, "--yes" },
  { 0, "run", ADVANCE, "--by", "8d" },
  { 0, "apply", SETUP, "--managed", MANAGED, "--yes" },
  demand_pim,
  { 0, "apply", ROTATOR, "--policies", POLICIES, "--yes" },
  { 0, "verify", ROTATOR, "--policies", POLICIES },
  { 0, "run", ADVANCE, "--by", "340d" },
  { 0, "apply", SETUP, "--yes" },
  { 0, "apply", ROTATOR, "--policies", POLICIES, "--yes" },
  { 0, "run", ADVANCE, "--by", "11d" },
  { 0, "apply", ROTATOR, "--policies", POLICIES, "--yes" },
  { 0, "destroy", ROTATOR, "--yes" },
  { 1, "destroy", SETUP, "--yes" }, -- what is left in Devolutions waits for a person
}

-- The bundled scripts by name. The emulator is the other side; sinks, channels and rules of notices do not call Graph.
local function bundled()
  local names = {}
  local find = "cd '%s/scripts' && find . -name '*.lua' -not -path './emulator/*' -not -path './sinks/*' "
    .. "-not -path './notices/*' -not -path './notify/*'"
  local pipe <close> = assert(io.popen(find:format(SOURCE)))
  for line in pipe:lines() do names[#names + 1] = line:match "^%./(.*)%.lua$" end
  table.sort(names)
  return names
end

local function is_run(name)
  for _, run in ipairs(RUNS) do
    for place = 2, type(run) == "table" and #run or 0 do
      if run[place] == name then return true end
    end
  end
  return false
end

local function decode(text) return text and assert(json.decode(text)) or nil end

-- The calls a batch carries are calls like any other.
local function add_parts(list, body, answer)
  local answers = {}
  for _, part in ipairs(answer.responses) do answers[part.id] = part end
  for _, part in ipairs(body.requests) do
    local got = answers[part.id]
    list[#list + 1] = {
      method = part.method, path = part.url, status = got.status, headers = part.headers or {}, body = part.body,
      answer = got.body,
    }
  end
end

-- The record's exchanges with Graph since this was last asked, as the checker takes them. The description has no beta.
local function add_exchanges(list, emu)
  for _, entry in ipairs(emu:control("GET", "/requests").requests) do
    local is_judged = entry.peer == "graph" and not entry.path:find "^/beta/"
    if is_judged and math.type(entry.status) == "integer" then
      local said = entry.exchange
      local body, answer = decode(said.body), decode(said.answer)
      local path = entry.path:gsub("^/v1%.0", "")
      list[#list + 1] = {
        method = entry.method, path = path, status = entry.status, headers = said.headers, body = body, answer = answer,
      }
      if path == "/$batch" and entry.status == 200 then add_parts(list, body, answer) end
    end
  end
  emu:control("DELETE", "/requests")
end

-- The logs of all that those runs did.
local function add_logs(list, emu)
  for name, least in pairs { directoryAudits = 20, signIns = 2 } do
    local query = ("/auditLogs/%s?$top=1000"):format(name)
    local answer = emu:control("GET", "/graph/v1.0" .. query)
    list[#list + 1] = { method = "GET", path = query, status = 200, headers = {}, answer = answer }
    assert(#answer.value > least, #answer.value)
  end
end

-- What is the same but for when and by whom it was asked need not be judged again.
local function distinct(list)
  local lines, seen = {}, {}
  for _, exchange in ipairs(list) do
    exchange.headers["client-request-id"] = nil
    local line = json.encode(exchange)
    if not seen[line] then lines[#lines + 1] = line end
    seen[line] = true
  end
  return lines
end

local function play(emu, run)
  if type(run) == "function" then return run(emu) end
  local outcome = emu:run { table.unpack(run, 2) }
  assert.equal(run[1], outcome.status, table.concat(run, " ", 2) .. "\n" .. outcome.out .. outcome.err)
end

local function check(emu, lines)
  local file = emu.place:write("exchanges", table.concat(lines, "\n") .. "\n")
  local command = ("node %s/tests/peer/contract.mjs %s %s 2>&1"):format(SOURCE, DESCRIPTION, file)
  local pipe <close> = assert(io.popen("timeout 400 " .. command))
  return pipe:read "a"
end

local function complaints(report)
  local wrong = {}
  for line in report:gmatch "[^\n]+" do
    if line:find "^not ok" or line:find "^#" then wrong[#wrong + 1] = line end
  end
  return table.concat(wrong, "\n")
end

describe("the bundled scripts and the emulator", function()
  it("are all in this test", function()
    for _, name in ipairs(bundled()) do assert(is_run(name), name .. " is not run here") end
  end)

  it("keep to Microsoft's description of Graph, request by request and answer by answer", function()
    if not sys.stat(DESCRIPTION) then return pending "the description is not here (../shared/contract)" end
    if not sys.stat(PRISM) then return pending "prism is not installed (tests/peer)" end
    local emu <close> = rehearsal.new("--exchanges", "--lag", "0")
    local list = {}
    for _, run in ipairs(RUNS) do
      play(emu, run)
      add_exchanges(list, emu)
    end
    add_logs(list, emu)
    local lines = distinct(list)
    local report = check(emu, lines)
    assert.equal("", complaints(report))
    assert.equal(#lines + 2, tonumber(report:match "1%.%.(%d+)%s*$"), report)
    assert(#lines > 120, "only " .. #lines .. " exchanges")
    if os.getenv "TELL" then io.stderr:write(#lines, " exchanges\n") end
  end)
end)
