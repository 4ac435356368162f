--- What is to be crashed, and how: the jobs with what has to be there before
--- them, and the ways in which they come to grief.

local M = {}

local JOB = "setup/entra-pam-provider"
local RENEWAL = "155d" -- of 180, with 30 to be renewed before
local GRACE = "8d" -- and one more than it is

M.APPLY = { "apply", JOB, "--yes", "--json", "--lifetime", "180d" }
M.PROVE = { "apply", JOB, "--yes", "--json", "--lifetime", "180d", "--prove-on",
  "t0-chen@contoso.onmicrosoft.com" }
M.DESTROY = { "destroy", JOB, "--yes", "--json" }
M.PLAN = { "plan", JOB, "--json" }

---@class crash.act
---@field name string
---@field words string[] the command that is crashed
---@field by_hand boolean? a person brings the secret to where it is used: it is stored in the end, not confirmed
---@field leaves boolean? the provider in Devolutions stays, and may wait for a person
---@field changing boolean? crashed only at requests that can change something: what it reads another act reads as well
---@field renews boolean? there was a secret before, and one made by hand
---@field knows boolean? only with a journal that knows what came before: without one nothing is brought back
---@field first string? the state the one before is in when all is done and the journal was there all along
---@field prepare fun(point: crash.point) what was before; puts an old copy of the state aside on the way

--- Somebody adds a secret by hand in the portal.
local function made_by_hand(point)
  local application = point:application()
  point.cloud:graph("/applications/" .. application.id .. "/addPassword", {
    passwordCredential = { displayName = "made by hand" },
  })
end

local function plan_only(point)
  point:must(3, M.PLAN)
  point:save_state()
end

local function wait_for_renewal(point)
  point:save_state()
  point:note_first()
  made_by_hand(point)
  point.cloud:pass(RENEWAL)
end

---@type crash.act[]
M.ACTS = {
  { name = "setup", words = M.APPLY, prepare = plan_only },
  { name = "setup with a reset", words = M.PROVE, changing = true, prepare = plan_only },
  {
    name = "renewal", words = M.APPLY, renews = true, first = "retiring",
    prepare = function(point)
      point:must(0, M.APPLY)
      wait_for_renewal(point)
    end,
  },
  {
    name = "retirement", words = M.APPLY, renews = true, first = "closed",
    prepare = function(point)
      point:must(0, M.APPLY)
      wait_for_renewal(point)
      point:must(0, M.APPLY)
      point.cloud:pass(GRACE)
    end,
  },
  {
    name = "destroy", words = M.DESTROY, leaves = true,
    prepare = function(point)
      point:must(0, M.APPLY)
      point:save_state()
      point.cloud:pass(RENEWAL)
      point:must(0, M.APPLY)
    end,
  },
  {
    name = "setup after destroy", words = M.APPLY, knows = true,
    prepare = function(point)
      point:must(0, M.APPLY)
      point:must(1, M.DESTROY) -- the provider in Devolutions stays
      point:save_state()
      point.cloud:pass("1h")
    end,
  },
  {
    name = "setup by hand", words = M.APPLY, by_hand = true, changing = true,
    prepare = function(point)
      point:unlink()
      plan_only(point)
    end,
  },
  {
    name = "renewal by hand", words = M.APPLY, by_hand = true, changing = true, renews = true, first = "confirmed",
    prepare = function(point)
      point:unlink()
      point:confirm(point:must(1, M.APPLY))
      wait_for_renewal(point)
    end,
  },
  {
    name = "adoption", words = M.APPLY, changing = true,
    prepare = function(point)
      point:adopt()
      plan_only(point)
    end,
  },
  {
    name = "giving back", words = M.DESTROY, changing = true,
    prepare = function(point)
      point:adopt()
      point:must(0, M.APPLY)
      point:save_state()
      point.cloud:pass(RENEWAL)
      point:must(0, M.APPLY)
    end,
  },
}

---@class crash.blow
---@field name string
---@field rules string[] with %s for the method, and %d for which request
---@field room integer? bytes the journal's files may have, times the place instead of which request
---@field places integer? how many of these
---@field signal "KILL"|"INT"|nil what the program gets at that request
---@field state "kept"|"deleted"|"restored" what becomes of the state folder before the next run
---@field changing boolean? only at requests that can change something
---@field applied boolean? what the request asked for happened

-- Once one is held all that follow are, so that nothing happens between it and the kill.
local BEFORE = { "%s /** hold-before always @%d" }
local AFTER = { "%s /** hold-after @%d", "%s /** hold-before always @%d" }

-- To be killed before the answer of what only reads is to be killed before it.
---@type crash.blow[]
M.BLOWS = {
  { name = "killed before it is applied", rules = BEFORE, signal = "KILL", state = "kept" },
  { name = "killed before its answer", rules = AFTER, applied = true, signal = "KILL", state = "kept",
    changing = true },
  { name = "answer lost", rules = { "%s /** drop-after @%d" }, state = "kept" },
  { name = "no network from there on", rules = { "%s /** drop-before always @%d" }, state = "kept" },
  { name = "disk full", rules = {}, room = 8192, places = 56, state = "kept" },
  { name = "interrupted", rules = { "%s /** slow:250 @%d" }, signal = "INT", state = "kept" },
  { name = "killed before it is applied, state deleted", rules = BEFORE, signal = "KILL", state = "deleted" },
  { name = "killed before its answer, state deleted", rules = AFTER, applied = true, signal = "KILL",
    state = "deleted", changing = true },
  { name = "killed before it is applied, old state restored", rules = BEFORE, signal = "KILL", state = "restored" },
  { name = "killed before its answer, old state restored", rules = AFTER, applied = true, signal = "KILL",
    state = "restored", changing = true },
}

--- The blow of this name.
---@param name string
---@return crash.blow
function M.blow(name)
  for _, blow in ipairs(M.BLOWS) do
    if blow.name == name then return blow end
  end
  error(("there is no blow %q"):format(name))
end

return M
