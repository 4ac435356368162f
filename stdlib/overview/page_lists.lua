--- Parts of the page: sections and tables, the changes since the last report, findings, and rotations.

local html = require "report.html"
local layout = require "terminal.layout"
local overview_figures = require "overview.figures"
local overview_words = require "overview.words"
local time = require "time"

local tag, name = html.tag, html.name

local M = {}

local sections = setmetatable({}, { __index = function(ids, title)
  ids[title] = title:lower():gsub("%W+", "-")
  return ids[title]
end })

--- A section of the page.
---@param title string
---@return report.html.node
function M.section(title, ...)
  return tag.section { ["aria-labelledby"] = sections[title], tag.h2 { id = sections[title], title }, ... }
end

--- A section of which nothing is known.
---@param title string
---@param why string
---@return report.html.node
function M.unknown(title, why) return M.section(title, tag.p { class = "none", "unknown: " .. why }) end

local function titles_row(titles, numbers_from)
  local cells = {}
  for i, title in ipairs(titles) do
    cells[i] = tag.th { scope = "col", class = numbers_from and i >= numbers_from and "number" or false, title }
  end
  return tag.thead { tag.tr { cells } }
end

--- A table; without rows, the text that says so.
---@param titles string[]
---@param rows report.html.node[]
---@param nothing string
---@param numbers_from integer? the first column of numbers
---@param class string?
---@return report.html.node
function M.table(titles, rows, nothing, numbers_from, class)
  if #rows == 0 then return tag.p { class = "none", nothing } end
  return tag.table { class = class or false, titles_row(titles, numbers_from), tag.tbody { rows } }
end

--- A table whose cells stand below each other on a narrow screen.
---@param titles string[]
---@param rows report.html.node[]
---@param nothing string
---@return report.html.node
function M.stack(titles, rows, nothing) return M.table(titles, rows, nothing, nil, "stack") end

--- How many more there are than are listed; false when all are.
---@param count integer
---@param most integer
---@param noun string
---@return report.html.node|false
function M.more(count, most, noun)
  if count <= most then return false end
  return tag.p { class = "note", ("and %s, not listed here."):format(layout.count(count - most, "more " .. noun)) }
end

---------------------------------------------------------------------------
-- Changes

local NAMES = 10

local function named_list(title, list)
  if #list == 0 then return false end
  local items = {}
  for i = 1, math.min(#list, NAMES) do items[i] = tag.li { name(list[i]) } end
  return tag.div { tag.h3 { ("%s: %d"):format(title, #list) }, tag.ul { items }, M.more(#list, NAMES, "of them") }
end

local function unknown_line(text) return tag.p { class = "none", "unknown: " .. text } end

-- The line that tells since when a part is compared; none where it is since the last report.
local function earlier_line(what, since)
  local text = overview_words.earlier_report(what, since)
  return text and tag.p { class = "note", (text:gsub("^%l", string.upper)) .. "." } or false
end

local function account_lists(accounts, since)
  if not accounts then return unknown_line "which accounts came or went: not all were known then or now" end
  return { earlier_line("accounts", since), named_list("Accounts with a new privilege", accounts.new),
    named_list("Accounts without a privilege now", accounts.gone),
    named_list("Accounts that are managed now", accounts.managed),
    named_list("Accounts that are not managed any more", accounts.unmanaged) }
end

local function finding_lists(findings, since)
  if not findings then return unknown_line "which findings are new or resolved: the doctor did not run then or now" end
  return { earlier_line("findings", since), named_list("New findings", findings.new),
    named_list("Resolved findings", findings.resolved),
    findings.unclear > 0 and unknown_line(("whether %s resolved"):format(findings.unclear == 1 and "1 finding is"
      or findings.unclear .. " findings are")) or false }
end

-- The numbers about all, which a person compares; the others are in JSON.
local function number_rows(changed)
  local rows = {}
  for _, one in ipairs(changed) do
    if one.number.name == "" then
      local title = ("%s: %s"):format(one.number.about, one.number.what):gsub("^%l", string.upper)
      rows[#rows + 1] = tag.tr { tag.th { scope = "row", title },
        tag.td { class = "number", one.since and ("%d (%s)"):format(one.before, time.day(one.since)) or one.before },
        tag.td { class = "number", one.number.value } }
    end
  end
  return rows
end

--- What changed since the last report.
---@param all overview.report
---@return report.html.node
function M.changes(all)
  local changes = all.changes
  if not changes then
    return M.section("Changes since the last report", tag.p { class = "none", "No report was kept before this one." })
  end
  return M.section("Changes since the last report",
    M.table({ "Number", "Then", "Now" }, number_rows(changes.changed),
      "No number changed that was exact then and is now.", 2),
    tag.div { class = "pair", account_lists(changes.accounts, changes.accounts_since),
      finding_lists(changes.findings, changes.findings_since) })
end

---------------------------------------------------------------------------
-- Findings and rotations

local FINDINGS, ROTATIONS = 20, 12
local MARKS = { critical = "▲ critical", warning = "△ warning" }

local function finding_item(finding)
  return tag.li { tag.span { class = "badge " .. finding.severity, MARKS[finding.severity] }, name(finding.title),
    finding.text and tag.span { class = "why", "why: ", name(finding.text) } or false,
    finding.fix and tag.span { class = "fix", "fix: ", name(finding.fix) } or false }
end

--- What the doctor found, and rotations that failed.
---@param all overview.report
---@return report.html.node
function M.findings(all)
  local list, items = overview_figures.findings_of(all.seen.look), {}
  for i = 1, math.min(#list, FINDINGS) do items[i] = finding_item(list[i]) end
  return M.section("Findings",
    not all.seen.examined and unknown_line "what the doctor would find" or false,
    #items > 0 and tag.ul { class = "plain", items }
      or all.seen.examined and tag.p { class = "none", "The doctor looked, and found nothing wrong." } or false,
    M.more(#list, FINDINGS, "finding"))
end

local function policy_row(run)
  local is_good = run.count == 0 and not run.failure
  local before = run.succeeded_at and "last run without a problem: " .. overview_words.moment(run.succeeded_at)
    or "no run without a problem is on record"
  return tag.tr { tag.th { scope = "row", class = "main", name(run.policy) },
    tag.td { class = "day", overview_words.moment(run.at) },
    tag.td { tag.span { class = "badge " .. (is_good and "good" or "warning"), is_good and "✓ well" or "△ problem" },
      name(overview_words.run_outcome(run)), not is_good and tag.span { class = "why", before } or false } }
end

local function policy_rows(policies)
  local rows = {}
  for i, run in ipairs(policies) do rows[i] = policy_row(run) end
  return rows
end

local function rotation_rows(list)
  local rows = {}
  for i = 1, math.min(#list, ROTATIONS) do
    local one = list[i]
    rows[i] = tag.tr { tag.th { scope = "row", class = "day", time.day(one.at) },
      tag.td { one.kind, one.short and { " ", name(one.short) } or false, " of ", name(one.name) },
      tag.td { one.state } }
  end
  return rows
end

--- The policies, and the last rotations.
---@param all overview.report
---@return report.html.node
function M.rotations(all)
  local list, policies = all.seen.rotations, all.seen.policies
  return M.section("Rotations",
    #policies > 0 and { tag.h3 { "Last run of each policy" },
      M.stack({ "Policy", "Last run", "Outcome" }, policy_rows(policies), "") } or false,
    tag.h3 { "Last passwords, secrets and certificates" },
    M.stack({ "Day", "What", "State" }, rotation_rows(list), "No rotation is on record on this machine."),
    M.more(#list, ROTATIONS, "rotation"))
end

return M
