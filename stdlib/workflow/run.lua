--- One run through the steps of a workflow.
---
--- "plan" and "verify" read and compare, "apply" also acts on the difference, "destroy" reads what is there and removes
--- it in reverse order. A write's answer is enough to go on with; the run waits in the background until each change is
--- visible.

local class = require "base.class"
local commit = require "journal.commit"
local fail = require "fail"
local leases = require "journal.lease"
local log = require "log"
local options_of = require("base.options").of
local outcome = require "workflow.outcome"
local ownership = require "resource.ownership"
local resource = require "resource.new"
local scheduler = require "task.scheduler"
local task = require "task"
local wait_until = require "resource.wait_until"
local workflow_print = require "workflow.print"

local M = {}

local SIDE_BY_SIDE = 8 -- changes side by side

---@class workflow.item one thing a step looked at
---@field kind string
---@field name string
---@field action "create"|"update"|"delete"|"none"
---@field done boolean did it happen?
---@field made string? a remark for the reader
---@field changes resource.change[]?
---@field why string?

---@class workflow.waiting what a person has to do first
---@field step string
---@field what string
---@field why string?
---@field how string[]? one line each
---@field form { field: string, value: string?, note: string? }[]?

---@class workflow.Run
---@field mode "plan"|"apply"|"verify"|"destroy"
---@field id string of the workflow
---@field args table
---@field journal host.journal.journal?
---@field profile table
---@field interactive boolean may a person be asked something?
---@field dry boolean with "destroy": is nothing deleted?
---@field renew string? make new credentials now; why
---@field old_now boolean? remove the earlier ones as soon as the new ones are in use
---@field keeps_credentials boolean? does a step keep a credential?
---@field on_word string? the consumer that a person says has a credential: "Devolutions Cloud"
local Run = class("workflow.Run", { open = {
  "mode", "id", "args", "interactive", "acting", "has_plans", "note", "warn", "unseen", "alarm", "await", "leave",
  "meanwhile", "before_change", "change", "found", "settle", "ensure", "all",
} })

---------------------------------------------------------------------------
-- Messages of steps

--- Is acting switched on?
---@return boolean
function Run:acting() return self.mode == "apply" end

--- Did the plan find something to do so far? Then what is read now may be different when applying.
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

--- Tell the reader of the plan something. It is no change.
---@param text string
function Run:note(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  table.insert(self.step.notes, text)
  if self:acting() then log.note("  · " .. text) end
end

--- Like note, but a warning.
---@param text string
function Run:warn(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  table.insert(self.step.warnings, text)
  if self:acting() or self.mode == "destroy" and not self.dry then log.warn(text) end
end

--- Tell that something could not be looked at, and may be wrong. A verification then exits with 3.
---@param text string
function Run:unseen(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  table.insert(self.step.unseen, text)
  table.insert(self.unknown, text)
  if self:acting() then log.note("  ? " .. text) end
end

--- Tell that the purpose of this workflow fails: a warning that makes a verification exit with 1.
---@param text string
function Run:alarm(text)
  self:warn("%s", text)
  table.insert(self.alarms, text)
end

local read_waiting = options_of("run:await", { what = "string", why = "string", how = "table", form = "table" })

--- A person has to do something first. It is recorded, and the run exits with 1.
---@param waiting { what: string, why: string?, how: string[]?, form: table? }
function Run:await(waiting)
  waiting = read_waiting(waiting)
  waiting.step = self.step.name
  table.insert(self.waiting, waiting)
  self.step.state = "waiting"
end

--- Tell that something exists, may matter, and stays as it is.
---@param kind string
---@param name string
---@param why string
function Run:leave(kind, name, why)
  table.insert(self.left, { step = self.step.name, kind = kind, name = name, why = why })
end

--- Run `fn` in the background. `wait` on the returned task gives its results. The run's end cancels it.
---@param fn fun(): any
---@return Task
function Run:meanwhile(fn)
  local begun = task.spawn(fn)
  self:hold { close = function() begun:cancel "the run ended" end }
  return begun
end

--- Close `thing` when the run ends.
---@param thing any
function Run:hold(thing) table.insert(self.held, thing) end

--- Keep other runs on this machine from doing the same. Raises "conflict" when one does. A plan takes no lease.
---@param name string of the lease
---@param what string what is not done in that case: "work on the certificate of 'X'"
function Run:lease(name, what)
  if not self:acting() and self.mode ~= "destroy" or not self.journal then return end
  local held, message = leases.take(self.journal, name, what)
  if held then return self:hold(held) end
  fail.raise {
    kind = "conflict", code = "busy", what = what, why = message or "another process holds it",
    fix = "Wait for the other one to end, then run the same command again.",
  }
end

---------------------------------------------------------------------------
-- Acting

--- Call `fn` before the first change of the run; never, when there is no change.
---@param fn fun()
function Run:before_change(fn)
  table.insert(self.hooks, fn)
end

-- Changes side by side wait for the same hooks.
local function open(run)
  if not run.opening then
    run.opening = task.spawn(function()
      for _, hook in ipairs(run.hooks) do hook() end
    end)
  end
  run.opening:wait()
end

local function report(run, item)
  if not run:acting() and run.mode ~= "destroy" then return end
  local tell = item.action == "none" and log.note or log.prose -- a change is told also with --quiet
  tell("  " .. workflow_print.line(item))
end

local function new_item(run, kind, name)
  local item = { kind = kind, name = name, action = "none", done = false }
  table.insert(run.step.items, item)
  return item
end

-- Run act() when applying, and return its result; return `unknown` when planning.
local function carry_out(run, item, action, act)
  item.action = workflow_print.change(action)
  if not run:acting() then return resource.unknown end
  task.check() -- a safe place to stop: this change has not begun
  open(run)
  local value = act()
  item.done = true
  report(run, item)
  return value
end

local CHANGE = { kind = "string", name = "any", action = "string", made = "any", changes = "table", act = "function" }
local read_change = options_of("run:change", CHANGE)

--- Make a change that is no resource: recorded in a plan, made when applying.
---@param change { kind: string, name: string, action: string?, made: string?, changes: table?, act: fun(): any }
---@return any what act returned, or unknown
function Run:change(change)
  change = read_change(change)
  local item = new_item(self, change.kind, change.name)
  item.made, item.changes = change.made, change.changes
  return carry_out(self, item, change.action or "create", change.act)
end

--- Record something that is as it should be.
---@param kind string
---@param name string
---@param made string?
function Run:found(kind, name, made)
  local item = new_item(self, kind, name)
  item.made = made
  report(self, item)
end

---------------------------------------------------------------------------
-- Waiting until changes are visible

local function watch(run, what, seen)
  table.insert(run.watching, task.spawn(wait_until, what, seen))
end

--- Wait until all changes so far are visible.
function Run:settle()
  local watching = self.watching
  self.watching = {}
  for _, watcher in ipairs(watching) do watcher:wait() end
end

---------------------------------------------------------------------------
-- Ensuring

-- The state after an update, as far as a plan can know it.
local function after_update(actual, wanted)
  local value = {}
  for name, member in pairs(actual) do value[name] = member end
  for name, member in pairs(wanted or {}) do value[name] = member end
  return value
end

-- Read once more before creating: another run may have created it. Creating what exists only once tells itself.
local function look_again(run, thing)
  if thing.once or not run:acting() or not thing:readable() then return nil end
  task.check()
  open(run)
  run:lease("make/" .. (thing.key and thing:key() or tostring(thing)), "create " .. tostring(thing))
  return thing:read()
end

-- Is it restored? It counts as changed: only afterwards it is known whether it comes back or is made again.
local function comes_back(thing)
  return thing.host ~= nil and thing.host.restored == true and not thing.part
end

local function say_made(run, item, thing)
  if not comes_back(thing) then item.made = thing.made
  else item.made = run:acting() and "is there again" or "comes back with the application, or is made again" end
end

local function make(run, item, thing)
  say_made(run, item, thing)
  local action = (thing.returning or comes_back(thing)) and "update" or "create"
  local value = carry_out(run, item, action, function()
    ownership.record_adding(run, thing)
    local value = thing:create()
    watch(run, tostring(thing), function() return thing:seen(value) end)
    return value
  end)
  return run:acting() and value or thing.returning or value
end

local function come_back(run, item, actual)
  item.action, item.done, item.made = "update", run:acting(), "is there again"
  report(run, item)
  return actual
end

-- A part of something that this run made is created with it; a plan says so.
local function is_new(thing) return thing.part and thing.host.made_now end

local function amend(run, item, thing, actual, changes)
  if is_new(thing) then item.made = thing.made else item.changes = changes end
  local value = carry_out(run, item, is_new(thing) and "create" or "update", function()
    ownership.record_adding(run, thing, changes)
    local value = thing:update(actual, changes) or after_update(actual, thing.wanted)
    watch(run, tostring(thing), function() return thing:seen(value) end)
    return value
  end)
  return run:acting() and value or after_update(actual, thing.wanted)
end

local function read(thing)
  local fetched = thing.fetched
  if not fetched then return thing:readable() and thing:read() or nil end
  thing.fetched = nil -- used once: later it may be different
  return fetched.value
end

-- A part of something that is ours is deleted with it.
local function note_undo(run, thing, item, actual)
  if not actual then return resource.unknown end
  if not (thing.part and thing.host.ours) then
    table.insert(run.undo, { item = item, thing = thing, actual = actual, step = run.step })
  end
  return actual
end

local function ensure(run, thing, item)
  local actual = read(thing)
  if run.mode == "destroy" then return note_undo(run, thing, item, actual) end
  actual = actual or look_again(run, thing)
  if not actual then return make(run, item, thing) end
  if thing.adopt and run:acting() then thing:adopt(run, actual) end
  local changes = thing:differs(actual)
  if #changes > 0 then return amend(run, item, thing, actual, changes) end
  if comes_back(thing) then return come_back(run, item, actual) end
  item.made = thing.is
  report(run, item)
  return actual
end

--- Make a resource exist as wanted, and wait in the background until that is visible. Unknown in a plan. Waits.
---@param thing resource.Resource
---@return any
function Run:ensure(thing)
  return ensure(self, thing, new_item(self, thing.kind, thing.name))
end

-- Raise the first error of several side by side; the others were recorded with their items.
local function raise_first(outcomes)
  for _, one in ipairs(outcomes) do
    if not one.ok then error(one.result, 0) end
  end
end

--- Ensure independent resources side by side. Every one that began is finished, also when others fail. Waits.
---@param things resource.Resource[]
---@return any[] values in the same order
function Run:all(things)
  local items, values = {}, {}
  for i, thing in ipairs(things) do items[i] = new_item(self, thing.kind, thing.name) end
  raise_first(task.each(things, SIDE_BY_SIDE, function(thing, i) values[i] = ensure(self, thing, items[i]) end))
  return values
end

---------------------------------------------------------------------------
-- Removing

--- Have `destroy` remove something that is no resource.
---@param thing resource.Resource|table with kind, name, ours and delete
---@param actual any
function Run:undoing(thing, actual)
  local item = new_item(self, thing.kind, thing.name)
  table.insert(self.undo, { item = item, thing = thing, actual = actual, step = self.step })
end

local function judge(run, undo)
  local ours, why = undo.thing:ours(undo.actual, run)
  if ours then
    undo.item.action, undo.item.made = "delete", why
  else
    undo.item.action = "none"
    run.step = undo.step
    run:leave(undo.item.kind, undo.item.name, why or "nothing proves that it was made here")
  end
  return ours
end

local function gone(thing)
  return function() return thing.read == nil or thing:read() == nil end
end

local function take_away(run, undo)
  run.step = undo.step
  undo.thing:delete(undo.actual, run)
  undo.item.done = true
  ownership.record_removal(run, undo.thing)
  report(run, undo.item)
  if undo.thing.gone == false then return end
  watch(run, ("that %s '%s' is gone"):format(undo.item.kind, undo.item.name), undo.thing.gone or gone(undo.thing))
end

-- The things of one step do not depend on each other; steps do.
local function last_step_of(list)
  local group, step = {}, list[#list].step
  while list[#list] and list[#list].step == step do group[#group + 1] = table.remove(list) end
  return group, step
end

local function walk_back(run, dry)
  local list = {}
  for _, undo in ipairs(run.undo) do
    if judge(run, undo) then list[#list + 1] = undo end
  end
  if dry or #list == 0 then return end
  open(run)
  while #list > 0 do
    local group, step = last_step_of(list)
    task.check()
    log.step(step.name)
    raise_first(task.each(group, SIDE_BY_SIDE, function(undo) take_away(run, undo) end))
    run:settle() -- what it depends on is deleted only when it is gone
  end
end

---------------------------------------------------------------------------
-- The run

local function begin(run, step)
  run.step = { name = step.name, state = "done", items = {}, notes = {}, warnings = {}, unseen = {} }
  table.insert(run.steps, run.step)
  if run:acting() then log.step(step.name) else log.progress(step.name) end
end

-- May a step marked `settled` start: is everything visible, and no person waited for?
local function may_start(run, step)
  if not step.settled or not run:acting() then return true end
  run:settle()
  return #run.waiting == 0
end

-- Raise a failure when --renew was given and no step keeps a credential.
local function check_renewed(run)
  if not (run.renew or run.old_now) or run.keeps_credentials then return end
  fail.raise {
    kind = "usage", what = ("renew the credentials of %s"):format(run.id),
    why = "it has no client secret and no certificate", fix = "Leave out --renew and --old-now.",
  }
end

local function go(run, declaration, dry)
  for _, step in ipairs(declaration.steps) do
    if not may_start(run, step) then break end
    begin(run, step)
    step.act(run, run.have, run.args)
  end
  if run.mode == "destroy" then return walk_back(run, dry) end
  run:settle()
  check_renewed(run)
end

-- Commit. An adoption, or the last deletion, had no request after it that would have made its record durable.
local function put_on_record(run)
  if run.journal and (run:acting() or run.mode == "destroy") then commit.commit(run.journal) end
end

local function release(run)
  for _, watcher in ipairs(run.watching) do watcher:cancel("the run ended") end
  for i = #run.held, 1, -1 do run.held[i]:close() end
end

---@class workflow.options
---@field journal host.journal.journal?
---@field profile table?
---@field interactive boolean? a person is there to be asked
---@field dry boolean? with "destroy": only tell what would be deleted
---@field renew string? make new credentials now, whatever their dates say; why
---@field old_now boolean? remove the earlier ones as soon as the new ones are in use

--- Go through the steps. A failure ends the run early and is in the result; any other error is raised.
---@param declaration workflow.Declaration
---@param mode "plan"|"apply"|"verify"|"destroy"
---@param args table
---@param options workflow.options?
---@return workflow.result result, integer status
function M.run(declaration, mode, args, options)
  options = options or {}
  local run = Run {
    mode = mode, id = declaration.id, args = args, journal = options.journal, profile = options.profile or {},
    interactive = options.interactive or false, dry = options.dry or false, renew = options.renew,
    old_now = options.old_now, have = {}, steps = {}, waiting = {}, left = {}, alarms = {}, unknown = {}, held = {},
    hooks = {}, watching = {}, undo = {},
  }
  local scope <close> = setmetatable({}, { __close = function() release(run) end })
  local ok, err = xpcall(go, scheduler.keep_trace, run, declaration, options.dry)
  local kept, trouble = xpcall(put_on_record, scheduler.keep_trace, run)
  if ok and not kept then ok, err = false, trouble end
  if not ok and not fail.is(err) then error(err, 0) end
  if not ok then
    if fail.is(err, "denied") then require("permissions.denied").explain(err) end
    outcome.complete(run, err)
    if run.step then run.step.state = "failed" end
  end
  local result = outcome.of(run, not ok and err or nil, options.dry)
  return result, result.status, scope and nil
end

return M
