--- Run the steps of a workflow once.
---
--- The modes "plan" and "verify" read and compare, "apply" also makes the changes, and "destroy" reads the existing
--- objects and deletes them in reverse order. A run goes on as soon as a change is answered, and waits in the
--- background until each change is visible.

local agreed = require "workflow.agreed"
local class = require "base.class"
local commit = require "journal.commit"
local fail = require "fail"
local leases = require "journal.lease"
local log = require "log"
local options_of = require("base.options").of
local outcome = require "workflow.outcome"
local ownership = require "resource.ownership"
local resource = require "resource.new"
local steps = require "workflow.steps"
local task = require "task"
local time = require "time"
local traceback = require "base.traceback"
local wait_until = require "resource.wait_until"
local workflow_print = require "workflow.print"

local M = {}

local CHANGES_AT_ONCE = 8
local RECENT = 5 -- seconds for which a reading by Run:look counts

---@class workflow.item one object that a step looked at
---@field kind string
---@field name string
---@field action "create"|"update"|"delete"|"none"
---@field done boolean was the action carried out?
---@field made string? a remark for the reader of the plan
---@field changes resource.change[]?
---@field why string?

---@class workflow.waiting what a person has to do first
---@field step string
---@field what string
---@field why string?
---@field how string[]? the instructions, one line each
---@field form { field: string, value: string?, note: string? }[]?

---@class workflow.Run
---@field mode "plan"|"apply"|"verify"|"destroy"
---@field id string of the workflow
---@field args table
---@field journal host.journal.journal?
---@field profile table
---@field interactive boolean may a person be asked?
---@field dry boolean with "destroy": is nothing deleted?
---@field renew string? why new credentials are made now; nil: they are made when they are due
---@field old_now boolean? remove the old credentials as soon as the new credentials are in use
---@field agreed workflow.agreed? the only changes that may be made; nil: any
---@field shown table<string, boolean> the notes that the person has read in the plan; they are not printed again
---@field keeps_credentials boolean? does a step keep a credential?
---@field on_word string? the consumer that a person says has a credential: "Devolutions Cloud"
local Run = class("workflow.Run", { open = {
  "mode", "id", "args", "interactive", "acting", "has_plans", "note", "warn", "unseen", "alarm", "await", "leave",
  "meanwhile", "before_change", "change", "found", "settle", "ensure", "all",
} })

---------------------------------------------------------------------------
-- Messages of steps

--- Does the run make changes (mode "apply")?
---@return boolean
function Run:acting() return self.mode == "apply" end

--- Did the plan find a change so far? Then an object that is read now may be different when the plan is applied.
---@return boolean
function Run:has_plans()
  if self:acting() then return false end
  for _, step in ipairs(self.steps) do
    for _, item in ipairs(step.items) do
      if item.action ~= "none" then return true end
    end
  end
  return false
end

--- Add a note for the reader of the plan. A note is no change.
---@param text string with the values for text:format after it; control characters in them become blanks
function Run:note(text, ...)
  text = workflow_print.filled(text, ...)
  local record = steps.current_record(self)
  table.insert(record.notes, text)
  if self:acting() and not self.shown[text] then steps.print_in_turn(record, log.note, "  · " .. text) end
end

--- Add a warning for the reader of the plan.
---@param text string
function Run:warn(text, ...)
  text = workflow_print.filled(text, ...)
  local record = steps.current_record(self)
  table.insert(record.warnings, text)
  if self:acting() or self.mode == "destroy" and not self.dry then steps.print_in_turn(record, log.warn, text) end
end

--- Record that something could not be looked at, and may be wrong. A verification then exits with 3.
---@param text string
function Run:unseen(text, ...)
  text = workflow_print.filled(text, ...)
  local record = steps.current_record(self)
  table.insert(record.unseen, text)
  table.insert(self.unknown, text)
  if self:acting() then steps.print_in_turn(record, log.note, "  ? " .. text) end
end

--- Record that the purpose of this workflow fails: a warning that makes a verification exit with 1.
---@param text string
function Run:alarm(text)
  self:warn("%s", text)
  table.insert(self.alarms, text)
end

local read_waiting = options_of("run:await", { what = "string", why = "string", how = "table", form = "table" })

--- Record that a person has to do something first. The run then exits with 1.
---@param waiting { what: string, why: string?, how: string[]?, form: table? }
function Run:await(waiting)
  waiting = read_waiting(waiting)
  local record = steps.current_record(self)
  waiting.step, record.state = record.name, "waiting"
  table.insert(self.waiting, waiting)
end

--- Record an object that exists, may matter to the reader, and is left alone.
---@param kind string
---@param name string
---@param why string
function Run:leave(kind, name, why)
  table.insert(self.left, { step = steps.current_record(self).name, kind = kind, name = name, why = why })
end

--- Call `fn` in a background task. `wait` on the returned task gives the results. The task is cancelled when the run
--- ends.
---@param fn fun(): any
---@return Task
function Run:meanwhile(fn)
  local begun = task.spawn(fn)
  self:close_at_end { close = function() begun:cancel "the run ended" end }
  return begun
end

--- Close a value when the run ends.
---@param closable any
function Run:close_at_end(closable) table.insert(self.to_close, closable) end

--- Take a lease until the run ends, so that no other run on this machine does the same work meanwhile. Raises
--- "conflict" when another process has the lease. A plan takes no lease.
---@param name string of the lease
---@param what string the work, for the failure: "work on the certificate of 'X'"
function Run:lease(name, what)
  if not self:acting() and self.mode ~= "destroy" or not self.journal or self.leases[name] then return end
  local lease, message = leases.take(self.journal, name, what)
  self.leases[name] = lease ~= nil
  if lease then return self:close_at_end(lease) end
  fail.raise {
    kind = "conflict", code = "busy", what = what, why = message or "another process holds it",
    fix = "Wait until the other process has ended, then run the same command again.",
  }
end

---------------------------------------------------------------------------
-- Making changes

--- Call `fn` before the first change of the run. Without a change, `fn` is not called.
---@param fn fun()
function Run:before_change(fn) table.insert(self.hooks, fn) end

-- Call the hooks before the first change. Changes that are made side by side wait for the same calls.
local function run_hooks_once(run)
  if not run.opening then
    run.opening = task.spawn(function()
      for _, hook in ipairs(run.hooks) do hook() end
    end)
  end
  run.opening:wait()
end

local function print_run_item(run, item)
  if not run:acting() and run.mode ~= "destroy" then return end
  local tell = item.action == "none" and log.note or log.prose -- a change is printed even with --quiet
  steps.print_in_turn(steps.record_of_item(run, item), tell, "  " .. workflow_print.item_line(item))
end

local function new_run_item(run, kind, name)
  local item = { kind = kind, name = name, action = "none", done = false }
  table.insert(steps.current_record(run).items, item)
  return item
end

-- Run act() when applying, and return its result; return `unknown` when planning.
local function carry_out_change(run, item, action, act)
  item.action = workflow_print.check_action(action)
  if not run:acting() then return resource.unknown end
  task.check() -- stopping is safe here, because this change has not begun
  if run.agreed then agreed.check(run.agreed, item, run.id) end
  run_hooks_once(run)
  local value = act()
  item.done = true
  print_run_item(run, item)
  return value
end

local read_change = options_of("run:change", {
  kind = "string", name = "any", action = "string", made = "any", changes = "table", act = "function",
})

--- Make a change to an object that is no resource: a plan lists the change, apply makes it.
---@param change { kind: string, name: string, action: string?, made: string?, changes: table?, act: fun(): any }
---@return any value the result of `act`; unknown in a plan
function Run:change(change)
  change = read_change(change)
  local item = new_run_item(self, change.kind, change.name)
  item.made, item.changes = change.made, change.changes
  return carry_out_change(self, item, change.action or "create", change.act)
end

--- Record an object that needs no change.
---@param kind string
---@param name string
---@param made string?
function Run:found(kind, name, made)
  local item = new_run_item(self, kind, name)
  item.made = made
  print_run_item(self, item)
end

---------------------------------------------------------------------------
-- Waiting until changes are visible

local function watch_until_visible(run, what, seen) table.insert(run.watching, task.spawn(wait_until, what, seen)) end

--- Wait until all changes so far are visible.
function Run:settle()
  local watching = self.watching
  self.watching = {}
  for _, watcher in ipairs(watching) do watcher:wait() end
end

---------------------------------------------------------------------------
-- Ensuring a resource

-- The object after an update, as far as a plan can know it.
local function object_after_update(actual, wanted)
  local value = {}
  for name, member in pairs(actual) do value[name] = member end
  for name, member in pairs(wanted or {}) do value[name] = member end
  return value
end

local function lease_creating(run, target)
  run:lease("make/" .. (target.key and target:key() or tostring(target)), "create " .. tostring(target))
end

local function is_recent(fetched)
  return fetched ~= nil and fetched.looked ~= nil and time.monotonic() - fetched.looked <= RECENT
end

--- Read a resource under the lease on creating it, unless that was done within the last five seconds. When `ensure`
--- follows as soon, it creates the resource without another reading. For a run that has made its first change. Waits.
---@param target resource.Resource
function Run:look(target)
  if is_recent(target.fetched) then return end
  lease_creating(self, target)
  local began = time.monotonic()
  target:fetch()
  target.fetched.looked = began
end

-- Take a lease, and read the resource once more before it is created, because another run may have created it. Not for
-- a resource of which the service refuses a second object.
local function read_again_before_creating(run, target)
  if target.once or not run:acting() or not target:readable() then return nil end
  task.check()
  run_hooks_once(run)
  lease_creating(run, target)
  return target:read()
end

-- Does the resource come back with its host, which this run restores? Such a resource counts as changed, because only
-- after the restore it is known whether it came back.
local function is_being_restored(target)
  return target.host ~= nil and target.host.restored == true and not target.part
end

local function create_resource(run, item, target)
  item.made = target.made
  if is_being_restored(target) then
    item.made = run:acting() and "is there again" or "comes back with the application, or is made again"
  end
  local action = (target.returning or is_being_restored(target)) and "update" or "create"
  local value = carry_out_change(run, item, action, function()
    ownership.record_adding(run, target)
    local value = target:create()
    watch_until_visible(run, tostring(target), function() return target:seen(value) end)
    return value
  end)
  return run:acting() and value or target.returning or value
end

-- Does this run create the resource together with its host?
local function is_created_with_host(target) return target.part and target.host.made_now end

local function update_resource(run, item, target, actual, changes)
  if is_created_with_host(target) then item.made = target.made else item.changes = changes end
  local value = carry_out_change(run, item, is_created_with_host(target) and "create" or "update", function()
    ownership.record_adding(run, target, changes)
    local value = target:update(actual, changes) or object_after_update(actual, target.wanted)
    watch_until_visible(run, tostring(target), function() return target:seen(value) end)
    return value
  end)
  return run:acting() and value or object_after_update(actual, target.wanted)
end

-- Return the object; and was it read by Run:look a moment ago?
local function read_resource(target)
  local fetched = target.fetched
  if not fetched then return target:readable() and target:read() or nil end
  target.fetched = nil -- used only once, because the object may change afterwards
  return fetched.value, is_recent(fetched)
end

-- Note an existing object, which `destroy` deletes later. A part of a host that is ours is deleted together with the
-- host.
local function note_for_destroy(run, target, item, actual)
  if not actual then return resource.unknown end
  if not (target.part and target.host.ours) then
    table.insert(run.removals, { item = item, target = target, actual = actual, step = run.step })
  end
  return actual
end

local function ensure_resource(run, target, item)
  local actual, is_looked_at = read_resource(target)
  if run.mode == "destroy" then return note_for_destroy(run, target, item, actual) end
  if not actual and not is_looked_at then actual = read_again_before_creating(run, target) end
  if not actual then return create_resource(run, item, target) end
  if target.adopt and run:acting() then target:adopt(run, actual) end
  local changes = target:differs(actual)
  if #changes > 0 then return update_resource(run, item, target, actual, changes) end
  item.made = target.is
  if is_being_restored(target) then
    item.action, item.done, item.made = "update", run:acting(), "is there again"
  end
  print_run_item(run, item)
  return actual
end

--- Make a resource exist with the wanted values, and wait in the background until the change is visible. Waits.
---@param target resource.Resource
---@return any value the object; in a plan, unknown where apply has to create it
function Run:ensure(target) return ensure_resource(self, target, new_run_item(self, target.kind, target.name)) end

local function raise_first_failure(outcomes)
  for _, attempt in ipairs(outcomes) do
    if not attempt.ok then error(attempt.result, 0) end
  end
end

--- Ensure independent resources side by side. A change that has begun is finished even when another one fails. Waits.
---@param targets resource.Resource[]
---@return any[] values in the same order
function Run:all(targets)
  local items, values = {}, {}
  for i, target in ipairs(targets) do items[i] = new_run_item(self, target.kind, target.name) end
  raise_first_failure(task.each(targets, CHANGES_AT_ONCE, function(target, i)
    values[i] = ensure_resource(self, target, items[i])
  end))
  return values
end

---------------------------------------------------------------------------
-- Deleting

--- Let `destroy` delete an object that is no resource.
---@param target resource.Resource|table with kind, name, ours and delete
---@param actual any
function Run:add_removal(target, actual)
  local item = new_run_item(self, target.kind, target.name)
  table.insert(self.removals, { item = item, target = target, actual = actual, step = self.step })
end

-- Is the object proven to be ours? Any other object is left alone.
local function check_ownership(run, removal)
  local ours, why = removal.target:ours(removal.actual, run)
  if ours then
    removal.item.action, removal.item.made = "delete", why
  else
    removal.item.action = "none"
    run.step = removal.step
    run:leave(removal.item.kind, removal.item.name, why or "nothing proves that it was made here")
  end
  return ours
end

local function delete_resource(run, removal)
  run.step = removal.step
  removal.target:delete(removal.actual, run)
  removal.item.done = true
  ownership.record_removal(run, removal.target)
  print_run_item(run, removal.item)
  if removal.target.gone == false then return end
  local function is_gone() return removal.target.read == nil or removal.target:read() == nil end
  watch_until_visible(run, ("that %s '%s' is gone"):format(removal.item.kind, removal.item.name),
    removal.target.gone or is_gone)
end

-- Take the removals of the last step from the list. The objects of one step do not depend on each other, so they are
-- deleted side by side.
local function take_removals_of_last_step(list)
  local group, step = {}, list[#list].step
  while list[#list] and list[#list].step == step do group[#group + 1] = table.remove(list) end
  return group, step
end

local function delete_in_reverse(run, dry)
  local list = {}
  for _, removal in ipairs(run.removals) do
    if check_ownership(run, removal) then list[#list + 1] = removal end
  end
  if dry or #list == 0 then return end
  for _, removal in ipairs(run.agreed and list or {}) do agreed.check(run.agreed, removal.item, run.id) end
  run_hooks_once(run)
  while #list > 0 do
    local group, step = take_removals_of_last_step(list)
    task.check()
    log.step(step.name)
    raise_first_failure(task.each(group, CHANGES_AT_ONCE, function(removal) delete_resource(run, removal) end))
    run:settle() -- the objects that these depend on are deleted only after these are gone
  end
end

---------------------------------------------------------------------------
-- The run

-- Raise a failure when --renew was given and no step keeps a credential.
local function check_credentials_renewed(run)
  if not (run.renew or run.old_now) or run.keeps_credentials then return end
  fail.raise {
    kind = "usage", what = ("renew the credentials of %s"):format(run.id),
    why = "it has no client secret and no certificate", fix = "Leave out --renew and --old-now.",
  }
end

local function run_steps(run, declaration, dry)
  steps.go_through(run, declaration.steps)
  if run.mode == "destroy" then return delete_in_reverse(run, dry) end
  run:settle()
  check_credentials_renewed(run)
end

-- Commit the journal, because no request, which commits, follows the record of an adoption or of the last deletion.
local function commit_run(run)
  if run.journal and (run:acting() or run.mode == "destroy") then commit.commit(run.journal) end
end

local function close_run(run)
  for _, watcher in ipairs(run.watching) do watcher:cancel("the run ended") end
  for i = #run.to_close, 1, -1 do run.to_close[i]:close() end
end

---@class workflow.options
---@field journal host.journal.journal?
---@field profile table?
---@field interactive boolean? can a person be asked?
---@field dry boolean? with "destroy": only print what would be deleted
---@field renew string? make new credentials now, whatever their dates say; the text is the reason
---@field old_now boolean? remove the old credentials as soon as the new credentials are in use
---@field agreed workflow.agreed? make these changes and no others
---@field shown table<string, boolean>? notes that need not be printed

--- Run the steps of a declaration. A failure ends the run early and is in the result; any other error is raised.
---@param declaration workflow.Declaration
---@param mode "plan"|"apply"|"verify"|"destroy"
---@param args table
---@param options workflow.options?
---@return workflow.result result, integer status
function M.run(declaration, mode, args, options)
  options = options or {}
  local run = Run {
    mode = mode, id = declaration.id, args = args, journal = options.journal, profile = options.profile or {},
    interactive = options.interactive or false, dry = options.dry or false, renew = options.renew, have = {},
    old_now = options.old_now, agreed = options.agreed, shown = options.shown or {}, steps = {}, waiting = {},
    left = {}, alarms = {}, unknown = {}, to_close = {}, leases = {}, hooks = {}, watching = {}, removals = {},
  }
  local scope <close> = setmetatable({}, { __close = function() close_run(run) end })
  local ok, err = xpcall(run_steps, traceback.keep, run, declaration, options.dry)
  local kept, trouble = xpcall(commit_run, traceback.keep, run)
  if ok and not kept then ok, err = false, trouble end
  if not ok and not fail.is(err) then error(err, 0) end
  if not ok then outcome.complete_failure(run, err) end
  local result = outcome.of(run, not ok and err or nil, options.dry)
  return result, result.status, scope and nil
end

return M
