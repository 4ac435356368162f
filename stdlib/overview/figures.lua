--- The figures of a report, from what was seen. A figure that is not known is nil, and never 0.

local risk = require "discover.risk"
local time = require "time"

local M = {}

local DAY = 86400
local SOON, RECENT = 60 * DAY, 30 * DAY
local MONTHS = 12

---@class overview.coverage
---@field role string? of a line of roles
---@field total integer
---@field managed integer
---@field unmanaged integer
---@field unknown integer

---@class overview.bucket
---@field name string
---@field count integer

---@class overview.month
---@field name string "Dec 2026", "expired", "later"
---@field on_record integer things that Moonlatch follows: its credentials, roles, sign-ins
---@field others integer credentials of other applications

---@class overview.figures a member that is nil is not known
---@field accounts overview.coverage?
---@field roles overview.coverage[]? the role with most accounts that nobody manages first
---@field password_ages overview.bucket[]?
---@field credentials { valid: integer, expired: integer }?
---@field credential_ages overview.bucket[]?
---@field uses overview.bucket[]?
---@field expiry { expired: integer, soon: integer, months: overview.month[] }?
---@field findings { critical: integer, warning: integer }?
---@field rotations { passwords: integer, credentials: integer, policies: integer, failed: integer } of the last 30 days

---------------------------------------------------------------------------
-- Accounts

local STATES = { yes = "managed", no = "unmanaged", unknown = "unknown" }

local function new_coverage(role) return { role = role, total = 0, managed = 0, unmanaged = 0, unknown = 0 } end

local function count_account(coverage, row)
  local state = STATES[row.managed]
  coverage.total, coverage[state] = coverage.total + 1, coverage[state] + 1
end

local function is_worse(a, b)
  local left, right = a.unmanaged + a.unknown, b.unmanaged + b.unknown
  if left ~= right then return left > right end
  if a.total ~= b.total then return a.total > b.total end
  return a.role < b.role
end

local function add_coverage(figures, rows)
  local all, by_role, roles = new_coverage(), {}, {}
  for _, row in ipairs(rows) do
    count_account(all, row)
    for _, role in ipairs(risk.roles_of(row)) do
      local one = by_role[role]
      if not one then
        one = new_coverage(role)
        by_role[role], roles[#roles + 1] = one, one
      end
      count_account(one, row)
    end
  end
  table.sort(roles, is_worse)
  figures.accounts, figures.roles = all, roles
end

---------------------------------------------------------------------------
-- Ages and uses

local AGES = { { 90, "less than 90 days" }, { 365, "90 days to a year" }, { 730, "1 to 2 years" },
  { math.huge, "more than 2 years" } }
local USES = { { 30, "in the last 30 days" }, { 90, "30 to 90 days ago" }, { math.huge, "more than 90 days ago" } }

-- Buckets of these limits in days, and of other names.
local function new_buckets(limits, ...)
  local buckets, by_name = {}, {}
  for _, limit in ipairs(limits) do buckets[#buckets + 1] = { name = limit[2], count = 0 } end
  for _, name in ipairs { ... } do buckets[#buckets + 1] = { name = name, count = 0 } end
  for _, bucket in ipairs(buckets) do by_name[bucket.name] = bucket end
  return buckets, by_name
end

local function name_of_days(limits, days)
  for _, limit in ipairs(limits) do
    if days < limit[1] then return limit[2] end
  end
end

local UNKNOWN, ELSEWHERE, NEVER = "unknown", "in another tenant (guests)", "never, as far as Entra tracks it"

local function password_age(row)
  if row.guest == "yes" then return ELSEWHERE end
  return row.password_days and name_of_days(AGES, row.password_days) or UNKNOWN
end

local function password_ages(rows)
  local buckets, by_name = new_buckets(AGES, ELSEWHERE, UNKNOWN)
  for _, row in ipairs(rows) do
    local bucket = by_name[password_age(row)]
    bucket.count = bucket.count + 1
  end
  return buckets
end

local function credential_age(one, now)
  return one.from and name_of_days(AGES, math.max(0, now - one.from) / DAY) or UNKNOWN
end

-- A use that may be a proof by Moonlatch does not show that anybody else uses the credential; a failed sign-in shows
-- no use.
local function last_use(one, now)
  local use = one.use
  if not use or use.ours or use.failed then return UNKNOWN end
  return use.at and name_of_days(USES, math.max(0, now - use.at) / DAY) or NEVER
end

local function add_credentials(figures, credentials, now)
  local ages, age_of = new_buckets(AGES, UNKNOWN)
  local uses, use_of = new_buckets(USES, NEVER, UNKNOWN)
  local counts = { valid = 0, expired = 0 }
  for _, one in credentials.list:each() do
    if one.ends and one.ends <= now then
      counts.expired = counts.expired + 1
    else
      counts.valid = counts.valid + 1
      local age, use = age_of[credential_age(one, now)], use_of[last_use(one, now)]
      age.count, use.count = age.count + 1, use.count + 1
    end
  end
  figures.credentials, figures.credential_ages = counts, ages
  figures.uses = credentials.uses_known and uses or nil
end

---------------------------------------------------------------------------
-- Dates

local NAMES = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

-- Year and month of a moment, in UTC.
local function month_of(moment)
  local year, month = time.day(moment):match "^(%d+)-(%d+)"
  return math.tointeger(tonumber(year)), math.tointeger(tonumber(month))
end

-- The columns of the time line: expired, this month and eleven more, later.
local function new_months(now)
  local year, month = month_of(now)
  local months = { { name = "expired", on_record = 0, others = 0 } }
  for i = 0, MONTHS - 1 do
    local number = (month - 1 + i) % 12 + 1
    months[i + 2] = { name = ("%s %d"):format(NAMES[number], year + (month - 1 + i) // 12), on_record = 0, others = 0 }
  end
  months[MONTHS + 2] = { name = "later", on_record = 0, others = 0 }
  return months, year * 12 + month
end

local function place_of(ends, now, first)
  if ends <= now then return 1 end
  local year, month = month_of(ends)
  return math.min(year * 12 + month - first + 2, MONTHS + 2)
end

local function add_expiry(figures, seen)
  local months, first = new_months(seen.now)
  local soon = 0
  for _, item in ipairs(seen.items) do
    local month = months[place_of(item.ends, seen.now, first)]
    local kind = item.source == "tenant/applications" and "others" or "on_record"
    month[kind] = month[kind] + 1
    if item.ends > seen.now and item.ends <= seen.now + SOON then soon = soon + 1 end
  end
  months[1].others = months[1].others + (seen.expired_before or 0)
  figures.expiry = { expired = months[1].on_record + months[1].others, soon = soon, months = months }
end

---------------------------------------------------------------------------
-- Findings and rotations

-- The findings of the report: what expires is on its time line.
local FINDINGS = { doctor = true, rotation = true }

--- The findings that a report lists, critical ones first.
---@param look notice.look
---@return notice.finding[]
function M.findings_of(look)
  local list = {}
  for _, severity in ipairs { "critical", "warning" } do
    for _, finding in ipairs(look.findings) do
      if FINDINGS[finding.kind] and finding.severity == severity then list[#list + 1] = finding end
    end
  end
  return list
end

local function add_findings(figures, seen)
  figures.findings = { critical = 0, warning = 0 }
  for _, finding in ipairs(M.findings_of(seen.look)) do
    figures.findings[finding.severity] = figures.findings[finding.severity] + 1
  end
end

local function add_rotations(figures, seen)
  local counts = { passwords = 0, credentials = 0, policies = #seen.policies, failed = 0 }
  for _, one in ipairs(seen.rotations) do
    local kind = one.kind == "user password" and "passwords" or "credentials"
    if one.at > seen.now - RECENT then counts[kind] = counts[kind] + 1 end
  end
  for _, run in ipairs(seen.policies) do
    if run.failure or run.count > 0 then counts.failed = counts.failed + 1 end
  end
  figures.rotations = counts
end

--- The figures.
---@param seen overview.seen
---@return overview.figures
function M.of(seen)
  local figures = {}
  if seen.accounts then
    add_coverage(figures, seen.accounts.rows)
    figures.password_ages = password_ages(seen.accounts.rows)
  end
  if seen.credentials then add_credentials(figures, seen.credentials, seen.now) end
  if seen.items then add_expiry(figures, seen) end
  if seen.examined then add_findings(figures, seen) end
  add_rotations(figures, seen)
  return figures
end

return M
