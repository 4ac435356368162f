--- Look at everything that a report is about: privileged accounts, the credentials of the tenant, what expires, the
--- doctor's findings, the last rotations; and say what could not be looked at.

local collect = require "notice.collect"
local discover = require "discover"
local findings = require "notice.findings"
local in_applications = require "expiry.in_applications"
local last_run = require "journal.last_run"
local last_use = require "applications.last_use"
local layout = require "terminal.layout"
local oauth = require "oauth.sign_in"
local reading = require "evidence.reading"
local recent = require "overview.recent"
local task = require "task"
local tenant_credentials = require "applications.tenant_credentials"

local M = {}

--- The calls that reading the credentials of the tenant needs.
---@type script.needs
M.NEEDS = {
  graph = { "GET /applications", "GET /servicePrincipals", "GET /beta/reports/appCredentialSignInActivities" },
  scopes = { "Application.Read.All", "AuditLog.Read.All" },
}

local YEAR = 365.25 * 86400

---@class overview.accounts
---@field rows discover.row[]
---@field whole boolean could all privileges be read?

---@class overview.credentials
---@field list applications.credential_list without federated credentials
---@field uses_known boolean could the daily report be read?

---@class overview.seen what was seen; what is nil could not be looked at
---@field now number
---@field tenant string
---@field head { number: integer, hash: string }? the audit chain's last record
---@field accounts overview.accounts?
---@field credentials overview.credentials?
---@field items expiry.item[]? what expires, or has expired, what expires first is first
---@field expired_before integer? credentials of other applications that expired already
---@field undated integer? items without a known date
---@field look notice.look findings, and sources that were not looked at
---@field examined boolean did the doctor run?
---@field rotations overview.rotation[] newest first
---@field policies journal.last_run[]
---@field unknown { what: string, why: string?, fix: string? }[] what could not be looked at
---@field limits string[] what cannot be looked at from here, which is no failure

-- Accounts with a password that Moonlatch set are managed, too; not those whose entry is gone.
local function mark_rotated(rows, journal)
  local places = recent.rotated_accounts(journal)
  for _, row in ipairs(rows) do
    local place = places[row.id]
    if place == "elsewhere" or place and row.managed == "unknown" then row.managed = "yes" end
  end
end

local function read_accounts(look, journal)
  local rows, unread, no_names = discover.list { evidence = false }
  mark_rotated(rows, journal)
  for i, one in ipairs(unread) do
    findings.add_unknown(look, "accounts/" .. i, "which privileges there are: " .. one)
  end
  if no_names then
    findings.add_unknown(look, "managed", "which accounts have an entry in Devolutions Server", no_names.why,
      no_names.fix)
  end
  return { rows = rows, whole = #unread == 0 }
end

-- Add when the credentials were last used. What the report cannot tell is unknown, and never "no use".
local function add_uses(look, list, journal)
  local places = list:places()
  local ok, failure = pcall(last_use.add_report, list, places)
  if not ok then
    local gap = reading.gap(failure)
    findings.add_unknown(look, "uses", "when the credentials were last used", gap.why, gap.fix)
  end
  last_use.add_log(list, places, journal)
  return ok
end

local function read_credentials(look, journal)
  local found = tenant_credentials.read {
    tenant = oauth.principal().tenant:lower(), held = false, federated = false,
    is_wanted = function() return true end,
  }
  return { list = found.list, uses_known = add_uses(look, found.list, journal) }
end

local function is_before(a, b)
  local first, second = a.ends or math.huge, b.ends or math.huge
  if first ~= second then return first < second end
  return a.key < b.key
end

-- A hand-over has the date of the secret that it replaces, and what was replaced expires as it should: neither is
-- counted.
local UNCOUNTED = { ["to confirm"] = true, retiring = true }

-- The items of the calendar, and of all other applications.
local function join_items(seen, calendar)
  local items, undated = {}, 0
  for _, item in ipairs(calendar.items) do
    if not item.ends then undated = undated + 1
    elseif not UNCOUNTED[item.use] then items[#items + 1] = item end
  end
  if seen.credentials then
    local more
    more, seen.expired_before = in_applications.items(seen.credentials.list, calendar.items, 100 * YEAR)
    table.move(more, 1, #more, #items + 1, items)
  end
  table.sort(items, is_before)
  seen.items, seen.undated = items, undated
end

-- The check and the evidence of an unknown finding of the doctor.
local function check_of(finding)
  if not finding.source:find "^unknown/doctor/" then return nil, finding.title end
  return finding.title:match "^(.-): (.*)$"
end

-- List what could not be looked at. Checks that the same thing stopped are one entry.
local function add_unknown(seen)
  local by_reason = {}
  for _, finding in ipairs(seen.look.findings) do
    local check, what = check_of(finding)
    local reason = finding.kind == "unknown" and ("%s\0%s\0%s"):format(what, finding.text or "", finding.fix or "")
    if reason and not by_reason[reason] then
      by_reason[reason] = { what = what, why = finding.text, fix = finding.fix, checks = {} }
      table.insert(seen.unknown, by_reason[reason])
    end
    if reason and check then table.insert(by_reason[reason].checks, check) end
  end
  for _, one in ipairs(seen.unknown) do
    if #one.checks > 0 then one.what = ("%s: %s"):format(layout.list(one.checks, "and"), one.what) end
    one.checks = nil
  end
end

local NO_SERVER = "whether an account has an entry in Devolutions Cloud, which cannot be read from here: an account "
  .. "counts as managed when Moonlatch changed its password"

---@class overview.context
---@field journal host.journal.journal
---@field profile profile
---@field rights table<string, host.gate.rights> of the scripts expiring, doctor, discover and report

-- Sign in once, before several tasks would ask a person at the same time.
local function sign_in(more, context)
  return collect.try(more, "tenant", "what the tenant knows: accounts, credentials, findings", context.rights.report,
    oauth.principal) ~= nil
end

-- What the three parts found side by side, and what of the accounts and credentials could not be looked at.
local function look_at_parts(more, context, signed_in)
  local journal = context.journal
  local function part(what, rights, fn)
    return signed_in and collect.try(more, what, "which " .. what .. " there are", rights, fn, more, journal) or false
  end
  return task.all {
    function()
      return collect.look { journal = journal, profile = context.profile, rights = context.rights,
        offline = not signed_in, doctor = true }
    end,
    function() return part("privileged accounts", context.rights.discover, read_accounts) end,
    function() return part("credentials", context.rights.report, read_credentials) end,
  }
end

--- Look at everything. Changes nothing; waits.
---@param context overview.context
---@return overview.seen
function M.look(context)
  local more = findings.new() -- what could not be looked at, besides what `collect` says
  local signed_in = sign_in(more, context)
  local look, accounts, credentials = look_at_parts(more, context, signed_in)
  table.move(more.findings, 1, #more.findings, #look.findings + 1, look.findings)
  local number, hash = context.journal:head()
  local seen = {
    now = look.calendar and look.calendar.now or look.now, tenant = context.profile.tenant,
    head = number and { number = number, hash = hash } or nil, accounts = accounts or nil,
    credentials = credentials or nil, look = look, examined = not look.unseen.doctor,
    rotations = recent.rotations(context.journal), policies = last_run.all(context.journal), unknown = {},
    limits = { not (context.profile.devolutions and context.profile.devolutions.server) and NO_SERVER or nil },
  }
  if look.calendar then join_items(seen, look.calendar) end
  add_unknown(seen)
  return seen
end

return M
