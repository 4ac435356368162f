--- Read the sources of evidence within a time limit, fold what they say into the store, and say what could not be had.
---
--- The sign-ins of the last three days are read again each time, because rows come late; older ones are settled. What
--- was read is kept after each window, so a refresh that was cut short goes on where it stopped.

local audits = require "evidence.audits"
local commit = require "journal.commit"
local daily_report = require "evidence.daily_report"
local fold = require "evidence.fold"
local graph_clock = require "graph.clock"
local principal_report = require "evidence.principal_report"
local reading = require "evidence.reading"
local sign_ins = require "evidence.sign_ins"
local store = require "evidence.store"
local task = require "task"
local time = require "time"

local M = {}

local DAY = 86400

M.LATE = 3 * DAY -- rows this late are still counted; a sign-in of ours that is later makes a hole
M.LONGEST_PAUSE = 5 * DAY -- between two looks

local LOG_KEEPS = 30 * DAY -- with a licence; what is older cannot be read
local SURELY_KEPT = 6 * DAY -- the log keeps seven days at least, so a first look proves no more
local SHORTEST_WINDOW = 3600
local FEW, MANY = 900, 5000 -- events in a window: the next one is longer after fewer, shorter after more
local MOST_HELD = 500 -- changes in memory that are not kept yet
local HOLES_KEPT = 400 * DAY
local REPORT_EACH = 6 * 3600 -- the report changes once a day
local AUDITS_LATE = 2 * 3600
local FEW_APPLICATIONS = 10 -- for more, the whole report takes fewer requests

---@class evidence.refresh.application
---@field app_id string
---@field rhythm number? seconds between two sign-ins of its consumer at most, as the admin declared it; nil: as it was
--- declared before

---@class evidence.refresh.subjects
---@field applications evidence.refresh.application[]?
---@field objects string[]? object ids of accounts, applications and service principals whose changes are wanted

---@class evidence.gap
---@field source evidence.source
---@field why string
---@field fix string?
---@field unavailable boolean? the tenant does not have this source for us

---------------------------------------------------------------------------
-- Sign-ins of one application

-- Is the event one of our own sign-ins? Notes which of them the log showed.
local function is_ours(record, event)
  local ours = false
  for _, own in ipairs(record.own) do
    if store.is_own(own, event) then
      ours = true
      if event.error == 0 then own.seen = true end
    end
  end
  return ours
end

-- Sum up the sign-ins of a window. Of those from before our own were on record, it is not known whether they are ours.
-- Returns the summaries of those before and since `border`, and their number.
local function read_window(app_id, record, window, border)
  local settled, recent, count = fold.begin(), fold.begin(), 0
  for event in sign_ins.read(app_id, window.from, window.to) do
    local ours = is_ours(record, event)
    local use = fold.use(event, ours, not ours and event.at < record.own_since)
    fold.add(event.at < border and settled or recent, use)
    count = count + 1
  end
  return settled.list, recent.list, count
end

local function add_hole(record, from, to, why)
  table.insert(record.holes, { from = from, to = to, why = why })
end

local function last_look(record)
  local last = record.spans[#record.spans]
  return last and last.to
end

-- Begin: how far back the log has to be read.
local function begin_sign_ins(record, now)
  local oldest, looked = now - LOG_KEEPS, last_look(record)
  if record.settled_to and record.settled_to < oldest then
    add_hole(record, record.settled_to, oldest, "the log no longer has it: it keeps 30 days")
  end
  record.settled_to = math.max(record.settled_to or oldest, oldest)
  record.own_since = record.own_since or now
  return looked
end

-- The length of the next window, after one with so many events; nil: after one that could not be read to its end.
local function next_length(length, count)
  if not count then return math.max(SHORTEST_WINDOW, length // 4) end
  if count < FEW then return math.min(LOG_KEEPS, 2 * length) end
  return count > MANY and math.max(SHORTEST_WINDOW, length // 2) or length
end

-- Our own sign-ins on record now, with what this look found out about those that it knew.
local function join_own(present, looked_at)
  local seen = {}
  for _, own in ipairs(looked_at) do seen[own.at .. own.key_id] = own.seen end
  for _, own in ipairs(present) do
    if own.seen == nil then own.seen = seen[own.at .. own.key_id] end
  end
end

-- Keep what was read, beside what was put there meanwhile.
local function keep_sign_ins(journal, app_id, record)
  store.change_application(journal, app_id, function(present)
    join_own(present.own, record.own)
    present.settled, present.settled_to, present.recent = record.settled, record.settled_to, record.recent
    present.spans, present.holes = record.spans, record.holes
    present.rhythm, present.length = record.rhythm, record.length
    present.own_since = present.own_since or record.own_since
  end)
  commit.commit(journal)
end

-- Keep the sign-ins since what is settled in place of those of the last reading; what that one showed, and this one
-- does not, is settled.
local function keep_recent(record, recent)
  local gone = fold.vanished(record.recent, fold.merge(record.settled, recent))
  record.settled, record.recent = fold.merge(record.settled, gone), recent
end

-- Read on from what is settled to `now`, window by window; each is kept when it is read. What is older than rows come
-- late is settled then. The last window reaches to now, so that the recent ones take no request of their own.
local function read_on(journal, app_id, record, now)
  local border, is_done = now - M.LATE, false
  while not is_done do
    local length = record.length or LOG_KEEPS
    local window = { from = record.settled_to, to = record.settled_to + length }
    if window.to > border then window.to = now end
    local ok, settled, recent, count = pcall(read_window, app_id, record, window, border)
    record.length = next_length(window.to - window.from, ok and count or nil)
    if ok then
      is_done = window.to == now
      record.settled, record.settled_to = fold.merge(record.settled, settled), math.min(window.to, border)
      if is_done then keep_recent(record, recent) end
    end
    if not is_done then keep_sign_ins(journal, app_id, record) end
    if not ok then error(settled, 0) end
  end
end

-- Our own sign-ins that the log should have shown by now: each that it did not show is a hole.
local function judge_own_sign_ins(record, now)
  for _, own in ipairs(record.own) do
    if own.seen == nil and not own.failed and own.key_id ~= "" and own.at < now - M.LATE then
      own.seen = false
      add_hole(record, own.at, own.at, "the log did not show a sign-in of our own within three days")
    end
  end
end

local function extend_spans(record, looked, now)
  if looked and now - looked > M.LONGEST_PAUSE then
    add_hole(record, looked, now, ("the log was not looked at for %s"):format(time.span(now - looked)))
  end
  if looked then record.spans[#record.spans].to = math.max(looked, now)
  else table.insert(record.spans, { from = now - SURELY_KEPT, to = now }) end
end

local function drop_old(list, before)
  local kept = {}
  for _, one in ipairs(list) do
    if one.to >= before then kept[#kept + 1] = one end
  end
  return kept
end

local function refresh_sign_ins(journal, application, now)
  local app_id = application.app_id
  local record = store.read_application(journal, app_id)
  local looked = begin_sign_ins(record, now)
  record.rhythm = application.rhythm or record.rhythm
  read_on(journal, app_id, record, now)
  judge_own_sign_ins(record, now)
  extend_spans(record, looked, now)
  record.holes = drop_old(record.holes, now - HOLES_KEPT)
  keep_sign_ins(journal, app_id, record)
end

-- Refresh one application after the other. A failure of one does not keep the others from being read, unless the tenant
-- does not have the source for us.
local function refresh_all_sign_ins(journal, applications, now)
  local first_failure
  for _, application in ipairs(applications) do
    local ok, failure = pcall(refresh_sign_ins, journal, application, now)
    if not ok and reading.gap(failure).unavailable then error(failure, 0) end
    if not ok then first_failure = first_failure or failure end
  end
  if first_failure then error(first_failure, 0) end
end

---------------------------------------------------------------------------
-- The daily reports

local function keep_last_uses(journal, app_id, rows)
  store.change_application(journal, app_id, function(record)
    record.last_uses, record.report_read_at = daily_report.newest(rows), time.now()
  end)
end

-- What an earlier edition of the report told stays: a row that is missing now proves nothing.
local function keep_principal_use(journal, app_id, rows)
  store.change_application(journal, app_id, function(record)
    for _, row in ipairs(rows) do record.principal_use = principal_report.later(record.principal_use, row) end
    record.principal_read_at = time.now()
  end)
end

-- How to read a report, what of it to keep, and the member of an application's record that tells when it was read. Who
-- uses an application at all matters only for a removal by evidence, so only where a rhythm was declared.
local CREDENTIALS = { report = daily_report, keep = keep_last_uses, read_at = "report_read_at" }
local PRINCIPALS = { report = principal_report, keep = keep_principal_use, read_at = "principal_read_at",
  only_with_rhythm = true }

local function read_whole_report(journal, how, applications)
  local rows_of = {}
  for _, application in ipairs(applications) do rows_of[application.app_id:lower()] = {} end
  for row in how.report.read() do
    if rows_of[row.app_id] then table.insert(rows_of[row.app_id], row) end
  end
  for app_id, rows in pairs(rows_of) do how.keep(journal, app_id, rows) end
end

local function needs_report(journal, how, application)
  local record = store.read_application(journal, application.app_id)
  if how.only_with_rhythm and not (application.rhythm or record.rhythm) then return false end
  local read_at = record[how.read_at]
  return not read_at or time.now() - read_at >= REPORT_EACH
end

local function refresh_report(journal, how, all)
  local applications = {}
  for _, application in ipairs(all) do
    if needs_report(journal, how, application) then applications[#applications + 1] = application end
  end
  if #applications == 0 then return end
  if #applications > FEW_APPLICATIONS then return read_whole_report(journal, how, applications) end
  for _, application in ipairs(applications) do
    how.keep(journal, application.app_id, how.report.of_application(application.app_id))
  end
end

---------------------------------------------------------------------------
-- Changes

local function add_change_to_objects(by_object, change, wanted)
  local added = 0
  for _, target in ipairs(change.targets) do
    local id = target.object_id
    if wanted[id] then
      by_object[id] = by_object[id] or {}
      table.insert(by_object[id], change)
      added = added + 1
    end
  end
  return added
end

local function keep_changes(journal, by_object)
  for object_id, changes in pairs(by_object) do store.add_changes(journal, object_id, changes) end
end

-- Read the changes of a window, and keep them for each wanted object as soon as there are MOST_HELD, so that a run that
-- changed ten thousand accounts does not hold as many in memory. A window that is read again adds nothing twice.
-- Returns the changes that are not kept yet, and how many changes there were of all objects.
local function read_changes(journal, category, wanted, from, to)
  local by_object, held, count = {}, 0, 0
  for change in audits.read { category = category, from = from, to = to } do
    count = count + 1
    held = held + add_change_to_objects(by_object, change, wanted)
    if held >= MOST_HELD then
      keep_changes(journal, by_object)
      commit.commit(journal)
      by_object, held = {}, 0
    end
  end
  return by_object, count
end

-- Read the changes of a category, window by window, and keep those of the objects.
local function refresh_category(journal, category, wanted, now)
  local from, length = store.read_to(journal, category, now - LOG_KEEPS)
  local lost_until = from < now - SURELY_KEPT and now - SURELY_KEPT or nil
  while from < now do
    local to = math.min(now, from + (length or LOG_KEEPS))
    local ok, by_object, count = pcall(read_changes, journal, category, wanted, from, to)
    length = next_length(to - from, ok and count or nil)
    if ok then keep_changes(journal, by_object) end
    local read_to = ok and math.min(to, now - AUDITS_LATE) or from
    store.keep_read_to(journal, category, { to = read_to, lost_until = lost_until, length = length })
    commit.commit(journal)
    if not ok then error(by_object, 0) end
    from = to
  end
end

local function refresh_audits(journal, objects, now)
  local wanted = {}
  for _, id in ipairs(objects) do wanted[id:lower()] = true end
  if not next(wanted) then return end
  store.follow(journal, objects, now - LOG_KEEPS, now - SURELY_KEPT)
  commit.commit(journal)
  for _, category in ipairs(store.CATEGORIES) do refresh_category(journal, category, wanted, now) end
end

---------------------------------------------------------------------------
-- All together

-- Read a source; keep when it was read, or why it could not be. Returns the gap, if there is one.
local function read_source(journal, name, fn, ...)
  local ok, failure = pcall(fn, ...)
  local outcome = ok and { read_at = graph_clock.now() } or reading.gap(failure)
  if ok or not reading.is_left_out(failure) then store.keep_source(journal, name, outcome) end
  commit.commit(journal)
  if ok then return nil end
  return { source = name, why = outcome.why, fix = outcome.fix, unavailable = outcome.unavailable }
end

local function read_all(journal, subjects, gaps)
  local applications, now = subjects.applications or {}, graph_clock.now()
  if #applications > 0 then
    gaps[#gaps + 1] = read_source(journal, "sign_ins", refresh_all_sign_ins, journal, applications, now)
  end
  gaps[#gaps + 1] = read_source(journal, "audits", refresh_audits, journal, subjects.objects or {}, now)
  gaps[#gaps + 1] = read_source(journal, "report", refresh_report, journal, CREDENTIALS, applications)
  gaps[#gaps + 1] = read_source(journal, "principal_report", refresh_report, journal, PRINCIPALS, applications)
  store.forget_old_addresses(journal, now)
  commit.commit(journal)
end

--- Read what is new, for these applications and objects, for at most `seconds`. Returns the sources that could not be
--- read, or not to the end, and why; what was read before that is kept. Raises "journal" when it cannot be kept. Waits.
---@param journal host.journal.journal? nil: nothing is read
---@param subjects evidence.refresh.subjects
---@param seconds number? the time limit; nil: none but the caller's
---@return evidence.gap[]
function M.run(journal, subjects, seconds)
  local gaps = {}
  if not journal then return gaps end
  if seconds then task.within(seconds, read_all, journal, subjects, gaps)
  else read_all(journal, subjects, gaps) end
  return gaps
end

return M
