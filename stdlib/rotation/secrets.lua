--- A policy for applications: the client secret of each, by the steps that setup
--- takes too: had, proven, brought to where it is used, and the one before let go.

local command = require "rotation.command"
local credential_policy = require "entra.credential_policy"
local fail = require "fail"
local form = require "devolutions.form"
local limit = require "rotation.limit"
local owned = require "entra.owned"
local rights = require "rotation.rights"
local room = require "room"
local rotation = require "rotation"
local rows = require("rotation.store").client_secrets
local sealed = require "sink.sealed"
local select = require "policy.select"
local sink = require "sink"
local task = require "task"
local time = require "time"
local workflow = require "workflow"

local M = {}

local step = workflow.step

---@class rotation.secrets
---@field terms policy.terms
---@field tenant rotation.tenant
---@field options table journal, profile
---@field entries rotation.entry[]
local Secrets = {}
Secrets.__index = Secrets

---------------------------------------------------------------------------
-- Terms

-- A secret lives as long as was asked for, or as the tenant allows, and is replaced
-- when it is as old as `every` says; where it cannot get that old, with a quarter left.
local function lifetime_of(terms, policy)
  local lifetime = math.min(terms.lifetime, policy.longest or math.huge)
  local left = lifetime - terms.every
  return lifetime, left > 0 and left or lifetime // 4
end

---------------------------------------------------------------------------
-- Bringing it to where it is used

local function how_of(secret, where)
  return {
    "it lies in " .. where,
    ("to see it, on a terminal: moonlatch journal show %s --reveal"):format(secret.row.id),
    ("when it is in use: moonlatch journal confirm %s"):format(secret.row.id),
  }
end

local function await(run, secret, target, where, entry, tenant)
  if secret:is_confirmed() then return end
  local name = target.displayName
  if not secret.row then return run:note("a person will have to say when the new one is in use; rotate says how") end
  run:await {
    what = ("bring the client secret of '%s' to where it is used"):format(name),
    why = "Storing is not using: as long as nobody says that it is in use, the one before is never retired.",
    how = how_of(secret, where),
    form = target.workflow == owned.SETUP and form.fields {
      name = name, tenant = tenant, client_id = target.appId, entry = entry,
    } or nil,
  }
end

-- Was it brought there already? Then it is not brought there again by each run.
local function is_placed(secret)
  local state = secret.row and secret.row.state
  return state == "stored" or state == "handed_over" or state == "confirmed"
end

local PLACE = {}

function PLACE.server(run, secret, self, target, have)
  local to = have.entry
  secret:check_place()
  to:hold {
    tenant = self.tenant.me.tenant, client_id = target.appId, value = secret.value, application = target.displayName,
    marker = secret.row and secret.row.body.marker,
  }
  run:ensure(to)
  if not secret.row then return end
  secret:placed("stored", to:where())
  if to:confirms() then return secret:confirm("read back from " .. to:where()) end
  await(run, secret, target, to:where(), to, self.tenant.me.tenant)
end

function PLACE.handover(run, secret, self, target)
  if secret.row then secret:placed("handed_over", "journal") end
  await(run, secret, target, "the journal", nil, self.tenant.me.tenant)
end

local function once(run, secret, target, what, act)
  if not is_placed(secret) then
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
  local path = secret.row and ("%s/%s-%s.sealed"):format(fields.folder, target.appId, secret.row.id) or fields.folder
  once(run, secret, target, path, function() sealed.write(path, fields.to, secret.value) end)
  await(run, secret, target, path, nil, self.tenant.me.tenant)
end

function PLACE.command(run, secret, self, target)
  local words = self.terms.sink.fields
  once(run, secret, target, "the command " .. words[1], function()
    command.feed(run.journal, words, {
      name = target.displayName, policy = self.terms.name, rotation = secret.row.body.marker,
    }, secret.value)
  end)
  await(run, secret, target, "what the command " .. words[1] .. " keeps", nil, self.tenant.me.tenant)
end

---------------------------------------------------------------------------
-- The steps

local function open_entry(run, self, target)
  if self.terms.sink.kind ~= "server" then return nil end
  local fields = self.terms.sink.fields
  local entry = sink.entry(run, { name = target.displayName, vault = fields.vault, path = fields.path })
  if entry then
    entry:opened()
    return entry
  end
  fail.raise {
    kind = "config", what = "plan " .. self.terms.name, why = "the profile names no Devolutions Server",
    fix = "Add devolutions = { server = \"https://…\", … } to the profile, or choose another sink.",
  }
end

local function have_secret(run, self, target, have)
  local policy = have.policy
  local lifetime, renew_before = lifetime_of(self.terms, policy)
  return rotation.client_secret(run, {
    application = target, name = target.displayName, policy = policy, lifetime = lifetime, renew_before = renew_before,
    grace = self.terms.grace, sink = have.entry,
  })
end

local function steps_of(self, target)
  return workflow.declare {
    id = target.workflow, summary = self.terms.summary,
    steps = {
      step "Client secret" (function(run, have)
        have.entry, have.policy = open_entry(run, self, target), self.policy:of(target)
        run:before_change(function()
          room.check(run.profile)
          if have.entry then have.entry:probe(run.journal) end
        end)
        have.secret = have_secret(run, self, target, have)
      end),
      step "Proof" (function(_, have) task.patiently(have.secret.prove, have.secret, {}) end),
      step "Delivery" (function(run, have)
        task.patiently(PLACE[self.terms.sink.kind], run, have.secret, self, target, have)
        have.secret:tidy()
      end),
    },
  }
end

local function go(self, entry, mode)
  entry.result = workflow.run(steps_of(self, entry.target), mode, {}, {
    journal = self.options.journal, profile = self.options.profile, interactive = false,
  })
  return entry.result
end

---------------------------------------------------------------------------
-- Looking

local function why_not(self, target)
  local sign_in = self.options.profile.sign_in
  if target.appId == sign_in.client_id and sign_in.method == "client_secret" then
    return "it is the application that runs this, and its secret is in the profile: nothing signs in with a new one"
  end
  return rights.why_not_ours(target, self.tenant.me)
end

-- Does storing count as using, for this policy?
local function confirms(self)
  return self.terms.sink.kind == "server" and (self.options.profile.devolutions or {}).linked == true
end

-- What a run before this one did not bring to its end, if anything.
local function why_begun(self, target)
  for _, row in ipairs(rows:all(self.options.journal, target.appId)) do
    local state = row.state
    if state == "known" or state == "proven" then return "it was made, and not yet brought to where it is used" end
    if state == "stored" and confirms(self) then return "it is stored, and not yet on record as used" end
  end
end

local function judge(self, entry, result)
  local changes = result.changes.create + result.changes.update + result.changes.delete
  local begun = not result.failure and why_begun(self, entry.target)
  if begun then
    entry.what, entry.why = "recover", begun
    return
  end
  entry.what = result.failure and "refuse" or changes > 0 and "change" or #result.waiting > 0 and "stop" or "wait"
  if result.failure then entry.why = result.failure.why
  elseif #result.waiting > 0 then entry.why = "waits for a person: " .. result.waiting[1].what
  else entry.why = changes > 0 and "a new one is needed, or an old one goes" or "in force" end
end

-- What a plan of it says, in one line.
local function line_of(entry)
  for _, one in ipairs(entry.result.steps) do
    for _, item in ipairs(one.items) do
      if item.kind == "client secret" then return item.made, item.action end
    end
  end
end

local function entry_of(self, target)
  local entry = { name = target.displayName, target = target }
  local refused = why_not(self, target)
  if refused then
    entry.what, entry.why = "refuse", refused
    return entry
  end
  judge(self, entry, go(self, entry, "plan"))
  local made, action = line_of(entry)
  if made and (entry.what == "change" or entry.what == "wait") then entry.why = made end
  entry.mints = action == "create" or entry.what == "recover"
  return entry
end

--- Which applications the policy is about, and what is to be done about each. Changes nothing.
---@param terms policy.terms
---@param tenant rotation.tenant
---@param options { journal: host.journal.journal, profile: table }
---@return rotation.secrets
function M.look(terms, tenant, options)
  local self = setmetatable({ terms = terms, tenant = tenant, options = options, entries = {} }, Secrets)
  self.policy = credential_policy.read()
  for i, target in ipairs(select.applications_of(terms.select)) do self.entries[i] = entry_of(self, target) end
  table.sort(self.entries, function(a, b) return a.name < b.name end)
  self.changes, self.recoveries, self.later = {}, {}, 0
  for _, entry in ipairs(self.entries) do
    if entry.what == "recover" then table.insert(self.recoveries, entry) end
    if entry.what == "change" and #self.changes < terms.limits.max_changes then table.insert(self.changes, entry)
    elseif entry.what == "change" then self.later = self.later + 1 end
  end
  return self
end

--- Is now a time at which changes may begin?
---@return boolean open, number? moment
function Secrets:open()
  if not self.terms.window then return true end
  return self.terms.window:at(time.now())
end

---------------------------------------------------------------------------
-- Doing

local function settle(entry, result)
  if result.failure then
    entry.failure = result.failure
    entry.what = fail.is(result.failure, "conflict") and "busy" or "failed"
    entry.why = result.failure.why
  elseif #result.waiting > 0 then
    entry.what, entry.why, entry.waiting = "person", result.waiting[1].what, result.waiting
  else
    entry.what, entry.why = "changed", "done"
  end
  return entry.what ~= "failed"
end

-- One after another: each is proven before the next is begun.
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

--- End what a run before this one began.
function Secrets:recover() each(self, self.recoveries, false) end

--- Do it.
function Secrets:act()
  limit.keep(self)
  if self:open() then each(self, self.changes, self.terms.limits.stop_on_failure) end
end

return M
