--- Load policies from their files, and run them once or as a service.

local copies = require "script.copies"
local fail = require "fail"
local hint = require "log.hint"
local layout = require "terminal.layout"
local log = require "log"
local rotate_print = require "rotate.print"
local rotate_run = require "rotate.run"
local script = require "script.load"
local sink_scripts = require "rotate.sink_scripts"
local task = require "task"
local time = require "time"
local traceback = require "base.traceback"

local M = {}

local SHORTEST, LONGEST = 60, 3600 -- seconds between two runs of a service

local function raise_no_policy_named()
  fail.raise {
    kind = "usage", what = "rotate", why = "POLICY is missing",
    fix = hint.text "Name a policy of those that `{moonlatch} scripts` lists; or make one: {moonlatch} new policy NAME",
  }
end

local function raise_not_a_policy(name, declaration)
  fail.raise {
    kind = "usage", what = "rotate " .. name, why = "the script of that name is not a policy",
    fix = hint.text("Run it with the command for its kind: {moonlatch} "
      .. (declaration.steps and "apply %s" or "run %s"), name),
  }
end

local function add_needs(into, from)
  for _, word in ipairs(from or {}) do
    if not into.seen[word] then into[#into + 1] = word end
    into.seen[word] = true
  end
end

--- Load policies by name. Their needs are joined for the sign-in, which they share; each policy keeps its own rights.
---@param names string[]
---@param with_evidence boolean may Entra's logs be read?
---@return { policies: policy.terms[], needs: table, scripts: session.script[] }
function M.load(names, with_evidence)
  if #names == 0 then raise_no_policy_named() end
  local policies, needs, scripts = {}, {}, {}
  for _, peer in ipairs { "graph", "scopes", "devolutions" } do needs[peer] = { seen = {} } end
  for i, name in ipairs(names) do
    local declaration, found = script.load(name)
    copies.tell_replacement(found)
    policies[i] = declaration.policy or raise_not_a_policy(name, declaration)
    local needed = script.needs(declaration, { evidence = with_evidence })
    table.insert(scripts, { name = policies[i].name, owner = script.describe(found), needs = needed })
    sink_scripts.load(policies[i], found.path, scripts)
    for peer, list in pairs(needs) do add_needs(list, needed[peer]) end
  end
  for _, list in pairs(needs) do list.seen = nil end
  return { policies = policies, needs = needs, scripts = scripts }
end

--- Run the policies once.
---@param policies policy.terms[]
---@param options rotation.options
---@return table[] all, integer status
function M.once(policies, options)
  local all = rotate_run.once(policies, options)
  return all, rotate_run.status(all, false)
end

--- Find out what a run of the policies would do. Changes nothing. Waits.
---@param policies policy.terms[]
---@param options rotation.options
---@return table[] all, integer status
function M.plan(policies, options)
  local all = rotate_run.plan(policies, options)
  return all, rotate_run.status(all, true)
end

--- Name who changed the passwords at which rotations stopped, as far as the directory's audit log knows. Waits.
---@param all table[]
---@param options rotation.options
M.explain_stops = rotate_run.explain_stops

--- The outcome of a run, as text.
---@param all table[]
---@return string
function M.text(all) return rotate_print.text(all, false) end

--- The plan, as text.
---@param all table[]
---@return string
function M.plan_text(all) return rotate_print.text(all, true) end

M.json = rotate_print.json

---------------------------------------------------------------------------
-- As a service

--- When a policy next has something to do: something becomes due, or its window opens.
---@param found rotate.outcome
---@param now number
---@param latest number the moment of the next run, when nothing is due earlier
---@return number moment
function M.next_due(found, now, latest)
  local opens = found.is_open == false and found.moment or now
  for _, entry in ipairs(found.entries) do
    if entry.what == "wait" and entry.due then latest = math.min(latest, math.max(entry.due, opens)) end
    if entry.what == "change" or entry.what == "waits" then latest = math.min(latest, opens) end
  end
  return latest
end

-- Seconds until the next run: an hour, or less when something is due earlier.
local function seconds_to_next_watch_round(all)
  local now, soonest = time.now(), time.now() + LONGEST
  for _, found in ipairs(all) do soonest = M.next_due(found, now, soonest) end
  return math.max(SHORTEST, soonest - now)
end

local NEWS = { changed = true, stored = true, failed = true, ended = true, left = true, busy = true }

local function has_rotation_news(all)
  for _, found in ipairs(all) do
    if found.failure then return true end
    for _, entry in ipairs(found.entries) do
      if NEWS[entry.what] then return true end
    end
  end
  return false
end

-- Run the policies, and return the seconds until the next run. A failure is logged, because the next run may succeed.
local function run_watch_round(policies, options)
  local ok, all = xpcall(M.once, traceback.keep, policies, options)
  if ok then
    if has_rotation_news(all) then
      M.explain_stops(all, options)
      log.prose(("%s\n%s"):format(time.iso(time.now()), M.text(all)))
    end
    return seconds_to_next_watch_round(all)
  end
  if not fail.is(all) or fail.is(all, "interrupted") or fail.is(all, "journal") then error(all, 0) end
  require("permissions.denied").explain(all)
  log.error(require("report.failure").text(all))
  return SHORTEST * 5
end

--- Run the policies whenever something is due, until the program is asked to stop. Waits.
---@param policies policy.terms[]
---@param options rotation.options
---@return integer status 0 when asked to stop
function M.watch(policies, options)
  log.prose(("watching %s; Ctrl-C or SIGTERM ends it after the change at hand")
    :format(layout.count(#policies, "policy", "policies")))
  while true do
    local ok, wait = pcall(run_watch_round, policies, options)
    if ok then ok, wait = pcall(task.sleep, wait) end
    if not ok and fail.is(wait, "interrupted") then return 0 end
    if not ok then error(wait, 0) end
  end
end

return M
