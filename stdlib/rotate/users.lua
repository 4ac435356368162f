--- Run a policy for users: find the accounts that it selects and what to do about each, then rotate their passwords
--- within its limits: unfinished rotations first, then a few accounts one after another, then the rest.

local account_sinks = require "rotate.account_sinks"
local class = require "base.class"
local command = require "rotation.command"
local commit = require "journal.commit"
local crew = require "task.crew"
local directory_clock = require "rotation.directory_clock"
local due = require "rotation.due"
local ending = require "rotation.ending"
local fail = require "fail"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local left_over = require "journal.left_over"
local log = require "log"
local policy_select = require "policy.select"
local progress = require "graph.progress"
local rotation_account = require "rotation.account"
local rows = require("journal.rotations").user_passwords
local run_limit = require "rotation.run_limit"
local scheduler = require "task.scheduler"
local sets = require "base.sets"
local sys = require "host.sys"
local task = require "task"
local time = require "time"
local traceback = require "base.traceback"
local user_password = require "rotation.user_password"
local users = require "entra.users"

local M = {}

local AT_ONCE = 100 -- accounts rotated side by side
local MANY = 1000 -- the number of accounts from which freed memory is given back to the system
local HEAP, IN_FLIGHT = 10 << 10, 2300 -- KiB of Lua's memory: in all, and for AT_ONCE rotations
local YOUNG = 20 -- percent by which the memory grows between two collections of new garbage
local PERMISSION = "User-PasswordProfile.ReadWrite.All"

---@class rotation.entry one account of a run
---@field name string its user principal name
---@field what string of the verdict; after the rotation "changed", "ended", "left", "failed", "waits" or "busy"
---@field why string
---@field fix string? what a person can do about it
---@field code string? why it is refused, in a word
---@field due number? of the verdict
---@field id string object id
---@field roles table[]? admin roles it holds, if any
---@field edited sink.passwords.entry? its entry, when somebody modified the entry since we wrote it
---@field renamed string? the name of its entry, when the account has another name
---@field group string? a role-assignable group that it is in
---@field outside boolean? is it not selected any more?
---@field adopt entra.user? the account, when the sink's value is in force though this journal did not set it
---@field adopted table? the sink's value that is adopted
---@field failure any?

---@class rotate.users
---@field terms policy.terms
---@field entries rotation.entry[]
---@field run rotation.run
---@field changes rotation.entry[] what this run may change, the longest due first
---@field later integer due too, but beyond the limit of a run
---@field recoveries rotation.entry[]
---@field left_over journal.left_over[] entries of accounts that the policy does not select any more
local Users = class "rotate.users"

---------------------------------------------------------------------------
-- Reading the accounts

local function user_name_set(list)
  local set = {}
  for _, word in ipairs(list) do set[word:lower()] = true end
  return set
end


local function rotation_setting(terms, tenant, options)
  return {
    terms = terms, now = graph_clock.now(), never = user_name_set(terms.never),
    operator = tenant.me.kind == "user" and tenant.me.oid,
    role_ids = tenant.role_ids, installations = sets.of(options.journal:installations()),
    by_permission = tenant.me.kind == "app" and sets.of(tenant.me.roles)[PERMISSION],
    named = options.now and user_name_set(options.now) or nil, outside_window = options.outside_window,
  }
end

-- Set the verdict or the outcome of an entry.
local function set_account_outcome(entry, what, why, code, fix)
  entry.what, entry.why, entry.code, entry.fix = what, why, code, fix
  return entry
end

-- The account's entry that was modified since we wrote it. A row of an earlier version knows one sink.
local function find_edited_entry(row, slot)
  local modified = row and row.body.value and row.body.modified
  if not modified then return nil end
  if type(modified) ~= "table" then modified = { modified } end
  for i, one in ipairs(slot.parts or { slot }) do
    local current = one.current
    local is_ours = current and current.marker == row.body.marker and current.modified and modified[i]
    if is_ours and current.modified ~= modified[i] then return current end
  end
end

-- What stops an account before it is judged: the sinks of its open rotation are not in the policy any more.
local function judge_account_in_sinks(self, account, row, slot)
  local why, fix = rotation_account.keep_sinks(self.run.sink, account, row)
  if why then return { what = "stop", why = why, fix = fix } end
  return due.judge_account(self.run.setting, account, row, slot or self.run.sink:slot(account),
    self.run.sink:keys(account))
end

-- The entry of an account in this run. It has only those members of the account that are not read again before the
-- rotation, because ten thousand entries have to fit in memory.
local function account_entry(self, account)
  local row = rows:get(self.run.journal, account.id)
  local verdict = judge_account_in_sinks(self, account, row)
  local slot = self.run.sink:slot(account)
  local entry = { name = account.upn, id = account.id }
  set_account_outcome(entry, verdict.what, verdict.why, verdict.code, verdict.fix)
  self.run.sink:claim(account)
  entry.renamed = verdict.what == "wait" and self.run.sink:former_name(account) or nil
  if entry.renamed then
    set_account_outcome(entry, "wait",
      ("%s; its entry is called %s, and gets the account's name"):format(verdict.why, entry.renamed))
  end
  if verdict.what == "wait" then entry.edited = find_edited_entry(row, slot) end
  if verdict.due then entry.due = verdict.due end
  if verdict.what == "stop" then entry.changed = account.changed end
  if #account.roles > 0 then entry.roles = account.roles end
  if account.group then entry.group = account.group end
  if account.outside then entry.outside = true end
  if verdict.adopt then entry.adopt, entry.adopted = account, verdict.adopt end
  return entry
end

local NO_ROLES = {}

-- The account of an entry, as far as user_password.rotate needs it before it reads the account again.
local function account_of_entry(entry)
  return {
    id = entry.id, upn = entry.name, roles = entry.roles or NO_ROLES, group = entry.group, outside = entry.outside,
  }
end

-- Choose the sinks of accounts, and read their entries.
local function read_account_in_sinks(self, accounts)
  if self.terms.choose_sink then
    for _, account in ipairs(accounts) do
      local row = rows:get(self.run.journal, account.id)
      local is_kept = rotation_account.has_sinks(row) and not rotation_account.keep_sinks(self.run.sink, account, row)
      if not is_kept then account_sinks.choose(self.terms, self.run.sink, account) end
    end
  end
  self.run.sink:read(accounts)
end

-- Add rotations that this policy began for accounts that it does not select any more.
local function add_unselected_accounts(self, found, seen)
  for _, row in ipairs(rows:unfinished(self.run.journal)) do
    if row.body.policy == self.terms.name and not seen[row.id] and row.state ~= "left" then
      local account = users.read_with_names(found, row.id)
        or { id = row.id, upn = row.body.name, roles = {}, disabled = true, changed = row.body.before }
      account.outside = true
      read_account_in_sinks(self, { account })
      table.insert(self.entries, account_entry(self, account))
    end
  end
end

local function other_policy_of_user(self, user)
  local row = user and rows:get(self.run.journal, user)
  return row and row.body.policy ~= "" and row.body.policy ~= self.terms.name and row.body.policy
end

-- Read the entries of accounts that this policy rotated, and does not select any more, in sinks that cannot list.
local function read_former_accounts(self, seen)
  if self.run.sink:lists() then return end
  local former = {}
  for _, row in ipairs(rows:all(self.run.journal)) do
    if row.body.policy == self.terms.name and not seen[row.id] and row.body.sinks then
      former[#former + 1] = { id = row.id, upn = row.body.name, roles = {} }
    end
  end
  read_account_in_sinks(self, former)
end

local function why_left_over(entry, slot, is_selected)
  if is_selected then return "its account has another sink now, so this password is not changed" end
  return entry == slot.current and "the policy does not select its account any more, so this password is not changed"
    or "a pending value of an account that the policy does not select; it may be in force"
end

-- Find entries of ours in the sinks that no account has which the policy selects; `seen`: the accounts that it selects.
local function find_left_over_entries(self, seen)
  self.run.sink:each_slot(function(slot, where)
    local entry = not slot.claimed and (slot.current and not slot.current.foreign and slot.current or slot.pending[1])
    if entry and not other_policy_of_user(self, entry.user) then
      table.insert(self.left_over, { name = where(entry), why = why_left_over(entry, slot, seen[entry.user or ""]) })
    end
  end)
  table.sort(self.left_over, function(a, b) return a.name < b.name end)
end

local EDITED = "somebody changed its entry, which holds another value than the password in force"
local EDITED_FIX = "Have a new password set and stored: {moonlatch} rotate %s --now %s"

-- Read the edited entries, and stop the accounts whose entries hold another password. An edited note stops nothing.
local function stop_accounts_with_edited_entries(self)
  local edited = {}
  for _, entry in ipairs(self.entries) do
    if entry.edited then edited[#edited + 1] = entry end
  end
  task.map(edited, 16, function(entry)
    local value <close> = rows:unseal(self.run.journal, rows:get(self.run.journal, entry.id).body.value)
    local account = { id = entry.id, upn = entry.name }
    if not value or self.run.sink:holds(account, entry.edited, value) then return end
    set_account_outcome(entry, "stop", EDITED, "edited", hint.text(EDITED_FIX, self.terms.name, entry.name))
  end)
end

local ORDER = { change = 1, recover = 2, stop = 3, busy = 4, refuse = 5, wait = 6, never = 7 }

-- In a run for named accounts, leave out all other accounts.
local function keep_named_accounts(self)
  local setting = self.run.setting
  if not setting.named then return end
  self.selected_names = {}
  for i, entry in ipairs(self.entries) do self.selected_names[i] = entry.name end
  local entries = {}
  for _, entry in ipairs(self.entries) do
    if due.is_named(setting, { id = entry.id, upn = entry.name }) then entries[#entries + 1] = entry end
  end
  self.entries, self.left_over = entries, {}
end

local function is_more_urgent(a, b)
  if a.what ~= b.what then return ORDER[a.what] < ORDER[b.what] end
  if a.due ~= b.due then return (a.due or math.huge) < (b.due or math.huge) end
  return a.name < b.name
end

---@class rotation.tenant what all policies of a run share
---@field me oauth.principal
---@field role_ids table<string, boolean> directory roles that we hold
---@field holders entra.holders
---@field federated table<string, boolean>

-- Collect garbage earlier than Lua's default, which would let garbage take as much memory again as ten thousand
-- accounts.
local function collect_garbage_early() collectgarbage("incremental", 120, 400) end

--- Find the accounts of the policy, and what to do about each. Changes nothing. Waits.
---@param terms policy.terms
---@param tenant rotation.tenant
---@param options rotation.options
---@return rotate.users
function M.find_due(terms, tenant, options)
  collect_garbage_early()
  local self = Users { terms = terms, entries = {}, left_over = {} }
  local sink = account_sinks.of_policy(terms, { what = "plan " .. terms.name, profile = options.profile,
    tenant = tenant.me.tenant, policy = terms.name, rights = options.rights })
  local found = task.all {
    function() return policy_select.find_accounts(terms.select, tenant.federated, tenant.holders) end,
    function() return sink:open(options.profile) end,
  }
  self.run = {
    journal = options.journal, sink = sink, terms = terms, setting = rotation_setting(terms, tenant, options),
    federated = tenant.federated, directory = directory_clock.of(options.journal),
  }
  local seen = {}
  read_account_in_sinks(self, found.accounts)
  for i, account in ipairs(found.accounts) do
    seen[account.id] = true
    self.entries[i], found.accounts[i] = account_entry(self, account), false
  end
  add_unselected_accounts(self, { federated = tenant.federated }, seen)
  read_former_accounts(self, seen)
  find_left_over_entries(self, seen)
  stop_accounts_with_edited_entries(self)
  keep_named_accounts(self)
  run_limit.sort(self, is_more_urgent)
  self.progress = progress.of(terms.name, #self.recoveries + #self.changes)
  return self
end

--- May changes begin now? With the moment when the window closes, or opens.
---@return boolean open, number? moment
function Users:open()
  if not self.terms.window or self.run.setting.outside_window then return true end
  return self.terms.window:at(time.now())
end

---------------------------------------------------------------------------
-- Changing accounts

local function outcome_of_failure(failure)
  if not fail.is(failure) then return "failed" end
  if failure.code == "window" then return "waits" end
  return failure.kind == "person" and "stop" or failure.kind == "refused" and failure.code and "refuse" or "failed"
end

local function set_account_failed(self, entry, failure)
  if fail.is(failure, "interrupted") then
    set_account_outcome(entry, "skipped", "the program was asked to stop")
    return
  end
  if fail.is(failure, "denied") and not self.explained then
    self.explained = true -- explaining takes requests, so only the run's first denial is explained
    require("permissions.denied").explain(failure)
  end
  entry.failure = failure
  if fail.is(failure) then
    return set_account_outcome(entry, outcome_of_failure(failure), failure.why, failure.code, failure.fix)
  end
  set_account_outcome(entry, "failed", tostring(failure))
end

local BAD = { failed = true, stop = true, left = true }

local function log_account_outcome(entry)
  if entry.what == "changed" then return log.detail("changed " .. entry.name) end
  if BAD[entry.what] then log.warn(("%s: %s"):format(entry.name, entry.why)) end
end

local function notify_program_of_change(self, entry, done)
  if done.what ~= "changed" or not self.terms.after.run then return end
  local ok, failure = pcall(scheduler.uninterrupted, command.notify, self.terms.after.run, {
    name = entry.name, policy = self.terms.name, rotation = done.row.body.marker,
  })
  if not ok then log.warn(("%s: %s"):format(entry.name, tostring(failure))) end
end

local function rotate_account_entry(self, entry)
  local open = self:open()
  if entry.what == "change" and not open then
    set_account_outcome(entry, "waits", "the window has closed")
    return
  end
  local ok, done = xpcall(user_password.rotate, traceback.keep, self.run, account_of_entry(entry))
  if not ok then
    set_account_failed(self, entry, done)
    log_account_outcome(entry)
    if entry.what == "failed" or entry.what == "stop" then error(done, 0) end
    return
  end
  set_account_outcome(entry, done.what, done.why or "done", done.code, done.fix)
  if done.warning then log.warn(done.warning) end
  log_account_outcome(entry)
  notify_program_of_change(self, entry, done)
end

local function rotate_account_entries(self, entries, at_once, stop)
  local _, failures = crew.each(entries, at_once, function(entry) rotate_account_entry(self, entry) end, {
    stop_on_failure = stop, progress = self.progress, forget = true,
  })
  return failures
end

local function split_off_canary(entries, count)
  return table.move(entries, 1, math.min(count, #entries), 1, {}),
    table.move(entries, count + 1, #entries, 1, {})
end

-- Probe the sink before the first change of a run. A run without a change does not probe it.
local function probe_password_sink_once(self)
  if not self.tried then self.run.sink:probe(self.run.journal) end
  self.tried = true
end

local function adopt_stored_passwords(self)
  for _, entry in ipairs(self.entries) do
    if entry.adopt and entry.what == "wait" then
      log.prose(("%s: the sink's value is in force, although this journal did not set it; it is adopted")
        :format(entry.name))
      user_password.adopt(self.run, entry.adopt, entry.adopted)
    end
  end
end

local function rename_password_entry(self, entry)
  local row = rows:get(self.run.journal, entry.id)
  local account = { id = entry.id, upn = entry.name }
  self.run.sink:rename(account)
  if row then rows:stage(self.run.journal, row, row.state, { modified = self.run.sink:modified(account) }) end
  log.prose(("%s: its entry was called %s, and has the account's name now"):format(entry.name, entry.renamed))
end

-- Give entries the names of their accounts.
local function rename_password_entries(self)
  for _, entry in ipairs(self.entries) do
    if entry.renamed and entry.what == "wait" then
      local ok, failure = xpcall(rename_password_entry, traceback.keep, self, entry)
      if not ok then set_account_failed(self, entry, failure) end
    end
  end
end

-- Erase the values of rotations that ended with an unknown outcome more than thirty days ago.
local function forget_expired_passwords(self)
  local journal = self.run.journal
  for _, row in ipairs(rows:unfinished(journal)) do
    if row.state == "left" and row.body.policy == self.terms.name then ending.forget_expired_values(journal, row) end
  end
end

-- Try busy accounts once more, within the limit of the run, because the other installation may have finished.
local function retry_busy_accounts(self)
  local busy, left = {}, self.terms.limits.max_changes
  for _, entry in ipairs(self.entries) do left = left - (entry.what == "changed" and 1 or 0) end
  for _, entry in ipairs(self.entries) do
    if entry.what == "busy" and #busy < left then busy[#busy + 1] = entry end
  end
  if #busy > 0 and not task.stopping() and self:open() then
    probe_password_sink_once(self)
    rotate_account_entries(self, busy, AT_ONCE, false)
  end
end

local function skip_account_changes(self, why)
  for _, entry in ipairs(self.changes) do
    if entry.what == "change" then set_account_outcome(entry, "skipped", why) end
  end
end

--- Finish rotations that an earlier run began. Waits.
function Users:recover()
  if #self.recoveries > 0 then probe_password_sink_once(self) end
  rotate_account_entries(self, self.recoveries, AT_ONCE, false)
end

-- Free the memory that finding many accounts took, and collect garbage by generations from now on: most of what a
-- rotation makes is garbage soon, and the accounts stay, so few collections have to visit the accounts. A collection
-- that visits everything is run when the memory has grown to HEAP, or by a fifth when the accounts leave less room.
local function free_account_memory(self)
  if #self.entries >= MANY then sys.trim() end
  local used = collectgarbage("count") + IN_FLIGHT
  collectgarbage("generational", YOUNG, math.max(20, math.min(100, HEAP * 100 // used - 100)))
end

-- Record the left-over entries, except in a run for named accounts, which did not look at other accounts' entries.
local function record_left_over(self)
  if self.run.setting.named then return end
  left_over.record(self.run.journal, self.terms.name, self.left_over, time.now())
end

--- Rotate the passwords that are due: a few one after another, then the rest side by side. Waits.
function Users:act()
  record_left_over(self)
  adopt_stored_passwords(self)
  rename_password_entries(self)
  forget_expired_passwords(self)
  run_limit.apply(self)
  free_account_memory(self)
  local changes = self:open() and self.changes or {}
  if #changes > 0 then probe_password_sink_once(self) end
  local canary, rest = split_off_canary(changes, self.terms.limits.canary)
  if rotate_account_entries(self, canary, 1, true) > 0 then
    skip_account_changes(self, "one of the first failed, so no other was begun")
  elseif rotate_account_entries(self, rest, AT_ONCE, self.terms.limits.stop_on_failure) > 0 then
    skip_account_changes(self, "another one failed, and the policy stops then")
  elseif task.stopping() then
    skip_account_changes(self, "the program was asked to stop")
  else
    retry_busy_accounts(self)
  end
  commit.commit(self.run.journal)
end

return M
