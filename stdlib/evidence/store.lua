--- What is kept of Entra's logs: for each application a summary of its sign-ins, what of the log was read, and our own
--- sign-ins; for each account and application the latest changes; for each source, when it was read and why it could
--- not be.
---
--- All of it is in the journal's file, sealed, and outside the audit chain. What belongs to one application is one
--- value, so that nobody without the key can take away the uses of a secret and leave the proof that the log was read.

local fold = require "evidence.fold"
local graph_clock = require "graph.clock"
local time = require "time"

local M = {}

---@class evidence.sign_in one sign-in event of an application
---@field id string
---@field at number server time, seconds
---@field app_id string lower case
---@field key_id string? lower case; nil: the event does not say
---@field credential "secret"|"certificate"|"federated"|"managed_identity"|"unknown"
---@field address string?
---@field error integer 0: the sign-in succeeded
---@field reason string?
---@field resource string?
---@field correlation_id string?

---@class evidence.last_use one row of the daily report, which is about a day late; a missing row is unknown
---@field app_id string lower case
---@field key_id string lower case
---@field at number? nil: tracked, and never used
---@field origin "application"|"servicePrincipal"

---@class evidence.principal_use when an application was last used, by the daily report on service principals; our own
--- sign-ins are in it, and a missing moment is unknown
---@field app_id string lower case
---@field itself number? it signed in as itself
---@field people number? people signed in through it
---@field resource number? an application signed in to it
---@field resource_for_people number? people signed in to it
---@field last number? the last of all

---@class evidence.actor who made a change
---@field kind "application"|"person"|"unknown"
---@field object_id string? of the service principal or the user
---@field name string?
---@field user_name string?
---@field address string?

---@class evidence.target what a change changed
---@field object_id string lower case
---@field name string?
---@field type string "User", "Application", "ServicePrincipal", …
---@field user_name string?

---@class evidence.change one record of the directory's audit log
---@field id string
---@field at number
---@field name string activityDisplayName, as the tenant wrote it
---@field kind "reset"|"credentials"|"consent"|"role"|"deleted"|"disabled"|"other"
---@field result string "success", "failure", "timeout", …
---@field by evidence.actor
---@field targets evidence.target[]
---@field added string[] key ids, of kind "credentials"
---@field removed string[] key ids, of kind "credentials"
---@field correlation_id string?

---@class evidence.use the summary of the sign-ins with one credential from one address
---@field app_id string
---@field key_id string "" when the events do not say; "certificate", "federated" or "managed_identity" when they say
--- only that
---@field address string "" when the events do not say, or when it is no longer kept
---@field ours boolean our own sign-ins: with the same key id, within ten minutes of one on record
---@field unsure boolean? not `ours`, and from before our own sign-ins were on record, so it is not known whose they are
---@field first number
---@field last number
---@field count integer
---@field first_success number?
---@field last_success number?
---@field success_days integer days (UTC) with a sign-in that succeeded
---@field last_error integer?
---@field last_error_at number?

---@class evidence.span
---@field from number
---@field to number

---@class evidence.hole: evidence.span
---@field why string

---@class evidence.own_sign_in
---@field at number
---@field key_id string "" when it is not known
---@field failed boolean? Entra refused the sign-in, or whether it did is not known
---@field seen boolean? true: the log showed it; false: the log did not show it within three days; nil: not known yet

---@class evidence.coverage what the sign-in log was read for, of one application
---@field spans evidence.span[] read without an error, oldest first; touching spans are joined
---@field holes evidence.hole[] times of which nothing can be concluded although they are in a span, and why
---@field own evidence.own_sign_in[] our own sign-ins, oldest first

---@class evidence.age
---@field read_at number? when the source was last read without an error; nil: never
---@field why string? why it could not be read when it was tried last; nil: it was read
---@field fix string? what would lift that
---@field unavailable boolean? the tenant does not have this source for us: the next try will not help by itself

---@alias evidence.source "sign_ins"|"report"|"principal_report"|"audits"

---@class evidence.summary a use, with the days of its successes
---@field days integer[] the latest days with a success, as days since 1970
---@field earlier_days integer how many more there were

---@class evidence.app_record what is kept of one application
---@field settled evidence.use[] of the time before settled_to
---@field recent evidence.use[] of the time since then: read again each time
---@field settled_to number?
---@field length number? seconds of the next window of the log that is read
---@field rhythm number? of its consumer, in seconds, as it was declared last
---@field spans evidence.span[]
---@field holes evidence.hole[]
---@field own evidence.own_sign_in[]
---@field own_since number? since when our own sign-ins are on record: since the first of them, since the log was looked
--- at first, or since the journal was restored
---@field last_uses evidence.last_use[]
---@field report_read_at number? when the daily report was read for it
---@field principal_use evidence.principal_use?
---@field principal_read_at number? when the report on service principals was read for it

local LISTS_OF_AN_APPLICATION = { "settled", "recent", "spans", "holes", "own", "last_uses" }

--- The categories of changes that are followed: of accounts, applications and roles.
M.CATEGORIES = { "UserManagement", "ApplicationManagement", "RoleManagement" }

local OWN_WITHIN = 600 -- seconds: a sign-in this close to one of ours, with its key id, is taken for ours
local DAY = 86400
local OWN_KEPT = 400 * DAY
local OWN_THINNED = 4 * DAY -- of older sign-ins of ours, one each day and key id is enough: the first that was accepted
local ADDRESSES_KEPT = 40 * DAY -- where no rhythm is declared
local ADDRESSES_KEPT_AT_MOST = 400 * DAY
local MOST_CHANGES = 20 -- of one account or application
local CHANGES_KEPT = 400 * DAY

local function app_name(app_id) return "evidence/application/" .. app_id:lower() end
local function object_name(object_id) return "evidence/object/" .. object_id:lower() end
local function source_name(source) return "evidence/source/" .. source end

-- A value that was altered counts as none: it proves nothing, and `journal verify` tells of it.
local function read_kept(journal, name, to_change)
  return journal and journal:kept(name, to_change) or {}
end

local function complete_record(record, journal)
  for _, member in ipairs(LISTS_OF_AN_APPLICATION) do record[member] = record[member] or {} end
  local restored_at = journal and journal:restored_at()
  if restored_at and record.own_since then record.own_since = math.max(record.own_since, restored_at) end
  return record
end

--- What is kept of an application.
---@param journal host.journal.journal?
---@param app_id string client id
---@return evidence.app_record
function M.read_application(journal, app_id)
  return complete_record(read_kept(journal, app_name(app_id)), journal)
end

--- Change what is kept of an application: `change` gets the record as it is now, and changes it. It does not wait.
--- Durable with the next commit; other processes wait for that.
---@param journal host.journal.journal
---@param app_id string client id
---@param change fun(record: evidence.app_record)
function M.change_application(journal, app_id, change)
  local record = complete_record(read_kept(journal, app_name(app_id), true), journal)
  change(record)
  journal:keep(app_name(app_id), record)
end

--- The client ids of the applications of which something is kept.
---@param journal host.journal.journal?
---@return string[]
function M.applications(journal)
  local ids, start = {}, app_name ""
  for i, name in ipairs(journal and journal:kept_names(start) or {}) do ids[i] = name:sub(#start + 1) end
  return ids
end

--- The object ids of the accounts and applications whose changes are followed.
---@param journal host.journal.journal?
---@return string[]
function M.objects(journal)
  local ids, start = {}, object_name ""
  for i, name in ipairs(journal and journal:kept_names(start) or {}) do ids[i] = name:sub(#start + 1) end
  return ids
end

---------------------------------------------------------------------------
-- What rules and people read

local function add_to_day_count(use)
  use.success_days = (use.earlier_days or 0) + #(use.days or {})
  use.days, use.earlier_days = nil, nil
  return use
end

--- The summaries of an application's sign-ins: at most one for each key id, address, `ours` and `unsure`.
---@param journal host.journal.journal?
---@param app_id string client id
---@return evidence.use[]
function M.uses(journal, app_id)
  local record, uses = M.read_application(journal, app_id), {}
  for _, use in ipairs(fold.merge(record.settled, record.recent)) do
    use.app_id = app_id:lower()
    uses[#uses + 1] = add_to_day_count(use)
  end
  return uses
end

--- What the sign-in log was read for, of an application.
---@param journal host.journal.journal?
---@param app_id string client id
---@return evidence.coverage
function M.coverage(journal, app_id)
  local record = M.read_application(journal, app_id)
  return { spans = record.spans, holes = record.holes, own = record.own }
end

--- The rows of the daily report about an application's credentials.
---@param journal host.journal.journal?
---@param app_id string client id
---@return evidence.last_use[]
function M.last_uses(journal, app_id) return M.read_application(journal, app_id).last_uses end

--- When an application was last used, by kind of use; nil when the report on service principals never had a row.
---@param journal host.journal.journal?
---@param app_id string client id
---@return evidence.principal_use?
function M.principal_use(journal, app_id) return M.read_application(journal, app_id).principal_use end

--- The latest changes of an object (an account, an application, a service principal) that are kept, newest first.
---@param journal host.journal.journal?
---@param asked { target: string, since: number? } target: object id
---@return evidence.change[]
function M.changes(journal, asked)
  local found = {}
  for _, change in ipairs(read_kept(journal, object_name(asked.target)).changes or {}) do
    if not asked.since or change.at >= asked.since then found[#found + 1] = change end
  end
  return found
end

--- How old the knowledge of a source is: of an application's sign-ins with the application, of the other sources
--- without one.
---@param journal host.journal.journal?
---@param source evidence.source
---@param app_id string? client id
---@return number? seconds since the source was read; nil: never
---@return string? why it could not be read when it was tried last
---@return string? fix what would lift that
function M.age(journal, source, app_id)
  local known = read_kept(journal, source_name(source))
  local read_at = known.read_at
  if app_id then
    local spans = M.read_application(journal, app_id).spans
    read_at = #spans > 0 and spans[#spans].to or nil
  end
  return read_at and math.max(0, graph_clock.now() - read_at), known.why, known.fix
end

--- Is the event this sign-in of ours? Where one of the two has no key id, the moment decides.
---@param own evidence.own_sign_in
---@param event evidence.sign_in
---@return boolean
function M.is_own(own, event)
  if math.abs(own.at - event.at) > OWN_WITHIN then return false end
  return own.key_id == event.key_id or own.key_id == "" or event.key_id == nil and own.failed == true
end

--- How long ago a source was tried, and what came of that.
---@param journal host.journal.journal?
---@param source evidence.source
---@return number? seconds nil: it was never tried
---@return evidence.age last
function M.last_try(journal, source)
  local known = read_kept(journal, source_name(source))
  return known.tried_at and math.max(0, time.now() - known.tried_at), known
end

---------------------------------------------------------------------------
-- What is put there

-- Our own sign-ins that stay on record at `at`, oldest first.
local function thin_own_sign_ins(list, at)
  local kept, has_day = {}, {}
  for _, own in ipairs(list) do
    local day = own.key_id .. (own.at // DAY | 0)
    local is_extra = own.at < at - OWN_THINNED and (own.failed or has_day[day])
    if own.at > at - OWN_KEPT and not is_extra then kept[#kept + 1] = own end
    has_day[day] = has_day[day] or not own.failed
  end
  return kept
end

--- Put on record that we sign in as an application, before the request leaves. Durable with the next commit.
---@param journal host.journal.journal? nil: nothing is kept
---@param app_id string client id
---@param key_id string? of the credential; nil: not known, so sign-ins with any credential at that time count as ours
---@param at number server time
---@param failed boolean? Entra refused the sign-in, or its answer is not known yet
function M.own_sign_in(journal, app_id, key_id, at, failed)
  if not journal then return end
  M.change_application(journal, app_id, function(record)
    local own = { at = at, key_id = key_id and key_id:lower() or "", failed = failed or nil }
    record.own_since = record.own_since or at
    local last = record.own[#record.own]
    record.own = thin_own_sign_ins(record.own, at)
    if last and last.at == at and last.key_id == own.key_id then record.own[#record.own] = own
    else table.insert(record.own, own) end
  end)
end

local function is_newer(a, b) return a.at > b.at or a.at == b.at and a.id < b.id end

--- Keep changes of an object, besides those that are kept already. Durable with the next commit.
---@param journal host.journal.journal
---@param object_id string
---@param changes evidence.change[]
function M.add_changes(journal, object_id, changes)
  local name = object_name(object_id)
  local record, known, list = read_kept(journal, name, true), {}, {}
  local oldest = time.now() - CHANGES_KEPT
  for _, some in ipairs { changes, record.changes or {} } do
    for _, change in ipairs(some) do
      if not known[change.id] and change.at >= oldest then list[#list + 1] = change end
      known[change.id] = true
    end
  end
  table.sort(list, is_newer)
  for i = #list, MOST_CHANGES + 1, -1 do list[i] = nil end
  record.changes = list
  journal:keep(name, record)
end

--- Follow the changes of objects from now on. Where one of them was not followed before, the log is read again from
--- `begin`, and what it shows is whole from `whole_since`. Durable with the next commit.
---@param journal host.journal.journal
---@param object_ids string[]
---@param begin number
---@param whole_since number
function M.follow(journal, object_ids, begin, whole_since)
  local has_new = false
  for _, id in ipairs(object_ids) do
    local record = read_kept(journal, object_name(id), true)
    if not record.followed_from then
      has_new, record.followed_from = true, whole_since
      journal:keep(object_name(id), record)
    end
  end
  if not has_new then return end
  local known = read_kept(journal, source_name "audits", true)
  for category in pairs(known.read_to or {}) do known.read_to[category] = begin end
  journal:keep(source_name "audits", known)
end

--- From when to when the changes of an object were followed; nil when they never were, or not since they were lost.
---@param journal host.journal.journal?
---@param object_id string
---@return evidence.span?
function M.followed(journal, object_id)
  local from = read_kept(journal, object_name(object_id)).followed_from
  local known = read_kept(journal, source_name "audits")
  local to = math.huge
  for _, category in ipairs(M.CATEGORIES) do to = math.min(to, known.read_to and known.read_to[category] or 0) end
  from = from and math.max(from, known.lost_until or from)
  return from and from < to and { from = from, to = to } or nil
end

--- How far the audit log was read, in a category; `begin` when it was not. The second result is the length of the next
--- window, nil before the first: a reading that is cut short goes on with windows as long as it had found out.
---@param journal host.journal.journal
---@param category string
---@param begin number
---@return number
---@return number? seconds
function M.read_to(journal, category, begin)
  local known = read_kept(journal, source_name "audits")
  local read_to, length = known.read_to or {}, known.length or {}
  return math.max(begin, read_to[category] or begin), length[category]
end

---@class evidence.reading_on
---@field to number how far the log was read
---@field lost_until number? changes before this moment may have left the log before they were read
---@field length number? seconds of the next window

--- Keep how far the audit log was read, in a category. Durable with the next commit.
---@param journal host.journal.journal
---@param category string
---@param reached evidence.reading_on
function M.keep_read_to(journal, category, reached)
  local known = read_kept(journal, source_name "audits", true)
  known.read_to, known.length = known.read_to or {}, known.length or {}
  known.read_to[category], known.length[category] = reached.to, reached.length
  known.lost_until = reached.lost_until or known.lost_until
  journal:keep(source_name "audits", known)
end

-- How long the addresses of an application are kept: as long as a removal by evidence needs them.
local function address_time(rhythm)
  return rhythm and math.min(ADDRESSES_KEPT_AT_MOST, 4 * rhythm + ADDRESSES_KEPT) or ADDRESSES_KEPT
end

local function has_old_address(uses, before)
  for _, use in ipairs(uses) do
    if use.address ~= "" and use.last < before then return true end
  end
  return false
end

local function forget_addresses_of_application(journal, app_id, now)
  local record = M.read_application(journal, app_id)
  local before = now - address_time(record.rhythm)
  if not has_old_address(record.settled, before) and not has_old_address(record.recent, before) then return end
  M.change_application(journal, app_id, function(present)
    present.settled = fold.forget_addresses(present.settled, before)
    present.recent = fold.forget_addresses(present.recent, before)
  end)
end

local function forget_addresses_of_object(journal, name, before)
  local record, is_changed = read_kept(journal, name), false
  for _, change in ipairs(record.changes or {}) do
    is_changed = is_changed or change.by.address ~= nil and change.at < before
    if change.at < before then change.by.address = nil end
  end
  if is_changed then journal:keep(name, record) end
end

--- Drop the addresses that are no longer needed, of everything that is kept; once a day. Durable with the next commit.
---@param journal host.journal.journal
---@param now number
function M.forget_old_addresses(journal, now)
  local name = "evidence/addresses"
  local last = read_kept(journal, name, true).at
  if last and now - last < DAY then return end
  for _, app_id in ipairs(M.applications(journal)) do forget_addresses_of_application(journal, app_id, now) end
  for _, id in ipairs(M.objects(journal)) do
    forget_addresses_of_object(journal, object_name(id), now - ADDRESSES_KEPT)
  end
  journal:keep(name, { at = now })
end

--- Keep what a try to read a source came to. Durable with the next commit.
---@param journal host.journal.journal
---@param source evidence.source
---@param outcome evidence.age
function M.keep_source(journal, source, outcome)
  local known = read_kept(journal, source_name(source), true)
  known.read_at, known.tried_at = outcome.read_at or known.read_at, time.now()
  known.why, known.fix, known.unavailable = outcome.why, outcome.fix, outcome.unavailable
  journal:keep(source_name(source), known)
end

return M
