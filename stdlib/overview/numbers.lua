--- The figures as one flat list of numbers: for CSV and JSON, and to compare two reports.

local M = {}

---@class overview.number
---@field about string "accounts", "accounts with the role"
---@field name string of the role, the age, the month; "" where the number is about all
---@field what string "managed"
---@field value integer|"unknown"
---@field certainty "exact"|"at least"|"unknown"

--- The columns of CSV.
---@type report.column[]
M.COLUMNS = { { key = "about" }, { key = "name" }, { key = "what" }, { key = "value" }, { key = "certainty" } }

local function add(list, certainty, about, name, what, value)
  list[#list + 1] = { about = about, name = name, what = what, value = value or "unknown",
    certainty = value and certainty or "unknown" }
end

local COVERAGE = { { "total", "all" }, { "managed", "managed" }, { "unmanaged", "not managed" },
  { "unknown", "not known whether managed" } }

local function add_accounts(list, seen, figures)
  local certainty = seen.accounts and seen.accounts.whole and "exact" or "at least"
  for _, one in ipairs(COVERAGE) do
    add(list, certainty, "privileged accounts", "", one[2], figures.accounts and figures.accounts[one[1]])
  end
  for _, role in ipairs(figures.roles or {}) do
    for _, one in ipairs(COVERAGE) do
      add(list, certainty, "privileged accounts by role", role.role, one[2], role[one[1]])
    end
  end
  for _, bucket in ipairs(figures.password_ages or {}) do
    add(list, certainty, "age of passwords", bucket.name, "privileged accounts", bucket.count)
  end
end

local function add_credentials(list, figures)
  local counts = figures.credentials or {}
  add(list, "exact", "credentials of applications", "", "valid", counts.valid)
  add(list, "exact", "credentials of applications", "", "expired", counts.expired)
  for _, bucket in ipairs(figures.credential_ages or {}) do
    add(list, "exact", "age of credentials", bucket.name, "valid credentials", bucket.count)
  end
  if not figures.uses then add(list, "exact", "last use of credentials", "", "valid credentials", nil) end
  for _, bucket in ipairs(figures.uses or {}) do
    add(list, "exact", "last use of credentials", bucket.name, "valid credentials", bucket.count)
  end
end

-- Can something else expire that could not be looked at?
local function expiry_certainty(seen)
  local calendar = seen.look.calendar
  if not seen.credentials or calendar and #calendar.unknown > 0 or seen.undated ~= 0 then return "at least" end
  return "exact"
end

local function add_expiry(list, seen, figures)
  local certainty, expiry = expiry_certainty(seen), figures.expiry or {}
  add(list, certainty, "what expires", "", "expired", expiry.expired)
  add(list, certainty, "what expires", "", "expires within 60 days", expiry.soon)
  for _, month in ipairs(expiry.months or {}) do
    add(list, certainty, "what expires, by month", month.name, "followed by Moonlatch", month.on_record)
    add(list, certainty, "what expires, by month", month.name, "other applications", month.others)
  end
end

local function findings_certainty(seen)
  for source in pairs(seen.look.unseen) do
    if source:find "^doctor/" then return "at least" end
  end
  return "exact"
end

local function add_findings(list, seen, figures)
  local counts = figures.findings or {}
  for _, severity in ipairs { "critical", "warning" } do
    add(list, findings_certainty(seen), "findings", "", severity, counts[severity])
  end
end

local function add_rotations(list, figures)
  local counts = figures.rotations
  add(list, "exact", "rotations in 30 days", "", "accounts with a new password", counts.passwords)
  add(list, "exact", "rotations in 30 days", "", "new client secrets and certificates", counts.credentials)
  add(list, "exact", "policies", "", "all that ran", counts.policies)
  add(list, "exact", "policies", "", "last run with a problem", counts.failed)
end

--- The numbers of a report.
---@param seen overview.seen
---@param figures overview.figures
---@return overview.number[]
function M.of(seen, figures)
  local list = {}
  add_accounts(list, seen, figures)
  add_credentials(list, figures)
  add_expiry(list, seen, figures)
  add_findings(list, seen, figures)
  add_rotations(list, figures)
  return list
end

--- The name of a number that is the same in each report.
---@param number overview.number
---@return string
function M.key(number) return ("%s\0%s\0%s"):format(number.about, number.name, number.what) end

return M
