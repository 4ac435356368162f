--- Numbers for a monitoring system, from the journal alone. Labels hold ids and names of policies: no secret, no hint.

local store = require "evidence.store"
local expiry = require "expiry.look"
local findings = require "notice.findings"
local last_run = require "journal.last_run"
local records = require "notice.records"
local rotations = require "journal.rotations"
local sets = require "base.sets"

local M = {}

local USES = { ["in use"] = "in_use", waiting = "pending", retiring = "old" }

local function credential_labels(item, tenant)
  return { tenant = tenant, app_id = item.app_id, key_id = item.key_id, kind = item.kind, use = USES[item.use] }
end

-- When a credential was last seen to sign in, by others than Moonlatch: by Entra's logs, as far as they were read.
local function last_use(journal, item)
  local last
  local key_id = item.key_id:lower()
  for _, use in ipairs(store.uses(journal, item.app_id)) do
    if use.key_id == key_id and not use.ours and use.last_success then
      last = math.max(last or 0, use.last_success)
    end
  end
  for _, row in ipairs(store.last_uses(journal, item.app_id)) do
    if row.key_id == key_id and row.at then last = math.max(last or 0, row.at) end
  end
  return last
end

local function add(metric, labels, value)
  if value then metric.samples[#metric.samples + 1] = { labels = labels, value = value } end
end

local function new_metric(name, help) return { name = "moonlatch_" .. name, help = help, samples = {} } end

local function credential_metrics(journal, calendar, tenant)
  local ends = new_metric("credential_end_timestamp_seconds", "When a client secret or certificate on record expires.")
  local used = new_metric("credential_last_used_timestamp_seconds",
    "When a credential was last seen to sign in. Without a sample this is not known.")
  local pending = new_metric("handover_pending_since_timestamp_seconds",
    "Since when a client secret waits to be brought to where it is used.")
  for _, item in ipairs(calendar.items) do
    if item.key_id and item.source == "journal" and USES[item.use] then
      add(ends, credential_labels(item, tenant), item.ends)
      add(used, credential_labels(item, tenant), last_use(journal, item))
    elseif item.use == "to confirm" then
      local row = rotations.client_secrets:named(journal, item.key_id)
      add(pending, { tenant = tenant, app_id = item.app_id, key_id = item.key_id },
        row and (row.body.known_at or row.updated))
    end
  end
  return ends, used, pending
end

local function account_metric(journal, tenant)
  local reset = new_metric("account_last_reset_timestamp_seconds",
    "When the password of an account was last changed by Moonlatch.")
  for _, row in ipairs(rotations.user_passwords:all(journal)) do
    add(reset, { tenant = tenant, user_id = row.id, actor = "moonlatch" }, row.body.changed_at)
  end
  return reset
end

local function run_metrics(journal, tenant)
  local success = new_metric("run_last_success_timestamp_seconds", "When a policy last ran without a problem.")
  local at = new_metric("run_last_timestamp_seconds", "When a policy ran last.")
  local result = new_metric("run_last_result", "1 when the last run of a policy had no problem, else 0.")
  local unread = new_metric("run_last_unreadable",
    "1 for a policy that ran, and whose last run is not known: the journal's record of it cannot be opened.")
  local runs, names = last_run.all(journal)
  for _, name in ipairs(names) do add(unread, { tenant = tenant, policy = name }, 1) end
  for _, run in ipairs(runs) do
    local labels = { tenant = tenant, policy = run.policy }
    add(success, labels, run.succeeded_at)
    add(at, labels, run.at)
    add(result, labels, run.succeeded_at == run.at and 1 or 0)
  end
  return success, at, result, unread
end

local function finding_metric(journal, calendar)
  local count = new_metric("findings", "Rotations that failed or wait for a person, and what expires within seven days "
    .. "or has expired, by severity.")
  local look, counts = findings.new(calendar.now), { critical = 0, warning = 0 }
  findings.add_rotations(look, journal)
  findings.add_expiring(look, calendar)
  for _, finding in ipairs(look.findings) do
    if finding.kind == "rotation" or finding.kind == "expiring" and finding.severity == "critical" then
      counts[finding.severity] = counts[finding.severity] + 1
    end
  end
  for _, severity in ipairs(sets.sorted(counts)) do add(count, { severity = severity }, counts[severity]) end
  return count
end

local function undelivered_metric(journal)
  local waiting = new_metric("notices_undelivered", "Notices that are not delivered yet.")
  local counts = records.undelivered(journal)
  for _, target in ipairs(sets.sorted(counts)) do add(waiting, { target = target }, counts[target]) end
  return waiting
end

--- The metrics. Sends no request.
---@param journal host.journal.journal
---@param profile profile
---@return report.metric[]
function M.read(journal, profile)
  local calendar, tenant = expiry.look(journal, profile, { offline = true }), profile.tenant
  local list = table.pack(credential_metrics(journal, calendar, tenant))
  list[#list + 1] = account_metric(journal, tenant)
  table.move({ run_metrics(journal, tenant) }, 1, 4, #list + 1, list)
  list[#list + 1] = finding_metric(journal, calendar)
  list[#list + 1] = undelivered_metric(journal)
  return list
end

return M
