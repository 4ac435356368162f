--- Run a policy for applications: rotate the client secret or the certificate of each one by the same steps as the
--- setup. The credential is found or made, proven, stored, and the earlier ones are removed.

local certificate = require "certificate"
local class = require "base.class"
local command = require "rotation.command"
local credential_policy = require "entra.credential_policy"
local disk_space = require "machine.disk_space"
local lifetime = require "journal.lifetime"
local owned = require "entra.owned"
local policy_select = require "policy.select"
local probe = require "sink.probe"
local rights_check = require "rotation.rights_check"
local rotation = require "rotation"
local rotations = require "journal.rotations"
local run_limit = require "rotation.run_limit"
local scheduler = require "task.scheduler"
local sealed = require "sink.sealed"
local sets = require "base.sets"
local sink = require "sink"
local sink_handover = require "sink.handover"
local sinks = require "policy.sinks"
local states = require "handover.state"
local task = require "task"
local time = require "time"
local workflow = require "workflow"
local workflow_run = require "workflow.run"

local M = {}

local step = workflow.step

---@class rotate.applications
---@field terms policy.terms
---@field tenant rotation.tenant
---@field options rotation.options
---@field entries rotation.entry[]
---@field vault string? id of the vault with the entries, once an entry was read
---@field place "server"|"handover"|"sealed"|"command" the kind of sink for new values
---@field instead string? why that is not the sink in the policy
local Applications = class "rotate.applications"

---------------------------------------------------------------------------
-- Terms

local function is_certificate(self) return self.terms.credential == "certificate" end

-- The dates of a credential: it lives as long as asked for, or as the tenant allows. It is replaced when it is as old
-- as `every` says, and before it expires.
local function dates_of(self, policy)
  local longest = is_certificate(self) and policy.longest_key or policy.longest
  local length = math.min(self.terms.lifetime, longest or math.huge)
  return { lifetime = length, every = self.terms.every }
end

-- What rotation has to know, for every kind of credential.
local function fields_of(self, target, policy)
  local fields = dates_of(self, policy)
  fields.application, fields.name, fields.policy = target, target.displayName, policy
  fields.grace, fields.renew = self.terms.grace, self.options.now and "asked for with --now" or nil
  fields.old_now = self.options.old_now
  return fields
end

---------------------------------------------------------------------------
-- Storing

local LATER = "a person will have to say when the new one is in use; rotate says how"

local function await(run, secret, target, where)
  if secret:is_confirmed() then return end
  if not secret.row then return run:note(LATER) end
  run:await {
    what = ("bring the client secret of '%s' to where it is used"):format(target.displayName),
    why = "Until somebody confirms that it is in use, the one before is never retired.",
    how = {
      "it lies in " .. where,
      ("to see it, on a terminal: moonlatch journal show %s --reveal"):format(secret.row.id),
      ("when it is in use: moonlatch journal confirm %s"):format(secret.row.id),
    },
  }
end

-- Hand over to a person. Only a provider's form is known; for another consumer the policy does not say what to do.
local function hand_over(run, secret, self, target, entry)
  if secret:is_confirmed() then return end
  sink_handover.hand_over(run, secret, {
    name = target.displayName, tenant = self.tenant.me.tenant, client_id = target.appId, application = target.id,
    entry = entry, consumer = target.workflow ~= owned.SETUP and "none" or nil,
  })
end

local PLACE = {}

function PLACE.server(run, secret, self, target, have)
  local to = have.entry
  to:hold {
    tenant = self.tenant.me.tenant, client_id = target.appId, value = secret.value, application = target.displayName,
    marker = secret.row and secret.row.body.marker, credential = secret,
  }
  run:ensure(to)
  if secret.row then secret:placed("stored", to:where()) end
  if secret.row and to:confirms() then return secret:confirm("read back from " .. to:where()) end
  hand_over(run, secret, self, target, to)
end

function PLACE.handover(run, secret, self, target)
  if secret.row then secret:placed("handed_over", states.HERE) end
  hand_over(run, secret, self, target)
end

local function once(run, secret, target, what, act)
  if not secret:is_placed() then
    run:change {
      kind = "hand-over", name = target.displayName, made = what,
      act = function()
        act()
        secret:placed("handed_over", what)
      end,
    }
  end
end

function PLACE.sealed(run, secret, self, target)
  local fields = self.terms.sink.fields
  local name = secret.row and ("%s-%s.sealed"):format(target.appId, secret.row.id) or nil
  local path = name and ("%s/%s"):format(fields.folder, name) or fields.folder
  once(run, secret, target, path, function() sealed.write(fields.folder, name, fields.to, secret.value) end)
  await(run, secret, target, path)
end

function PLACE.command(run, secret, self, target)
  local words = self.terms.sink.fields
  once(run, secret, target, "the program " .. words[1], function()
    command.feed(words, {
      name = target.displayName, policy = self.terms.name, rotation = secret.row.body.marker,
    }, secret.value)
  end)
  await(run, secret, target, "what the program " .. words[1] .. " keeps")
end

-- Without a Devolutions Server, client secrets go to a person.
local function choose_place(self)
  if is_certificate(self) then return end
  self.place = self.terms.sink.kind
  local consumer = states.consumer(self.options.profile)
  if self.place ~= "server" or consumer == "server" then return end
  self.place = "handover"
  self.instead = ("a person's hands, by `moonlatch handover`: %s. Passwords would be kept by %s only"):format(
    consumer == "cloud" and "Devolutions Cloud has no entries that are written from here"
      or "the profile names no Devolutions Server", sinks.for_passwords())
end

---------------------------------------------------------------------------
-- The steps

local function open_entry(run, self, target)
  if self.place ~= "server" then return nil end
  local fields = self.terms.sink.fields
  local entry = sink.entry(run, { name = target.displayName, vault = fields.vault, path = fields.path })
  entry:opened()
  self.vault = entry.vault_id
  return entry
end

local function secret_steps(self, entry)
  local target = entry.target
  return {
    step "Client secret" (function(run, have)
      have.entry, have.policy = open_entry(run, self, target), self.policy:of(target)
      run:before_change(function()
        disk_space.check(run.profile)
        if have.entry then have.entry:probe(run.journal) end
      end)
      local fields = fields_of(self, target, have.policy)
      fields.sink = have.entry
      have.secret = rotation.client_secret(run, fields)
      entry.credential = have.secret
    end),
    step "Proof" (function(_, have) scheduler.uninterrupted(have.secret.prove, have.secret, {}) end),
    step "Delivery" (function(run, have)
      scheduler.uninterrupted(PLACE[self.place], run, have.secret, self, target, have)
      have.secret:tidy()
    end),
  }
end

-- Does this installation sign in as the application, with the certificate that is sealed here?
local function is_used_here(self, target)
  local sign_in = self.options.profile.sign_in
  return sign_in.client_id == target.appId and (sign_in.certificate or {}).from == "sealed"
end

local function await_certificate(run, held)
  local credential = held.credential
  if credential:is_confirmed() then return end
  if not credential.row then return run:note(LATER) end
  local id = credential.row.id
  run:await {
    what = ("have '%s' sign in with its new certificate"):format(credential.terms.name),
    why = "Until somebody confirms that it is in use, the one before is never retired.",
    how = {
      "on this machine: a profile with certificate = { from = \"sealed\" } signs in with it already",
      ("elsewhere: moonlatch journal show %s --reveal, on a terminal, shows the key and the certificate"):format(id),
      "when it is in use: moonlatch journal confirm " .. id,
    },
  }
end

local function certificate_steps(self, entry)
  local target = entry.target
  return {
    step "Certificate" (function(run, have)
      run:before_change(function() disk_space.check(run.profile) end)
      local fields = fields_of(self, target, self.policy:of(target))
      fields.used_here = is_used_here(self, target)
      have.held = certificate.ensure(run, fields)
      entry.credential = have.held.credential
    end),
    step "Proof" (function(_, have) scheduler.uninterrupted(have.held.prove, have.held, {}) end),
    step "Delivery" (function(run, have)
      scheduler.uninterrupted(have.held.place, have.held)
      await_certificate(run, have.held)
    end),
  }
end

local function steps_of(self, entry)
  return workflow.declare {
    id = entry.target.workflow, summary = self.terms.summary,
    steps = (is_certificate(self) and certificate_steps or secret_steps)(self, entry),
  }
end

local function go(self, entry, mode)
  entry.result = workflow_run.run(steps_of(self, entry), mode, {}, {
    journal = self.options.journal, profile = self.options.profile, interactive = false,
  })
  local credential = entry.credential
  entry.due = credential and credential.row and lifetime.due_at(credential.row, credential.terms) or nil
  entry.adopts = credential and credential.adopted_value ~= nil
  entry.credential = nil
  return entry.result
end

---------------------------------------------------------------------------
-- Looking

-- Why it is not ours to change, and the word for that reason.
local function why_not(self, target)
  local sign_in = self.options.profile.sign_in
  if target.appId == sign_in.client_id and sign_in.method == "client_secret" and not is_certificate(self) then
    return "it is the application that runs this, and its secret is in the profile: nothing signs in with a new one",
      "self"
  end
  local why = rights_check.why_not_ours(target, self.tenant.me)
  return why, why and "reach"
end

-- Does storing count as using, for this policy?
local function confirms(self)
  return self.place == "server" and (self.options.profile.devolutions or {}).linked == true
end

-- What a run before this one did not bring to its end, if anything.
local function why_begun(self, target)
  local rows = is_certificate(self) and rotations.certificates or rotations.client_secrets
  for _, row in ipairs(rows:all(self.options.journal, target.appId)) do
    local state = row.state
    if state == "known" or state == "proven" then return "it was made, and not yet brought to where it is used" end
    if state == "stored" and confirms(self) then return "it is stored, and not yet on record as used" end
  end
end

local function note_failure(entry, failure)
  entry.what, entry.why, entry.fix = "refuse", failure.why, failure.fix
  entry.code = type(failure.code) == "string" and failure.code or failure.kind
end

-- What does not work any more is more than what waits.
local function what_waits(result)
  return result.alarms[1] or result.waiting[1].what
end

local function judge(self, entry, result)
  local changes = result.changes.create + result.changes.update + result.changes.delete
  if result.failure then return note_failure(entry, result.failure) end
  local begun = why_begun(self, entry.target)
    or entry.adopts and "what lies where it is used is not on record here, and works: it is adopted"
  if begun then
    entry.what, entry.why = "recover", result.alarms[1] or begun
  elseif changes > 0 then
    entry.what, entry.why = "change", "a new one is needed, or an old one goes"
  elseif #result.waiting > 0 then
    entry.what, entry.why, entry.waiting = "stop", "waits for a person: " .. what_waits(result), result.waiting
  else
    entry.what, entry.why = "wait", "in force"
  end
end

-- What a plan of it says, in one line.
local function line_of(entry)
  for _, one in ipairs(entry.result.steps) do
    for _, item in ipairs(one.items) do
      if item.kind == "client secret" or item.kind == "certificate" then return item.made, item.action end
    end
  end
end

local function entry_of(self, target)
  local entry = { name = target.displayName, target = target }
  local refused, code = why_not(self, target)
  if refused then
    entry.what, entry.why, entry.code = "refuse", refused, code
    return entry
  end
  judge(self, entry, go(self, entry, "plan"))
  local made, action = line_of(entry)
  if made and (entry.what == "change" or entry.what == "wait") then entry.why = made end
  entry.mints = action == "create" or entry.what == "recover"
  return entry
end

-- Is it among those that are to be changed at once? Without such names, all are meant.
local function is_meant(self, target)
  if not self.named then return true end
  return self.named[target.displayName:lower()] or self.named[target.appId] or self.named[target.id] or false
end

local function sort_out(self)
  table.sort(self.entries, function(a, b) return a.name < b.name end)
  self.changes, self.recoveries, self.later = {}, {}, 0
  for _, entry in ipairs(self.entries) do
    if entry.what == "recover" then table.insert(self.recoveries, entry) end
    if entry.what == "change" and #self.changes < self.terms.limits.max_changes then table.insert(self.changes, entry)
    elseif entry.what == "change" then self.later = self.later + 1 end
  end
end

local function named_of(names)
  local words = {}
  for i, name in ipairs(names) do words[i] = name:lower() end
  return sets.of(words)
end

--- Which applications the policy is about, and what is to be done about each. Changes nothing.
---@param terms policy.terms
---@param tenant rotation.tenant
---@param options rotation.options
---@return rotate.applications
function M.look(terms, tenant, options)
  local self = Applications { terms = terms, tenant = tenant, options = options, entries = {} }
  choose_place(self)
  self.policy, self.named = credential_policy.read(), options.now and named_of(options.now) or nil
  for _, target in ipairs(policy_select.applications_of(terms.select, terms.credential)) do
    if is_meant(self, target) then table.insert(self.entries, entry_of(self, target)) end
  end
  sort_out(self)
  return self
end

--- May changes begin now?
---@return boolean open, number? moment
function Applications:open()
  if not self.terms.window or self.options.outside_window then return true end
  return self.terms.window:at(time.now())
end

---------------------------------------------------------------------------
-- Changing

local function settle(entry, result)
  if result.failure then
    entry.failure = result.failure
    entry.what = result.failure.code == "busy" and "busy" or "failed"
    entry.why = result.failure.why
  elseif #result.waiting > 0 then
    entry.what, entry.why, entry.waiting = "person", what_waits(result), result.waiting
  else
    entry.what, entry.why = "changed", "done"
  end
  return entry.what ~= "failed"
end

-- One after another: each one is proven before the next begins.
local function each(self, entries, stop)
  local stopped
  for _, entry in ipairs(entries) do
    if task.stopping() then
      entry.what, entry.why = "skipped", "the program was asked to stop"
    elseif stopped then
      entry.what, entry.why = "skipped", "another one failed, and the policy stops then"
    else
      stopped = not settle(entry, go(self, entry, "apply")) and stop
    end
  end
end

-- Delete trial entries that an interrupted run left in the vault.
local function clear_probes(self)
  if self.vault then probe.delete_abandoned(self.options.journal, self.vault) end
end

--- Finish rotations that an earlier run began. Waits.
function Applications:recover()
  clear_probes(self)
  each(self, self.recoveries, false)
end

--- Rotate what is due. Waits.
function Applications:act()
  run_limit.keep(self)
  if self:open() then each(self, self.changes, self.terms.limits.stop_on_failure) end
end

return M
