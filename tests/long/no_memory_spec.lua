-- takes 600 s: runs each of four commands 500 times under the sanitizers
--- A lack of memory, at one allocation after the other: the program does not crash, says that memory is out with an
--- exit status that is not 0, and claims nothing; or it can do without and does all it would have done.

local rehearsal = require "rehearsal"
local sys = require "host.sys"

local MOONLATCH = os.getenv "MOONLATCH"
local SANITIZED = MOONLATCH:gsub("/build/%w+/moonlatch$", "/build/asan/moonlatch")
local PROGRAM = sys.stat(SANITIZED) and SANITIZED or MOONLATCH
local LIBRARY = os.getenv "NO_MEMORY" or MOONLATCH:gsub("/moonlatch$", "/tests/libno_memory.so")
local POLICY = "policies/tier0-users"
local ANNA = "t0-anna@contoso.onmicrosoft.com"
local RUNS = tonumber(os.getenv "NO_MEMORY_RUNS" or 500) -- of each command; fewer for a quick look

-- Options that let the allocation of this number fail, 0 for none; every other time also the next ones, so that Lua's
-- second try fails, too.
local function options(place, at)
  return {
    program = PROGRAM,
    env = {
      "LD_PRELOAD=" .. LIBRARY, "NO_MEMORY_AT=" .. at, "NO_MEMORY_FOR=" .. (at % 2 == 0 and 1 or 8),
      "NO_MEMORY_COUNT=" .. place.path .. "/count",
      -- the preloaded library stands before the sanitizer's, and hands on to it; what is left behind by a library
      -- that gave up half way is no secret and no danger
      "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0",
    },
  }
end

-- What is wrong with the outcome of a run in which an allocation failed, or nil.
local function fault_of(outcome, expected)
  if outcome.err:find("Sanitizer", 1, true) or outcome.err:find("runtime error:", 1, true) then return "a bug" end
  -- lua-cjson's strbuf.c ends the process by itself, with these words; nothing outside it can prevent that.
  if outcome.status == 255 and outcome.err:find "Out of memory\n$" then return nil end
  if outcome.status > 3 then return "a crash" end -- by a signal or an abort
  if outcome.status == expected.status and outcome.status ~= 1 then
    return outcome.out ~= expected.out and "success is claimed, and the output is another" or nil
  end
  local told = "\n" .. outcome.err .. "\n" .. outcome.out -- a policy's error stands with the policy
  for _, line in ipairs { "\nerror: %S", "\nmoonlatch: %S", "\n    ! %S+  %S" } do -- the last: of an account
    if told:find(line) then return nil end
  end
  return "nobody says why it failed"
end

-- The allocations that fail, one in each run: every one before the first connection when half of the runs are enough
-- for that, and as many as the other runs allow of those after it.
local function places(total, before)
  local list = {}
  local function add(from, to, most)
    local stride = math.ceil((to - from + 1) / math.max(1, most)) | 1 -- odd, so that both ways take turns
    -- Other ones in each run of the tests.
    for at = from + os.time() % stride, to, stride do list[#list + 1] = at end
  end
  if before == 0 then
    add(1, total, RUNS)
  else
    add(1, before, RUNS // 2)
    add(before + 1, total, RUNS - #list)
  end
  return list
end

--- Run it RUNS times at most, each time without the allocation of another number, and compare with a run that has all.
---@param emu rehearsal
---@param go fun(options: table): moonlatch.outcome, string? an outcome whose `out` is alike for all runs that succeed
local function sweep(emu, go)
  local function play(at)
    local outcome = go(options(emu.place, at))
    outcome.out = outcome.out:gsub("\n    %w+\n", "\n    (code)\n") -- of the sign-in, another one each time
    return outcome
  end

  local expected = play(0)
  local total, before = assert(sys.read(emu.place.path .. "/count", 64)):match "^(%d+) (%d+)\n$"
  local faults, refused = {}, 0
  for _, at in ipairs(places(tonumber(total), tonumber(before))) do
    local outcome = play(at)
    local fault = fault_of(outcome, expected)
    if outcome.status ~= expected.status then refused = refused + 1 end
    if fault then
      faults[#faults + 1] = ("allocation %d: %s (status %d)\n%s\n%s"):format(at, fault, outcome.status, outcome.out,
        outcome.err:sub(1, 2000))
    end
  end
  assert.equal("", table.concat(faults, "\n"))
  assert.is_true(refused > 0 or RUNS < 500, "no allocation mattered")
  return expected
end

-- Does an entry in a vault hold the password that Entra accepts, under its own name or as pending?
local function is_password_held(emu)
  for _, row in ipairs(emu:control("GET", "/held").held) do
    if row.of == ANNA and row.in_force then return true end
  end
  return false
end

describe("a lack of memory", function()
  local emu
  setup(function() emu = rehearsal.new() end)
  teardown(function() emu:__close() end)

  it("at the start is told", function()
    assert.equal(0, sweep(emu, function(how) return emu.place:run({ "--version" }, how) end).status)
  end)

  it("is told by a read of the directory", function()
    local code = [[return require("graph").get("/users/]] .. ANNA .. [[").userPrincipalName]]
    assert.equal(0, sweep(emu, function(how) return emu:run({ "-e", code }, how) end).status)
  end)

  it("is told by a plan", function()
    assert.equal(3, sweep(emu, function(how) return emu:run({ "plan", POLICY }, how) end).status)
  end)

  it("loses no password of a rotation, and claims none", function()
    -- A rotation that ended after its request was sent is stopped an hour later; a person then lets it go on.
    local function rotate(how)
      emu:later "2h" -- so that the account does not rest
      local outcome = emu:run({ "rotate", POLICY, "--now", ANNA, "--yes" }, how)
      -- Also when lua-cjson ended the process: what a later rotation repairs was lost until then.
      local told = outcome.out .. outcome.err
      assert.is_true(is_password_held(emu), told)
      if told:find("1 stopped: a person must look", 1, true) then
        local resumed = emu:run { "journal", "resume", ANNA, "--yes" }
        assert.equal(0, resumed.status, resumed.out .. resumed.err)
      end
      return outcome
    end

    sweep(emu, function(how)
      local outcome = rotate(how)
      if outcome.status == 0 then outcome.out = outcome.out:match "\n  (1 changed)\n" or outcome.out end
      return outcome
    end)
    local outcome = rotate()
    if outcome.status ~= 0 then outcome = rotate() end
    assert.equal(0, outcome.status, outcome.out .. outcome.err)
    assert.equal(0, emu:run({ "journal", "verify" }).status)
    for _, row in ipairs(emu:control("GET", "/held").held) do
      assert.is_true(row.pending or row.in_force, row.name)
    end
  end)
end)
