--- Run policies once: check that the run may begin, finish unfinished rotations, then rotate what is due, each policy
--- within its limits.

local applications = require "rotate.applications"
local clock_skew = require "rotation.clock_skew"
local disk_space = require "machine.disk_space"
local fail = require "fail"
local follow = require "rotate.follow"
local hint = require "log.hint"
local last_run = require "journal.last_run"
local nearest = require "base.nearest"
local oauth = require "oauth.sign_in"
local policy_select = require "policy.select"
local rights = require "task.rights"
local rights_check = require "rotation.rights_check"
local role_holders = require "entra.role_holders"
local rotate_users = require "rotate.users"
local scheduler = require "task.scheduler"
local sets = require "base.sets"
local task = require "task"
local time = require "time"
local traceback = require "base.traceback"
local users = require "entra.users"
local who_changed = require "rotate.who_changed"

local M = {}

local FIND_DUE = { users = rotate_users.find_due, applications = applications.find_due }

-- Call `fn(...)` with the rights of the policy's file, so that calls which only another policy declared are refused.
local function with_policy_rights(options, terms, fn, ...)
  if not options.rights then return fn(...) end
  return rights.with(scheduler.require_current(), options.rights[terms.name], fn, ...)
end

local function first_policy_for(policies, is_meant)
  for _, terms in ipairs(policies) do
    if terms.target == "users" and is_meant(terms) then return terms end
  end
end

local function is_by_role(terms) return policy_select.by_role(terms.select) end

-- Read what the policies share: the signed-in principal, who holds which role, which domains are federated. Each policy
-- for users declares these calls, so they are made with the rights of the first such policy. Who is eligible for a
-- group is declared by policies that select by role.
local function read_tenant_for_policies(policies, options)
  local tenant = { me = oauth.sign_in(options.profile), role_ids = {} }
  local by_role = first_policy_for(policies, is_by_role)
  local first = by_role or first_policy_for(policies, function() return true end)
  if not first then return tenant end
  tenant.holders, tenant.federated = with_policy_rights(options, first, task.all, {
    function() return role_holders.read_holders { eligible_for_groups = by_role ~= nil } end, users.federated_domains,
  })
  tenant.role_ids = role_holders.roles_of_principal(tenant.holders, tenant.me.oid)
  for _, id in ipairs(tenant.me.wids) do tenant.role_ids[id] = true end
  return tenant
end

---@class rotation.options
---@field journal host.journal.journal
---@field profile table
---@field now string[]? names of accounts or applications to rotate now, whatever their dates say
---@field outside_window boolean? ignore the windows?
---@field rights table<string, host.gate.rights>? of each policy's file, by the policy's name; nil: those of the task
---@field old_now boolean? remove an application's old credential as soon as the new one is in use
---@field confirm nil|fun(all: table[]): boolean

---@class rotate.outcome
---@field terms policy.terms
---@field entries rotation.entry[]
---@field changes rotation.entry[]
---@field later integer
---@field left_over journal.left_over[]?
---@field open boolean is its window open?
---@field moment number? when the window closes, or opens
---@field failure Failure? why the policy could not be planned, or was stopped
---@field unread string[]? what could not be read of who is selected, and why: there may be more accounts

local function check_rights_and_find_due(terms, tenant, options)
  rights_check.check(terms, tenant)
  return FIND_DUE[terms.target](terms, tenant, options)
end

local function plan_policy(terms, tenant, options)
  local ok, found = xpcall(with_policy_rights, traceback.keep, options, terms, check_rights_and_find_due, terms,
    tenant, options)
  if not ok then
    if not fail.is(found) then error(found, 0) end
    require("permissions.denied").explain(found)
    return { terms = terms, entries = {}, changes = {}, recoveries = {}, later = 0, open = true, failure = found }
  end
  found.unread = terms.target == "users" and is_by_role(terms) and tenant.holders.unread or {}
  return found
end

local function set_window_state(found)
  if found.failure then return end
  found.is_open, found.moment = found:open()
end

local function is_entry_named(entry, name)
  local target = entry.target or {}
  return entry.name:lower() == name:lower() or entry.id == name or target.appId == name or target.id == name
end

local function raise_not_selected(all, name)
  local known = {}
  for _, policy in ipairs(all) do
    table.move(policy.selected_names, 1, #policy.selected_names, #known + 1, known)
  end
  local meant = nearest(name, known)
  fail.raise {
    kind = "usage", what = "rotate --now " .. name,
    why = "none of the policies selects an account or application of that name",
    fix = meant and ("Did you mean '%s'?"):format(meant) or hint.text("Copy a name from what `{moonlatch} plan POLICY` "
      .. "prints: a user principal name, or an application's name or client id."),
  }
end

-- Raise "usage" for an account, which has no earlier password that still works.
local function refuse_old_now(entry)
  fail.raise {
    kind = "usage", what = ("rotate --now %s --old-now"):format(entry.name),
    why = "it is an account: its earlier password stops working as soon as the new one is set",
    fix = "Leave out --old-now; it is for client secrets and certificates of applications.",
  }
end

-- Raise "usage" for a name that no policy selects. Otherwise the run would do nothing and report success. Raise it for
-- an option that has no effect on what is named, too.
local function check_names(all, options)
  for _, name in ipairs(options.now) do
    local found = false
    for _, policy in ipairs(all) do
      if policy.failure then error(policy.failure, 0) end
      for _, entry in ipairs(policy.entries) do
        if is_entry_named(entry, name) then
          found = true
          if options.old_now and policy.terms.target == "users" then refuse_old_now(entry) end
        end
      end
    end
    if not found then raise_not_selected(all, name) end
  end
end

--- Find out what a run of the policies would do. Changes nothing. Waits.
---@param policies policy.terms[]
---@param options rotation.options
---@return table[] found one a policy
function M.plan(policies, options)
  local tenant, all = read_tenant_for_policies(policies, options), {}
  for i, terms in ipairs(policies) do
    all[i] = plan_policy(terms, tenant, options)
    set_window_state(all[i])
  end
  if options.now then check_names(all, options) end
  return all
end

local function has_planned_changes(all)
  for _, found in ipairs(all) do
    if #found.changes + #found.recoveries > 0 then return true end
    for _, entry in ipairs(found.entries) do
      if entry.what == "busy" or entry.renamed then return true end
    end
  end
  return false
end

-- Run a step of a policy, and keep the failure that stops it in `failure`. Failures of single accounts are in their
-- entries.
local function run_policy_step(found, step, options)
  if found.failure then return end
  local ok, failure = xpcall(with_policy_rights, traceback.keep, options, found.terms, found[step], found)
  if ok then return end
  if not fail.is(failure) then error(failure, 0) end
  require("permissions.denied").explain(failure)
  found.failure = failure
end

---------------------------------------------------------------------------
-- The outcome, on record

--- Does the policy expect this refusal?
---@param terms policy.terms
---@param entry rotation.entry
---@return boolean
function M.is_accepted(terms, entry)
  return entry.what == "refuse" and terms.accept ~= nil and terms.accept[entry.code or ""] == true
end

-- What a person should know of an entry. What is busy or was not begun, the next run sees to.
local TOLD = { failed = true, stop = true, person = true, refuse = true, left = true }

local AT_NEXT_RUN = { change = true, waits = true, failed = true, skipped = true, busy = true }

-- When the policy next has something to do, as far as its entries say.
local function next_due_of(found)
  local soonest
  for _, entry in ipairs(found.entries) do
    local due = entry.what == "wait" and entry.due
      or entry.what == "changed" and type(found.terms.every) == "number" and time.now() + found.terms.every
      or AT_NEXT_RUN[entry.what] and (found.is_open == false and found.moment or time.now())
    if due then soonest = math.min(soonest or due, due) end
  end
  return soonest
end

local function outcome_of_policy(found)
  local problems, changed = {}, 0
  for _, entry in ipairs(found.entries) do
    if TOLD[entry.what] and not M.is_accepted(found.terms, entry) then
      problems[#problems + 1] = { id = entry.id or entry.target and entry.target.appId, name = entry.name,
        what = entry.what, why = entry.why, fix = entry.fix }
    end
    changed = changed + (entry.what == "changed" and 1 or 0)
  end
  for _, why in ipairs(found.unread or {}) do
    problems[#problems + 1] = { name = found.terms.name, what = "unread", why = why }
  end
  local failure = found.failure
  return { policy = found.terms.name, at = time.now(), changed = changed, problems = problems,
    next_at = next_due_of(found),
    failure = failure and { what = failure.what, why = failure.why, fix = failure.fix } }
end

-- Record the outcome of a run of whole policies. A run that was stopped is not over.
local function record_outcomes(all, options)
  if options.now or task.stopping() then return end
  for _, found in ipairs(all) do last_run.record(options.journal, outcome_of_policy(found)) end
end

local NOT_OF_POLICIES = sets.of { "interrupted", "journal", "usage" }

-- Record that no policy could run, such as when nobody could sign in.
local function record_failure_of_all(policies, options, failure)
  if not fail.is(failure) or NOT_OF_POLICIES[failure.kind] then return end
  local all = {}
  for i, terms in ipairs(policies) do all[i] = { terms = terms, entries = {}, failure = failure } end
  record_outcomes(all, options)
end

---------------------------------------------------------------------------
-- A run

-- Why a change that a person asked for by name was not begun, and what the person can do.
local function why_not_begun(found, entry)
  local open, moment = found:open()
  if open then
    return ("the policy changes at most %d in a run"):format(found.terms.limits.max_changes),
      "Run the same command again: it goes on with the others."
  end
  return moment and ("the window is closed until %s"):format(time.iso(moment)) or "the window is closed",
    hint.text("To change it all the same: {moonlatch} rotate %s --now %s --outside-window", found.terms.name,
      entry.name)
end

-- A person who names an account or an application expects a change: where none was begun, that is no success.
local function tell_what_was_not_begun(all)
  for _, found in ipairs(all) do
    for _, entry in ipairs(found.failure and {} or found.entries) do
      if entry.what == "change" or entry.what == "waits" then
        entry.what, entry.why, entry.fix = "skipped", why_not_begun(found, entry)
      elseif entry.what == "never" then
        entry.what = "refuse"
      end
    end
  end
end

local function run_policies(policies, options)
  local all = M.plan(policies, options)
  if has_planned_changes(all) then
    clock_skew.check "rotate"
    disk_space.check(options.profile)
    if options.confirm and not options.confirm(all) then return all end
  end
  for _, step in ipairs { "recover", "act" } do
    for _, found in ipairs(all) do
      if not task.stopping() then run_policy_step(found, step, options) end
    end
  end
  if options.now and not task.stopping() then tell_what_was_not_begun(all) end
  record_outcomes(all, options)
  for _, found in ipairs(all) do
    if not task.stopping() then with_policy_rights(options, found.terms, follow.accounts, found, options.journal) end
  end
  return all
end

--- Run the policies once: finish unfinished rotations, then rotate what is due. Waits.
---@param policies policy.terms[]
---@param options rotation.options
---@return table[] found one a policy
function M.once(policies, options)
  local ok, all = xpcall(run_policies, traceback.keep, policies, options)
  if ok then return all end
  record_failure_of_all(policies, options, all)
  error(all, 0)
end

--- Name who changed the passwords at which rotations stopped, and the credentials that are not as the journal has them,
--- for a person. Waits.
---@param all table[]
---@param options rotation.options
function M.explain_stops(all, options)
  local me = oauth.signed_in()
  for _, found in ipairs(all) do
    if me and not found.failure then
      with_policy_rights(options, found.terms, who_changed.explain, found, options.journal, me)
    end
  end
end

---------------------------------------------------------------------------
-- The exit status

local TO_DO = { change = true, recover = true, stop = true, refuse = true, busy = true }
local BAD = { failed = true, stop = true, skipped = true, person = true, refuse = true, busy = true, left = true }

--- The exit status: 0 all is well; 1 something failed, was refused, could not be looked at or belongs to another
--- rotation, or a person is needed; 3 a plan has something to do or to say.
---@param all table[]
---@param is_plan boolean
---@return integer
function M.status(all, is_plan)
  local status, list = 0, is_plan and TO_DO or BAD
  for _, found in ipairs(all) do
    if found.failure then return 1 end
    if found.unread and found.unread[1] then status = is_plan and 3 or 1 end
    for _, entry in ipairs(found.entries) do
      if list[entry.what] and not M.is_accepted(found.terms, entry) then status = is_plan and 3 or 1 end
      if is_plan and entry.renamed then status = 3 end
    end
  end
  return status
end

return M
