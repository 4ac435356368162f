--- Play a rehearsal: run the policies whenever a service would run them, let the events happen, and compare the stored
--- values with those in force after each step.

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local http = require "http.client"
local judge = require "rehearse.judge"
local log = require "log"
local oauth = require "oauth.sign_in"
local output = require "log.output"
local resume_and_close = require "rotation.resume_and_close"
local rotate_policies = require "rotate.policies"
local scheduler = require "task.scheduler"
local script = require "script.load"
local seed = require "rehearse.seed"
local session = require "session.open"
local sys = require "host.sys"
local traceback = require "base.traceback"
local workflow_run = require "workflow.run"

local M = {}

local DAY = 86400
local AGAIN = 3600 -- seconds until a run that failed is repeated
local LONGEST = { users = 7 * DAY, applications = 2 * DAY } -- seconds between two runs when nothing becomes due
local SHORTEST = 60

---@class rehearse.play
---@field terms rehearse.terms
---@field stage rehearse.stage
---@field policies policy.terms[]
---@field needs table what the policies need together
---@field scripts session.script[] the policies
---@field judge rehearse.judge
---@field start number
local Play = class "rehearse.play"

-- The private emulator has Entra and Devolutions only: with a sink at another service every run would fail.
local function refuse_sinks_at_peers(policies)
  for _, terms in ipairs(policies) do
    for _, one in ipairs(terms.sinks) do
      local peer = one.loaded and next(one.loaded.needs.peers or {})
      if peer then
        fail.raise {
          kind = "config", what = "rehearse " .. terms.name,
          why = ("its sink %s calls the peer '%s', and a rehearsal has an emulator of Entra and Devolutions only")
            :format(one.loaded.name, peer),
          fix = hint.text("Try the sink by itself: `{moonlatch} rehearse sink %s`. To rehearse the policy, name "
            .. "another sink in it meanwhile, such as policy.devolutions.server {}.", one.loaded.name),
        }
      end
    end
  end
end

---------------------------------------------------------------------------
-- In a session

-- Replace the policies' programs by one that does nothing, and their folders by new ones: a rehearsal must not run or
-- write anything outside the emulator.
local function replace_programs_and_folders(self)
  local profile = self.stage.profile
  for _, script_of in ipairs(self.scripts) do
    for _, name in ipairs(script_of.needs.run or {}) do
      if not profile.programs[name] then self.judge:tell("the program '%s' is not run in a rehearsal", name) end
      profile.programs[name] = { "/bin/true" }
    end
    for _, name in ipairs(script_of.needs.files or {}) do
      profile.folders[name] = ("%s-folder-%s"):format(profile.state, name)
      assert(sys.mkdir(profile.folders[name]))
    end
  end
end

-- Call `fn(open)` as a task in a session of its own, without output. Returns its result, or nil and the failure.
local function try_in_rehearsal_session(self, needs, fn, scripts)
  local _ <close> = output.divert_to(function(text) log.detail(text) end)
  local ok, result = xpcall(function()
    local open <close> = session.open(self.stage.profile, {
      owner = "the rehearsal", needs = needs, scripts = scripts,
    })
    return scheduler.run(http.poll, fn, open)
  end, traceback.keep)
  if ok then return result end
  if not fail.is(result) or fail.is(result, "interrupted") then error(result, 0) end
  return nil, result
end

local function run_in_rehearsal_session(self, needs, fn)
  local result, failure = try_in_rehearsal_session(self, needs, fn)
  if failure then error(failure, 0) end
  return result
end

---------------------------------------------------------------------------
-- Before the first run

-- Make a provider's application with the setup script.
local function make_rehearsal_provider(self, name)
  local declaration = script.load "setup/entra-pam-provider"
  local args = script.arguments(declaration, { "--name", name })
  local result = run_in_rehearsal_session(self, declaration.needs, function(open)
    return workflow_run.run(declaration, "apply", args, {
      journal = open.journal, profile = open.profile, interactive = false,
    })
  end)
  if result.failure then error(result.failure, 0) end
  self.judge:tell("setup/entra-pam-provider makes the provider '%s'", name)
end

local LOOKING = {
  graph = { "GET /applications(appId)", "GET /groups", "GET /users", "GET /users/{id}", "GET /me" },
  devolutions = { "vaults:read" },
  scopes = { "Application.Read.All", "User.Read.All", "GroupMember.Read.All" },
}

local function add_missing_to_emulator(self, terms)
  local missing = run_in_rehearsal_session(self, LOOKING, function(open)
    self.stage.me = oauth.sign_in(open.profile).oid
    return seed.find_missing(self.stage, terms)
  end)
  for _, one in ipairs(missing) do
    one.act()
    self.judge:tell("the emulator gets the %s '%s'", one.kind, one.name)
  end
  for _, name in ipairs(seed.provider_names(terms)) do make_rehearsal_provider(self, name) end
end

local function prepare_tenant(self)
  if self.terms.setup then self.terms.setup(self.stage.tenant, self.stage.server) end
  for _, terms in ipairs(self.policies) do add_missing_to_emulator(self, terms) end
end

---------------------------------------------------------------------------
-- Events

local RESUME = { graph = { "GET /users/{id}" }, scopes = { "User.Read.All" } }

local function apply_rehearsal_event(self, event)
  local stage = self.stage
  if event.fault then
    stage:fault(event.fault)
    return self.judge:tell("%s: %s", event.what or "from now on", event.fault)
  end
  if event.act then
    event.act(stage.tenant, stage.server)
    return self.judge:tell("%s", event.what)
  end
  run_in_rehearsal_session(self, RESUME, function(open) return resume_and_close.resume(open.journal, event.resume) end)
  self.judge:tell("%s: journal resume %s", event.what or "a person has looked", event.resume)
end

local function apply_events_until(self, moment)
  local events = self.terms.events
  while events[self.place] and self.start + events[self.place].at <= moment do
    apply_rehearsal_event(self, events[self.place])
    self.place = self.place + 1
  end
end

---------------------------------------------------------------------------
-- Runs

local function run_policies_once(self)
  local all, failure = try_in_rehearsal_session(self, self.needs, function(open)
    local options = { journal = open.journal, profile = open.profile, rights = open.rights }
    return (rotate_policies.once(self.policies, options))
  end, self.scripts)
  self.judge:note(all, failure, self.stage:stored_values())
  return all
end

local TROUBLE = { failed = true, skipped = true, busy = true }

-- The moment when the service would next have something to do for this policy.
local function next_policy_run(found, now)
  if found.failure then return now + AGAIN end
  local soonest = rotate_policies.next_due(found, now, now + LONGEST[found.terms.target])
  for _, entry in ipairs(found.entries) do
    if TROUBLE[entry.what] then soonest = math.min(soonest, now + AGAIN) end
  end
  return soonest
end

-- The moment of the next run: when a policy has something to do, or an event happens.
local function next_rehearsal_run(self, all)
  local now = self.stage:now()
  local soonest = all and math.huge or now + AGAIN
  for _, found in ipairs(all or {}) do soonest = math.min(soonest, next_policy_run(found, now)) end
  soonest = math.max(now + SHORTEST, soonest)
  local event = self.terms.events[self.place]
  return event and math.min(soonest, self.start + event.at) or soonest
end

local function log_rehearsal_progress(self)
  local days = (self.stage:now() - self.start) // DAY
  log.progress(("%s: day %d of %d"):format(self.terms.name, days, self.terms.over // DAY))
end

--- Play the rehearsal. Returns its outcome.
---@param terms rehearse.terms
---@param stage rehearse.stage
---@return rehearse.outcome
function M.play(terms, stage)
  local loaded = rotate_policies.load(terms.policies, true)
  refuse_sinks_at_peers(loaded.policies)
  local self = Play {
    terms = terms, stage = stage, policies = loaded.policies, needs = loaded.needs, scripts = loaded.scripts,
    place = 1,
  }
  self.judge = judge.new(terms, loaded.policies, stage)
  replace_programs_and_folders(self)
  prepare_tenant(self)
  self.start = stage:now()
  self.judge:begin(self.start)
  local ends = self.start + terms.over
  repeat
    apply_events_until(self, stage:now())
    local moment = next_rehearsal_run(self, run_policies_once(self))
    log_rehearsal_progress(self)
    stage:pass(math.min(moment, ends) - stage:now())
  until moment >= ends
  run_in_rehearsal_session(self, {}, function(open) self.judge:check_journal(open.journal) end)
  return self.judge:finish(stage:now())
end

return M
