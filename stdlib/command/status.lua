--- moonlatch status: what is set up and managed, how the last runs ended, and what waits for a person. Reads the
--- journal and this machine only.

local command_task = require "cli.command_task"
local expiry = require "expiry.look"
local findings = require "notice.findings"
local hint = require "log.hint"
local json = require "json"
local last_run = require "journal.last_run"
local layout = require "terminal.layout"
local log = require "log"
local report = require "report"
local rotations = require "journal.rotations"
local session = require "session.open"
local states = require "handover.state"
local time = require "time"
local token_cache = require "oauth.token_cache"

local SOON = 60 * 86400 -- seconds within which an expiry date is shown

---------------------------------------------------------------------------
-- Looking

-- The hand-over of each application on record.
local function read_providers(journal, now)
  local list = {}
  for _, row in ipairs(states.rows(journal)) do list[#list + 1] = states.read(journal, row, now) end
  return list
end

-- The accounts whose passwords policies set, and when the oldest known of these passwords was set.
local function read_accounts(journal)
  local found = { count = 0, unfinished = #rotations.user_passwords:unfinished(journal) }
  for _, row in ipairs(rotations.user_passwords:all(journal)) do
    local changed = row.body.changed_at
    found.count = found.count + 1
    if changed and changed < (found.oldest or math.huge) then found.oldest = changed end
  end
  return found
end

-- What waits for a person: rotations that stopped, and hand-overs with required items that are open.
local function read_waiting(journal, providers)
  local look = { now = time.now(), findings = {}, unseen = {} }
  findings.add_rotations(look, journal)
  local list = {}
  for i, finding in ipairs(look.findings) do
    list[i] = { what = finding.title, why = finding.text, fix = finding.fix }
  end
  for _, state in ipairs(providers) do
    if state.open > 0 then
      list[#list + 1] = {
        what = ("the hand-over of '%s' has %s open"):format(state.name, layout.count(state.open, "required item")),
        fix = hint.text("See them: {moonlatch} handover"),
      }
    end
  end
  return list
end

---@class command.status.found
---@field now number
---@field profile profile
---@field kept { name: string, since: string }? the sign-in that is kept
---@field records integer of the journal
---@field providers handover.state[]
---@field accounts { count: integer, unfinished: integer, oldest: number? }
---@field runs journal.last_run[]
---@field waiting { what: string, why: string?, fix: string? }[]
---@field expiring expiry.item[] within SOON, what expires first is first
---@field unknown expiry.unknown[]

---@param journal host.journal.journal
---@param profile profile
---@return command.status.found
local function look(journal, profile)
  local now = time.now()
  local calendar = expiry.look(journal, profile, { offline = true })
  local providers = read_providers(journal, now)
  local kept = profile.key and token_cache.is_personal(profile) and token_cache.about(profile) or nil
  return {
    now = now, profile = profile, kept = kept, records = (journal:head()), providers = providers,
    accounts = read_accounts(journal), runs = last_run.all(journal), waiting = read_waiting(journal, providers),
    expiring = expiry.until_moment(calendar, now + SOON), unknown = calendar.unknown,
  }
end

---------------------------------------------------------------------------
-- For people

local function title(text) log.prose("\n" .. log.style("bold", text)) end

local function print_profile(found)
  local profile, method = found.profile, found.profile.sign_in.method
  log.prose(("%s, profile %s (%s)"):format(log.style("bold", profile.tenant), profile.name, profile.file))
  local kept = found.kept and (", kept for %s since %s"):format(found.kept.name, found.kept.since) or ""
  log.prose(("  signs in by %s%s"):format(method, kept))
  log.prose(("  journal: %s"):format(layout.count(found.records, "record")))
end

local SECRET_WORDS = {
  none = "no client secret is proven yet", ["to give"] = "client secret %s waits to be handed over",
  given = "client secret %s was handed over, and nobody confirmed that it is used",
  ["in use"] = "client secret %s in use",
}

local function secret_text(secret, now)
  local text = SECRET_WORDS[secret.state]:format(secret.short)
  if secret.state == "in use" and secret.has.by then text = ("%s (known by: %s)"):format(text, secret.has.by) end
  return secret.ends and ("%s; expires %s"):format(text, expiry.distance(secret.ends, now)) or text
end

local function print_providers(found)
  title "Set up"
  if #found.providers == 0 then
    return log.prose(hint.text("  nothing yet. `{moonlatch} apply setup/entra-pam-provider` sets up Devolutions PAM"))
  end
  for _, state in ipairs(found.providers) do
    log.prose(("  %s (%s)%s"):format(state.name, state.client_id, state.destroyed and ": deleted in Entra" or ""))
    if not state.destroyed then log.prose("    " .. secret_text(state.secret, found.now)) end
    if state.address then log.prose("    used by Devolutions at " .. state.address) end
  end
end

local function ago(moment, now)
  if not moment then return "never" end
  return now - moment < 10 and "just now" or time.span(now - moment) .. " ago"
end

local function run_row(run, now)
  local result = run.failure and "failed" or run.count > 0 and layout.count(run.count, "problem") or "well"
  return { policy = run.policy, last = ago(run.at, now), result = result, changed = run.changed,
    next = run.next_at and (run.next_at <= now and "now" or "in " .. time.span(run.next_at - now)) or "" }
end

local RUN_COLUMNS = { { key = "policy" }, { key = "last", title = "last run" }, { key = "result", title = "ended" },
  { key = "changed" }, { key = "next", title = "next due" } }

local function print_runs(found)
  title "Policies"
  local accounts = found.accounts
  if accounts.count > 0 then
    local unfinished = accounts.unfinished > 0 and (", %d of them unfinished"):format(accounts.unfinished) or ""
    log.prose(("  %s on record%s; the oldest password was set %s"):format(layout.count(accounts.count, "account"),
      unfinished, ago(accounts.oldest, found.now)))
  end
  if #found.runs == 0 then
    return log.prose(hint.text("  none ran yet. `{moonlatch} rotate POLICY` runs one"))
  end
  local rows = {}
  for i, run in ipairs(found.runs) do rows[i] = run_row(run, found.now) end
  report.table(rows, RUN_COLUMNS)
end

local function print_waiting(found)
  title "Waits for a person"
  if #found.waiting == 0 then log.prose("  nothing") end
  for _, one in ipairs(found.waiting) do
    log.prose("  ! " .. one.what)
    if one.why then log.prose("    why: " .. one.why) end
    if one.fix then log.prose("    fix: " .. one.fix) end
  end
end

local function print_expiring(found)
  title(("Expires within %s"):format(time.span(SOON)))
  if #found.expiring == 0 then log.prose("  nothing that is on record here") end
  for _, item in ipairs(found.expiring) do
    log.prose(("  ! %s: %s"):format(expiry.words(item), expiry.distance(item.ends, found.now)))
  end
  for _, unknown in ipairs(found.unknown) do
    log.prose(("  ? it is not known %s: %s"):format(unknown.what, unknown.why))
  end
end

local function print_for_people(found)
  print_profile(found)
  print_providers(found)
  print_runs(found)
  print_waiting(found)
  print_expiring(found)
  log.prose("\n" .. hint.text("The tenant was not asked: `{moonlatch} doctor` looks at it."))
end

---------------------------------------------------------------------------
-- As JSON

local function json_of_providers(found)
  local list = json.array {}
  for i, state in ipairs(found.providers) do
    local secret = state.secret
    list[i] = { name = state.name, client_id = state.client_id, destroyed = state.destroyed, consumer = state.consumer,
      address = state.address, open_items = state.open,
      secret = { state = secret.state, short = secret.short, ends = secret.ends and time.iso(secret.ends) } }
  end
  return list
end

local function json_of_runs(found)
  local list = json.array {}
  for i, run in ipairs(found.runs) do
    list[i] = { policy = run.policy, at = time.iso(run.at), changed = run.changed, problems = run.count,
      failed = run.failure ~= nil, succeeded_at = run.succeeded_at and time.iso(run.succeeded_at),
      next_at = run.next_at and time.iso(run.next_at) }
  end
  return list
end

local function json_of_expiring(found)
  local list = json.array {}
  for i, item in ipairs(found.expiring) do
    list[i] = { key = item.key, kind = item.kind, use = item.use, name = item.name, ends = time.iso(item.ends) }
  end
  return list
end

local function print_json(found)
  local accounts = found.accounts
  report.json {
    now = time.iso(found.now), profile = found.profile.name, tenant = found.profile.tenant,
    sign_in = { method = found.profile.sign_in.method, kept_since = found.kept and found.kept.since },
    records = found.records, set_up = json_of_providers(found), policies = json_of_runs(found),
    accounts = { count = accounts.count, unfinished = accounts.unfinished,
      oldest = accounts.oldest and time.iso(accounts.oldest) },
    waiting = json.array(found.waiting), expiring = json_of_expiring(found), unknown = json.array(found.unknown),
  }
end

---------------------------------------------------------------------------

local function run_status(open)
  local found = look(open.journal, open.profile)
  if log.json() then print_json(found) else print_for_people(found) end
  return (#found.waiting > 0 or #found.expiring > 0 or #found.unknown > 0) and 3 or 0
end

local function run_status_command(options)
  local open <close> = session.start(options, { owner = "moonlatch status", reading = true })
  return command_task.run(run_status, open)
end

---@type cli.command
return {
  summary = "show what is set up, how the last runs ended, and what waits for a person",
  details = "From the journal and this machine: no sign-in, and the tenant is not asked.\n"
    .. "Exit status: 3 when something waits for a person, expires within 60 days, or could not be read; else 0.",
  examples = { "moonlatch status", "moonlatch status --profile contoso --json" },

  run = run_status_command,
}
