--- Run a policy for applications: rotate the client secret or the certificate of each application by the same steps as
--- the setup. The credential is found or made, proven, delivered, and the earlier credentials are removed.

local certificate = require "certificate"
local class = require "base.class"
local credential_policy = require "entra.credential_policy"
local delivery = require "rotate.delivery"
local disk_space = require "machine.disk_space"
local fail = require "fail"
local hint = require "log.hint"
local lifetime = require "journal.lifetime"
local policy_select = require "policy.select"
local rights_check = require "rotation.rights_check"
local rotation = require "rotation"
local rotations = require "journal.rotations"
local run_limit = require "rotation.run_limit"
local scheduler = require "task.scheduler"
local sealed_key = require "oauth.sealed_key"
local sets = require "base.sets"
local sink_scripts = require "rotate.sink_scripts"
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
---@field entry sink.entry? of one of the applications, once it was read
---@field sinks policy.sink[] for new values
---@field instead string? where they go instead of the policy's sink, and why
local Applications = class "rotate.applications"

---------------------------------------------------------------------------
-- Terms

local function rotates_certificates(self) return self.terms.credential == "certificate" end

-- Does a person take the new certificates from this machine?
local function keeps_certificates_here(self)
  return rotates_certificates(self) and self.terms.sinks[1].loaded.kept_by == "person"
end

-- The dates of a credential. It lives as long as the policy says, or less where the tenant allows less. It is replaced
-- at the age `every`, and before it expires.
local function credential_dates(self, policy)
  local longest = rotates_certificates(self) and policy.longest_key or policy.longest
  local length = math.min(self.terms.lifetime, longest or math.huge)
  return { lifetime = length, every = self.terms.every }
end

-- The fields that `rotation` wants, for every kind of credential.
local function application_rotation_fields(self, entry, policy)
  local target = entry.target
  local fields = credential_dates(self, policy)
  fields.application, fields.name, fields.policy = target, target.displayName, policy
  fields.grace, fields.renew = self.terms.grace, self.options.now and "asked for with --now" or nil
  fields.old_now = self.options.old_now
  fields.rhythm, fields.retire_unused = self.terms.retire.rhythm, self.terms.retire.unused
  fields.questions = entry.questions
  return fields
end

---------------------------------------------------------------------------
-- The sinks

local LATER = "a person will have to say when the new one is in use; rotate says how"

local function why_no_entries(consumer)
  return hint.text("a person's hands, by `{moonlatch} handover`: %s",
    consumer == "cloud" and "Devolutions Cloud has no entries that are written from here"
      or "the profile names no Devolutions Server")
end

-- Set the sinks. Without a Devolutions Server, client secrets go to a person.
local function choose_sinks(self)
  sink_scripts.load(self.terms, self.terms.name, {})
  self.sinks = self.terms.sinks
  if rotates_certificates(self) then return end
  local consumer = states.consumer(self.options.profile)
  for _, one in ipairs(consumer ~= "server" and self.sinks or {}) do
    local is_entries = one.loaded.kept_by == "entries"
    if is_entries and self.sinks[2] then
      fail.raise { kind = "config", what = self.terms.name .. ": sink", why = "the profile names no Devolutions Server",
        fix = "Remove policy.devolutions.server from the sinks, or add `devolutions` to the profile." }
    end
    if is_entries then self.sinks, self.instead = sink_scripts.handover(), why_no_entries(consumer) end
  end
end

--- Does a client secret that is stored in all the sinks count as in use?
---@return boolean
function Applications:confirms_by_storing()
  for _, one in ipairs(self.sinks) do
    if not one.loaded:confirms(self.options.profile) then return false end
  end
  return true
end

---------------------------------------------------------------------------
-- The steps

local function open_delivery(self, run, entry, credential)
  local opened = delivery.open(run, self, entry.target, credential)
  self.entry = opened.entry
  return opened
end

-- A client secret is made by Entra, so a value that is made for it tries the sinks first. Of a certificate, the new one
-- itself is stored as a pending value before it is sent.
local function make_for_sinks(self, run, have, entry)
  local is_certificate = rotates_certificates(self)
  have.delivery = open_delivery(self, run, entry, is_certificate and "certificate" or "client secret")
  run:before_change(function()
    disk_space.check(run.profile)
    if not is_certificate then have.delivery:probe(run.journal) end
  end)
  local fields = application_rotation_fields(self, entry, self.policy:of(entry.target))
  fields.sink = have.delivery.place
  if is_certificate then
    fields.before_sending = function(credential) have.delivery:keep_pending(credential) end
    return rotation.certificate(run, fields)
  end
  return rotation.client_secret(run, fields)
end

-- Does this installation sign in as the application, with the certificate that is sealed here?
local function signs_in_here(self, target)
  local sign_in = self.options.profile.sign_in
  return sign_in.client_id == target.appId and (sign_in.certificate or {}).from == "sealed"
end

-- Runs on this machine that sign in as the application read the certificate beside the journal.
local function store_for_runs_here(self, run, target, value)
  if not signs_in_here(self, target) then return end
  local key = sealed_key.of(run.profile, target, target.displayName)
  key:hold(value)
  run:ensure(key)
end

local function steps_with_sinks(self, entry)
  local is_certificate = rotates_certificates(self)
  return {
    step(is_certificate and "Certificate" or "Client secret")(function(run, have)
      have.secret = make_for_sinks(self, run, have, entry)
      entry.credential = have.secret
    end),
    step "Proof" (function(_, have) scheduler.uninterrupted(have.secret.prove, have.secret, {}) end),
    step "Delivery" (function(run, have)
      if is_certificate then store_for_runs_here(self, run, entry.target, have.secret.value) end
      scheduler.uninterrupted(have.delivery.deliver, have.delivery, have.secret)
      have.secret:tidy()
    end),
  }
end

local function await_use_of_certificate(run, new_certificate)
  local credential = new_certificate.credential
  if credential:is_confirmed() then return end
  if not credential.row then return run:note(LATER) end
  local id = credential.row.id
  run:await {
    what = ("have '%s' sign in with its new certificate"):format(credential.terms.name),
    why = "Until somebody confirms that it is in use, the certificate before it is never retired.",
    how = {
      "on this machine: a profile with certificate = { from = \"sealed\" } signs in with it already",
      hint.text("elsewhere: {moonlatch} journal show %s --reveal, on a terminal, shows the key and the certificate",
        id),
      hint.text "when it is in use: {moonlatch} journal confirm " .. id,
    },
  }
end

-- A certificate that a person takes from here.
local function certificate_steps(self, entry)
  local target = entry.target
  return {
    step "Certificate" (function(run, have)
      run:before_change(function() disk_space.check(run.profile) end)
      local fields = application_rotation_fields(self, entry, self.policy:of(target))
      fields.used_here = signs_in_here(self, target)
      have.certificate = certificate.ensure(run, fields)
      entry.credential = have.certificate.credential
    end),
    step "Proof" (function(_, have) scheduler.uninterrupted(have.certificate.prove, have.certificate, {}) end),
    step "Delivery" (function(run, have)
      scheduler.uninterrupted(have.certificate.place, have.certificate)
      await_use_of_certificate(run, have.certificate)
    end),
  }
end

local function rotation_workflow(self, entry)
  return workflow.declare {
    id = entry.target.workflow, summary = self.terms.summary,
    steps = (keeps_certificates_here(self) and certificate_steps or steps_with_sinks)(self, entry),
  }
end

local function run_application_rotation(self, entry, mode)
  entry.questions = entry.questions or {} -- the plan may ask of what the run has removed or replaced
  entry.result = workflow_run.run(rotation_workflow(self, entry), mode, {}, {
    journal = self.options.journal, profile = self.options.profile, interactive = false,
  })
  local credential = entry.credential
  entry.due = credential and credential.row and lifetime.due_at(credential.row, credential.terms) or nil
  entry.adopts = credential and credential.adopted_value ~= nil
  entry.records_use = credential and credential.is_use_unrecorded
  entry.remarks = credential and credential.remarks
  entry.credential = nil
  return entry.result
end

---------------------------------------------------------------------------
-- Finding what is due

-- Why the application's credential may not be changed here, and the word for that reason; nil when it may.
local function why_application_not_rotated(self, target)
  local sign_in = self.options.profile.sign_in
  if target.appId == sign_in.client_id and sign_in.method == "client_secret" and not rotates_certificates(self) then
    return "it is the application that runs this, and its secret is in the profile: nothing would sign in with a new "
      .. "one", "self"
  end
  local why = rights_check.why_not_changeable(target, self.tenant.me)
  return why, why and "reach"
end

-- What an earlier run has left unfinished; nil when nothing.
local function why_application_unfinished(self, target)
  local rows = rotates_certificates(self) and rotations.certificates or rotations.client_secrets
  for _, row in ipairs(rows:all(self.options.journal, target.appId)) do
    local state = row.state
    if state == "known" or state == "proven" then return "it was made, and not yet delivered" end
    local is_delivered = state == "stored" or state == "handed_over"
    if is_delivered and self:confirms_by_storing() then return "it is stored, and not yet on record as used" end
    if row.body.pending and (is_delivered or state == "confirmed") then
      return "a pending value of it is left in a sink"
    end
  end
end

local function set_application_refused(entry, failure)
  entry.what, entry.why, entry.fix = "refuse", failure.why, failure.fix
  entry.code = type(failure.code) == "string" and failure.code or failure.kind
end

-- The most urgent text for a person: an alarm about a credential that does not work any more, else what waits.
local function application_waiting_text(result)
  return result.alarms[1] or result.waiting[1].what
end

local function judge_application(self, entry, result)
  local changes = result.changes.create + result.changes.update + result.changes.delete
  if result.failure then return set_application_refused(entry, result.failure) end
  local begun = why_application_unfinished(self, entry.target)
    or entry.adopts and "the sink holds a credential that this journal does not know, and that signs in: it is adopted"
    or entry.records_use and "Entra's log shows that it is in use, which is not on record yet"
  if begun then
    entry.what, entry.why = "recover", result.alarms[1] or begun
  elseif changes > 0 then
    entry.what, entry.why = "change", "a new one is needed, or an old one goes"
  elseif #result.waiting > 0 then
    entry.what, entry.waiting = "stop", result.waiting
    entry.why = "waits for a person: " .. application_waiting_text(result)
  else
    entry.what, entry.why = "wait", "in force"
  end
end

-- The change that the plan shows for the application's credential, in one line, and its action.
local function planned_credential_change(entry)
  for _, one in ipairs(entry.result.steps) do
    for _, item in ipairs(one.items) do
      if item.kind == "client secret" or item.kind == "certificate" then return item.made, item.action end
    end
  end
end

local function application_entry(self, target)
  local entry = { name = target.displayName, target = target }
  local refused, code = why_application_not_rotated(self, target)
  if refused then
    entry.what, entry.why, entry.code = "refuse", refused, code
    return entry
  end
  judge_application(self, entry, run_application_rotation(self, entry, "plan"))
  local made, action = planned_credential_change(entry)
  if made and (entry.what == "change" or entry.what == "wait") then entry.why = made end
  entry.mints = action == "create" or entry.what == "recover"
  return entry
end

-- Is the application among those that a person named with --now? Without such names, all applications are rotated.
local function is_to_be_rotated(self, target)
  if not self.named then return true end
  return self.named[target.displayName:lower()] or self.named[target.appId] or self.named[target.id] or false
end

local function application_name_set(names)
  local words = {}
  for i, name in ipairs(names) do words[i] = name:lower() end
  return sets.of(words)
end

--- Find the applications that the policy selects, and what to do about each. Changes nothing. Waits.
---@param terms policy.terms
---@param tenant rotation.tenant
---@param options rotation.options
---@return rotate.applications
function M.find_due(terms, tenant, options)
  local self = Applications { terms = terms, tenant = tenant, options = options, entries = {}, selected_names = {} }
  choose_sinks(self)
  self.policy, self.named = credential_policy.read(), options.now and application_name_set(options.now) or nil
  for _, target in ipairs(policy_select.find_applications(terms.select, terms.credential)) do
    table.insert(self.selected_names, target.displayName)
    if is_to_be_rotated(self, target) then table.insert(self.entries, application_entry(self, target)) end
  end
  run_limit.sort(self, function(a, b) return a.name < b.name end)
  return self
end

--- May changes begin now?
---@return boolean open, number? moment
function Applications:open()
  if not self.terms.window or self.options.outside_window then return true end
  return self.terms.window:at(time.now())
end

---------------------------------------------------------------------------
-- Changing applications

local function set_application_outcome(entry, result)
  if result.failure then
    entry.failure = result.failure
    entry.what = result.failure.code == "busy" and "busy" or "failed"
    entry.why = result.failure.why
  elseif #result.waiting > 0 then
    entry.what, entry.why, entry.waiting = "person", application_waiting_text(result), result.waiting
  else
    entry.what, entry.why = "changed", "done"
  end
  return entry.what ~= "failed"
end

-- Rotate the applications one after another: each new credential is proven before the next rotation begins.
local function rotate_applications_in_turn(self, entries, stop)
  local stopped
  for _, entry in ipairs(entries) do
    if task.stopping() then
      entry.what, entry.why = "skipped", "the program was asked to stop"
    elseif stopped then
      entry.what, entry.why = "skipped", "another one failed, and the policy stops then"
    else
      stopped = not set_application_outcome(entry, run_application_rotation(self, entry, "apply")) and stop
    end
  end
end

--- Finish rotations that an earlier run began, and delete probe entries that it left in the vault. Waits.
function Applications:recover()
  if self.entry then self.entry:delete_abandoned_probes(self.options.journal) end
  rotate_applications_in_turn(self, self.recoveries, false)
end

--- Rotate the credentials that are due. Waits.
function Applications:act()
  run_limit.apply(self)
  if self:open() then rotate_applications_in_turn(self, self.changes, self.terms.limits.stop_on_failure) end
end

return M
