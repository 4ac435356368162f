--- What the report says in words, on its page and in the terminal.

local expiry = require "expiry.look"
local layout = require "terminal.layout"
local overview_changes = require "overview.changes"
local risk = require "discover.risk"
local time = require "time"

local M = {}

--- A share in percent, never 0 % or 100 % of what is not none or all.
---@param part integer
---@param whole integer
---@return string
function M.percent(part, whole)
  local rounded = math.floor(100 * part / whole + 0.5)
  if part > 0 and rounded == 0 then return "under 1 %" end
  if part < whole and rounded == 100 then return "over 99 %" end
  return ("%d %%"):format(rounded)
end

-- "2 more than on 2026-11-01"
local function difference(changes, number)
  local before, at = overview_changes.before(changes, number)
  if not before then return nil end
  local step = number.value - before
  if step == 0 then return "unchanged since " .. time.day(at) end
  return ("%d %s than on %s"):format(math.abs(step), step > 0 and "more" or "fewer", time.day(at))
end

--- Since when a part of the changes is told, where the last report could not look at it; nil where it could.
---@param what string "accounts"
---@param since number?
---@return string?
function M.earlier_report(what, since)
  return since and ("%s: compared with the report of %s, the last one that could look at them"):format(what,
    M.moment(since)) or nil
end

---@class overview.key_figure
---@field title string
---@field value string "12 of 20", "unknown"
---@field note string? what the value leaves open
---@field difference string? since the last report

local function find(numbers, about, what)
  for _, number in ipairs(numbers) do
    if number.about == about and number.name == "" and number.what == what then return number end
  end
end

local function key_figure(report, title, about, what, options)
  local number = find(report.numbers, about, what)
  local is_known = number.value ~= "unknown"
  local at_least = is_known and number.certainty == "at least"
  local value = is_known and (options.value or tostring(number.value)) or "unknown"
  return { title = title, value = at_least and "at least " .. value or value,
    note = is_known and options.note or nil, difference = difference(report.changes, number) }
end

local function managed_figure(report)
  local accounts = report.figures.accounts
  local options = {}
  if accounts and accounts.total > 0 then
    options.value = ("%d of %d"):format(accounts.managed, accounts.total)
    options.note = M.percent(accounts.managed, accounts.total) .. (accounts.unknown > 0
      and (", of %d it is not known"):format(accounts.unknown) or "")
  elseif accounts then
    options.note = "there is no privileged account"
  end
  return key_figure(report, "Privileged accounts that are managed", "privileged accounts", "managed", options)
end

--- The figures at the top of the report.
---@param report overview.report
---@return overview.key_figure[]
function M.key_figures(report)
  local figures = report.figures
  local expired = figures.expiry and figures.expiry.expired or 0
  local rotations = figures.rotations
  return {
    managed_figure(report),
    key_figure(report, "Expires within 60 days", "what expires",
      "expires within 60 days", { note = expired > 0 and ("%d expired already"):format(expired) or nil }),
    key_figure(report, "Critical findings", "findings", "critical", {
      note = figures.findings and layout.count(figures.findings.warning, "warning") or nil }),
    key_figure(report, "New passwords in 30 days", "rotations in 30 days",
      "accounts with a new password", { note = ("and %s"):format(layout.count(rotations.credentials,
        "new client secret or certificate", "new client secrets and certificates")) }),
  }
end

--- The accounts that nobody is known to manage, in the order of their risk.
---@param rows discover.row[]
---@return discover.row[]
function M.unmanaged(rows)
  local list = {}
  for _, row in ipairs(rows) do
    if row.managed ~= "yes" then list[#list + 1] = row end
  end
  return risk.sort(list)
end

--- What is particular about an account: "disabled, guest"; nil when nothing is.
---@param row discover.row
---@return string?
function M.remarks(row)
  local list = {}
  if row.managed == "unknown" then list[1] = "not known whether managed" end
  if row.enabled ~= "yes" then list[#list + 1] = "disabled" end
  if row.synced == "yes" then list[#list + 1] = "synced from Active Directory" end
  if row.guest == "yes" then list[#list + 1] = "guest" end
  return #list > 0 and table.concat(list, ", ") or nil
end

--- The age of a password: "5.9 years", "unknown".
---@param row discover.row
---@return string
function M.password_age(row)
  if row.guest == "yes" then return "in another tenant" end
  return row.password_days and layout.age(row.password_days) or "unknown"
end

--- A moment for people: "2027-01-04 13:56 UTC".
---@param moment number
---@return string
function M.moment(moment) return (time.iso(moment):gsub("T(%d+:%d+).*", " %1 UTC")) end

--- When something expires: "2027-01-04, in 34 days".
---@param item expiry.item
---@param now number
---@return string
function M.expires(item, now) return ("%s, %s"):format(time.day(item.ends), expiry.distance(item.ends, now)) end

--- How the last run of a policy ended.
---@param run journal.last_run
---@return string
function M.run_outcome(run)
  if run.failure then return "could not run: " .. tostring(run.failure.why or run.failure.what) end
  if run.count > 0 then return layout.count(run.count, "problem") end
  return "no problem"
end

local SOURCES = { report = "the daily report", log = "the sign-in log" }

--- The last use of a credential, in words.
---@param use applications.use?
---@return string
function M.use_text(use)
  if not use then return "unknown" end
  if not use.at then return "never, as far as Entra tracks it" end
  local who = use.ours and ", perhaps by Moonlatch itself" or use.failed and ", which failed" or ""
  return ("%s, by %s%s"):format(time.day(use.at), SOURCES[use.source], who)
end

---@class overview.use
---@field item expiry.item
---@field text string

--- When others were last seen to sign in with the credentials that Moonlatch follows.
---@param seen overview.seen
---@return overview.use[]
function M.uses_on_record(seen)
  local by_key, list = {}, {}
  for _, one in seen.credentials.list:each() do by_key[one.key] = one.use end
  for _, item in ipairs(seen.look.calendar and seen.look.calendar.items or {}) do
    if item.key_id and item.source == "journal" and item.use ~= "to confirm" then
      list[#list + 1] = { item = item, text = M.use_text(by_key[item.key_id:lower()]) }
    end
  end
  return list
end

return M
