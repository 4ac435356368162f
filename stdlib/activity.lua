--- What Entra's logs tell of the last days, as rows: who signed in with which secret, from where, and who changed what.
---
--- Sign-ins are those of applications by themselves; sign-ins of people, and of applications on behalf of people, are
--- in other logs. A log that could not be read says nothing: what it would have shown is unknown.

local audits = require "evidence.audits"
local counted_sign_ins = require "evidence.counted_sign_ins"
local daily_report = require "evidence.daily_report"
local existing_journal = require "session.existing_journal"
local explain = require "explain.cause"
local graph_clock = require "graph.clock"
local layout = require "terminal.layout"
local log = require "log"
local options_of = require("base.options").of
local principal_report = require "evidence.principal_report"
local profiles = require "profile.current"
local reading = require "evidence.reading"
local refresh = require "evidence.refresh"
local rows = require "activity.rows"
local sign_ins = require "evidence.sign_ins"
local store = require "evidence.store"
local subjects = require "activity.subjects"
local time = require "time"
local writer = require "report.writer"

local M = {}

local SINCE = 7 * 86400
local MOST_ROWS = 20000
local REFRESH_TIME = 60 -- seconds

---------------------------------------------------------------------------
-- Reading

---@class activity.found
---@field rows activity.row[] newest first
---@field unread string[] what could not be read, and why

-- Add the rows of a source; what could not be read is noted.
local function add_source(found, what, fn)
  local ok, failure = pcall(fn)
  if ok then return end
  local gap = reading.gap(failure)
  found.unread[#found.unread + 1] = ("%s: %s%s"):format(what, gap.why, gap.fix and ". " .. gap.fix or "")
end

local function add_row(found, row)
  if row and #found.rows < MOST_ROWS then table.insert(found.rows, row)
  elseif row then found.is_cut = true end
end

local function is_ours(own, event)
  for _, one in ipairs(own) do
    if store.is_own(one, event) then return true end
  end
  return false
end

local function add_each_sign_in(found, application, span)
  local own = store.coverage(span.journal, application.app_id).own
  for event in sign_ins.read(application.app_id, span.from, span.now) do
    add_row(found, rows.sign_in(event, application.name, is_ours(own, event)))
  end
end

local function add_counted_sign_ins(found, application, span)
  for _, one in ipairs(counted_sign_ins.read(application.app_id, span.counted, span.from, span.now)) do
    add_row(found, rows.counted_sign_in(one, application.name))
  end
end

local function add_reports(found, application, from)
  local name = application.name
  add_source(found, ("the last uses of the credentials of '%s' (the daily report)"):format(name), function()
    for _, use in ipairs(daily_report.of_application(application.app_id)) do
      if use.at and use.at >= from then add_row(found, rows.last_use(use, name)) end
    end
  end)
  add_source(found, ("the last uses of '%s' by kind (the daily report)"):format(name), function()
    for _, use in ipairs(principal_report.of_application(application.app_id)) do
      for _, row in ipairs(rows.principal_uses(use, name)) do
        if row.at >= from then add_row(found, row) end
      end
    end
  end)
end

-- Where many sign-ins are only counted, they are what was asked for.
local function add_application(found, application, span)
  add_source(found, ("the sign-ins of '%s'"):format(application.name), function()
    local add = span.counted and add_counted_sign_ins or add_each_sign_in
    add(found, application, span)
  end)
  add_reports(found, application, span.from)
end

local function add_changes(found, asked)
  for change in audits.read(asked) do add_row(found, rows.change(change)) end
end

local function add_all_changes(found, objects, from, now)
  if not objects then
    return add_source(found, "the changes in the directory", function()
      for _, category in ipairs(store.CATEGORIES) do
        add_changes(found, { category = category, from = from, to = now })
      end
    end)
  end
  for _, object in ipairs(objects) do
    add_source(found, ("the changes of '%s'"):format(object.name), function()
      add_changes(found, { target = object.id, from = from, to = now })
    end)
  end
end

-- Bring up to date what the store keeps of these applications, and of the objects that it follows.
local function refresh_store(journal, chosen)
  local applications = {}
  for i, application in ipairs(chosen.applications) do applications[i] = { app_id = application.app_id } end
  local known = {}
  for _, one in ipairs(subjects.of_everything(journal).applications) do known[one.app_id] = true end
  for i = #applications, 1, -1 do
    if not known[applications[i].app_id] then table.remove(applications, i) end
  end
  refresh.run(journal, { applications = applications, objects = store.objects(journal) }, REFRESH_TIME)
end

local function choose_subjects(args, journal)
  if args.app then return subjects.of_application(args.app) end
  return args.user and subjects.of_user(args.user) or subjects.of_everything(journal)
end

---@class activity.args
---@field app string? name or client id of an application
---@field user string? user name or object id of an account
---@field since string|number|nil a duration: "7d"
---@field counted "hour"|"day"|nil count the sign-ins for each hour or day, instead of listing them

local RULES = { app = "string", user = "string", since = "string|number", counted = "string" }
local read_list_args = options_of("activity.list", RULES)

local function newest_first(a, b)
  if a.at ~= b.at then return a.at > b.at end
  return tostring(a.correlation_id) < tostring(b.correlation_id)
end

local function read_everything(args, journal)
  local found, now = { rows = {}, unread = {} }, graph_clock.now()
  local from = now - time.duration(args.since or SINCE)
  local chosen = choose_subjects(args, journal)
  if journal then refresh_store(journal, chosen) end
  local span = { from = from, now = now, journal = journal, counted = args.counted }
  for _, application in ipairs(chosen.applications) do add_application(found, application, span) end
  add_all_changes(found, chosen.objects, from, now)
  if found.is_cut then
    found.unread[#found.unread + 1] = ("the rest: there are more than %d rows. Ask for less (--since 1d), or "
      .. "for their number (--counted day)"):format(MOST_ROWS)
  end
  table.sort(found.rows, newest_first)
  return found
end

--- The activity of an application, of an account, or of all applications on record and the whole directory, newest
--- first. Waits.
---@param args activity.args?
---@return activity.row[] rows
---@return string[] unread what could not be read, so that it is unknown, and why
function M.list(args)
  local read = read_list_args(args or {})
  local found = existing_journal.with(profiles.current(), function(journal) return read_everything(read, journal) end)
  return found.rows, found.unread
end

---------------------------------------------------------------------------
-- Writing

local MEANINGS = 10

-- Say what the codes of failed sign-ins mean.
local function note_codes(list)
  local seen, count = {}, 0
  for _, row in ipairs(list) do
    local reason = rows.has_code(row) and not seen[row.result] and explain.aadsts(row.result)
    if reason and reason.cause and count < MEANINGS then
      log.note(("%s: %s"):format(row.result, reason.cause))
      count = count + 1
    end
    seen[row.result] = true
  end
end

local read_run_args = options_of("activity.run", {
  app = "string", user = "string", since = "string|number", counted = "string", format = "string",
})

---@class activity.run_args: activity.args
---@field format "table"|"csv"|"json"

--- Write the activity to standard output; for people with what the codes mean at the end. Warns of what could not be
--- read. Waits.
---@param args activity.run_args
---@return integer count of the rows written
---@return boolean whole was everything read?
function M.run(args)
  local read = read_run_args(args)
  local list, unread = M.list { app = read.app, user = read.user, since = read.since, counted = read.counted }
  local people = read.format == "table"
  local out = writer.new(read.format, people and rows.FOR_PEOPLE or rows.COLUMNS)
  for _, row in ipairs(list) do out:row(people and rows.for_people(row) or row) end
  out:close()
  if people then
    note_codes(list)
    log.note(("%s since %s"):format(layout.count(out.count, "event"),
      time.iso(graph_clock.now() - time.duration(read.since or SINCE))))
  end
  for _, one in ipairs(unread) do log.warn("unknown, as it could not be read: " .. one) end
  return out.count, #unread == 0
end

return M
