--- The report as one page: no script, nothing from elsewhere, for a screen and for paper. All that comes from the
--- directory is text (report.html).

local chart = require "overview.chart"
local expiry = require "expiry.look"
local hint = require "log.hint"
local html = require "report.html"
local layout = require "terminal.layout"
local overview_words = require "overview.words"
local page_lists = require "overview.page_lists"
local risk = require "discover.risk"
local sys = require "host.sys"
local time = require "time"

local tag, name = html.tag, html.name

local M = {}

--- The text by which a report that Moonlatch wrote is known.
M.MARK = '<meta content="Moonlatch report" name="generator">'

local POLICY = "default-src 'none'; style-src 'unsafe-inline'"

local function note(text) return tag.p { class = "note", text } end

---------------------------------------------------------------------------
-- The top

local function key_figures(all)
  local parts = {}
  for i, figure in ipairs(overview_words.key_figures(all)) do
    parts[i] = tag.div {
      tag.dt { figure.title }, tag.dd { class = "value" .. (figure.value:find "%a" and " words" or ""), figure.value },
      figure.note and tag.dd { class = "extra", figure.note } or false,
      figure.difference and tag.dd { class = "extra", figure.difference } or false,
    }
  end
  return tag.dl { class = "figures", parts }
end

local function unknown_item(unknown)
  return tag.li { name(unknown.what), unknown.why and tag.span { class = "why", "why: ", name(unknown.why) } or false,
    unknown.fix and tag.span { class = "fix", "fix: ", name(unknown.fix) } or false }
end

-- What the report does not know, before anything else.
local function alert(all)
  local items, unknown = {}, all.seen.unknown
  if #unknown == 0 then return false end
  for i, one in ipairs(unknown) do items[i] = unknown_item(one) end
  return tag.section { class = "alert", ["aria-labelledby"] = "unknown",
    tag.h2 { id = "unknown", ("Not known: %s could not be looked at"):format(layout.count(#unknown, "thing")) },
    tag.ul { items } }
end

---------------------------------------------------------------------------
-- Accounts

local LEGEND = { { "managed", "managed" }, { "unmanaged", "not managed" }, { "unknown", "not known" } }

local function legend(list)
  local items = {}
  for i, one in ipairs(list) do items[i] = tag.li { chart.swatch(one[1]), one[2] } end
  return tag.ul { class = "legend", items }
end

-- On a narrow screen, where the titles are hidden, each number has its title beside it.
local function number_cells(list)
  local cells = {}
  for i, one in ipairs(list) do cells[i] = tag.td { class = "number", ["data-title"] = one[1], one[2] } end
  return cells
end

local function role_row(role, most)
  local bar = chart.bar({ { count = role.managed, class = "managed" }, { count = role.unmanaged, class = "unmanaged" },
    { count = role.unknown, class = "unknown" } }, most)
  return tag.tr { tag.th { scope = "row", name(role.role), bar },
    number_cells { { "Accounts", role.total }, { "Managed", role.managed }, { "Not managed", role.unmanaged },
      { "Not known", role.unknown } } }
end

local ROLES = 12

local function coverage(all)
  local roles = all.figures.roles
  if not roles then return page_lists.unknown("Coverage by role", "the privileged accounts could not be read") end
  local rows, most = {}, 1
  for _, role in ipairs(roles) do most = math.max(most, role.total) end
  for i = 1, math.min(#roles, ROLES) do rows[i] = role_row(roles[i], most) end
  return page_lists.section("Coverage by role",
    note("An account is managed when Devolutions has an entry of its name, or Moonlatch set its password. An account "
      .. "with several roles counts for each."),
    legend(LEGEND),
    page_lists.table({ "Role", "Accounts", "Managed", "Not managed", "Not known" }, rows, "Nobody holds a role.", 2,
      "stack"),
    page_lists.more(#roles, ROLES, "role"))
end

local ACCOUNTS = 15

local function unmanaged(all)
  if not all.seen.accounts then return false end
  local list, rows = overview_words.unmanaged(all.seen.accounts.rows), {}
  for i = 1, math.min(#list, ACCOUNTS) do
    local row = list[i]
    rows[i] = tag.tr { tag.th { scope = "row", class = "main", name(row.account), overview_words.remarks(row)
      and tag.span { class = "why", overview_words.remarks(row) } or false },
      tag.td { name(table.concat(risk.roles_of(row), ", ")) },
      tag.td { class = "day", overview_words.password_age(row) } }
  end
  return page_lists.section("Accounts that nobody is known to manage",
    page_lists.stack({ "Account", "Roles", "Age of the password" }, rows, "There is none."),
    page_lists.more(#list, ACCOUNTS, "account"))
end

---------------------------------------------------------------------------
-- Ages and uses

local function bucket_table(title, buckets, what)
  if not buckets then return tag.div { tag.h3 { title }, tag.p { class = "none", "unknown: " .. what } } end
  local rows, most = {}, 1
  for _, bucket in ipairs(buckets) do most = math.max(most, bucket.count) end
  for i, bucket in ipairs(buckets) do
    rows[i] = tag.tr { tag.th { scope = "row", bucket.name, chart.bar({ { count = bucket.count,
      class = bucket.name == "unknown" and "unknown" or "count-bar" } }, most) },
      tag.td { class = "number", bucket.count } }
  end
  return tag.div { tag.h3 { title }, page_lists.table({ "When", "Number" }, rows, "", 2) }
end

local function ages(all)
  local counts = all.figures.credentials
  return page_lists.section("Ages of passwords and secrets", tag.div { class = "pair",
    bucket_table("Passwords of privileged accounts were changed", all.figures.password_ages,
      "the privileged accounts could not be read"),
    bucket_table("Secrets and certificates of applications were made",
      all.figures.credential_ages, "the applications could not be read") },
    counts and counts.expired > 0 and note(("%s expired already; these are not counted here.")
      :format(layout.count(counts.expired, "credential"))) or false)
end

local function uses(all)
  local list, rows = all.seen.credentials and overview_words.uses_on_record(all.seen) or {}, {}
  for i = 1, math.min(#list, ACCOUNTS) do
    rows[i] = tag.tr { tag.th { scope = "row", class = "main", name(expiry.words(list[i].item)) },
      tag.td { list[i].text } }
  end
  return page_lists.section("Evidence of use",
    note("From Entra's daily report, which is about a day late and not complete, and from its sign-in log. No row is "
      .. "no proof that nobody uses a credential."),
    bucket_table("Valid credentials of applications were last used", all.figures.uses,
      "the report on the use of credentials could not be read"),
    #rows > 0 and { tag.h3 { "Credentials that Moonlatch follows" },
      page_lists.stack({ "Credential", "Last use by somebody else" }, rows, "") } or false,
    page_lists.more(#list, ACCOUNTS, "credential"))
end

---------------------------------------------------------------------------
-- What expires

local ITEMS = 15

local function months_table(months)
  local rows = {}
  for i, month in ipairs(months) do
    rows[i] = tag.tr { tag.th { scope = "row", month.name }, tag.td { class = "number", month.on_record },
      tag.td { class = "number", month.others } }
  end
  return tag.details { class = "no-print", tag.summary { "The numbers as a table" },
    page_lists.table({ "When", "Followed by Moonlatch", "Other applications" }, rows, "", 2) }
end

-- What to do about each credential of other applications is the same, and said once.
local function item_row(item, now)
  local fix = item.source ~= "tenant/applications" and item.fix
  return tag.tr { tag.th { scope = "row", class = "day", overview_words.expires(item, now) },
    tag.td { name(expiry.words(item)), fix and tag.span { class = "fix", name(fix) } or false } }
end

local function expiring(all)
  local figures, items, rows = all.figures.expiry, all.seen.items, {}
  if not figures then return page_lists.unknown("What expires", "nothing could be looked at") end
  for i = 1, math.min(#items, ITEMS) do rows[i] = item_row(items[i], all.seen.now) end
  return page_lists.section("What expires",
    tag.figure { chart.time_line(figures.months, "What expires, by month",
      ("Expired already: %d; expires within 60 days: %d. The table below has the numbers.")
        :format(figures.expired, figures.soon)),
      legend { { "followed", "followed by Moonlatch" }, { "others", "other applications" } },
      months_table(figures.months) },
    tag.h3 { "Next" },
    note(hint.text("What is \"in the tenant\" belongs to other applications: ask the owner to replace it, or take it "
      .. "into rotation with {moonlatch} new policy NAME --app CLIENT-ID")),
    page_lists.stack({ "Expires", "What, and what to do" }, rows, "Nothing that was looked at expires."),
    page_lists.more(#items, ITEMS, "thing"),
    all.seen.undated > 0 and note(("Of %s the date is not known."):format(layout.count(all.seen.undated, "thing")))
      or false)
end

---------------------------------------------------------------------------
-- The page

local function head(all)
  return tag.head {
    tag.meta { charset = "utf-8" }, tag.meta { ["http-equiv"] = "Content-Security-Policy", content = POLICY },
    tag.meta { name = "viewport", content = "width=device-width, initial-scale=1" },
    tag.meta { name = "color-scheme", content = "light dark" }, html.markup(M.MARK),
    tag.meta { name = "referrer", content = "no-referrer" },
    tag.title { ("Privileged access in %s, %s"):format(all.seen.tenant, time.day(all.seen.now)) },
    tag.style { html.markup(html.base_style() .. assert(sys.embedded "stdlib/overview/page.css")) },
  }
end

local function header(all)
  return tag.header {
    tag.p { class = "brand", tag.span { class = "moon", ["aria-hidden"] = "true" }, "Moonlatch" },
    tag.h1 { "Privileged access in ", name(all.seen.tenant) },
    tag.p { class = "meta", ("Report of %s, "):format(overview_words.moment(all.seen.now)),
      all.changes and ("compared with the report of %s."):format(overview_words.moment(all.changes.since))
        or "the first one that was kept." },
  }
end

local function footer(all)
  local limits, journal = {}, all.seen.head
  for i, limit in ipairs(all.seen.limits) do limits[i] = tag.p { "Not looked at: ", limit, "." } end
  return tag.footer { limits,
    tag.p { ("Made by Moonlatch %s, which changed nothing. All times are UTC. The report holds no secret."):format(
      sys.version()) },
    journal and tag.p { ("The audit chain of the journal ended with record %d: "):format(journal.number),
      tag.span { class = "mono", journal.hash }, "." } or false,
  }
end

--- The page.
---@param all overview.report
---@return string
function M.text(all)
  return html.page(tag.html { lang = "en", head(all), tag.body {
    chart.patterns(), header(all),
    tag.main { alert(all), key_figures(all), page_lists.changes(all), coverage(all), unmanaged(all), ages(all),
      expiring(all), page_lists.findings(all), page_lists.rotations(all), uses(all) },
    footer(all),
  } })
end

return M
