--- What Entra's sign-in log tells about the use of an application's credentials while one of them is rotated: is the
--- new one in use, and why does a replaced one stay?

local evidence_rules = require "evidence.rules"
local fail = require "fail"
local graph_clock = require "graph.clock"
local in_use = require "journal.in_use"
local on_behalf = require "entra.on_behalf"
local refresh = require "evidence.refresh"
local store = require "evidence.store"
local time = require "time"
local workflow_print = require "workflow.print"

local M = {}

local LONGEST = 60 -- seconds that reading the log may take
local JUST_NOW = 600 -- seconds for which a reading counts as new: a plan and its run share one

--- Was the credential confirmed by the log alone, and by no person?
---@param row rotation.row
---@return boolean
function M.is_by_log(row) return row.body.confirmed_by == in_use.BY_LOG end

local function raise_wrong_argument(what, why, fix)
  fail.raise { kind = "usage", what = what, why = why, fix = fix }
end

--- Raise "usage" for arguments of a command that ask for a removal by the log without saying how often the consumer
--- signs in.
---@param args { rhythm: number?, retire_unused: boolean? }
function M.check_arguments(args)
  if args.retire_unused and not args.rhythm then
    raise_wrong_argument("--retire-unused",
      "silence tells nothing while it is not said how often the consumer signs in",
      "Add --rhythm 1d, if the consumer signs in every day; it is not learned from the log.")
  elseif args.rhythm and args.rhythm < evidence_rules.LEAST_RHYTHM then
    raise_wrong_argument("--rhythm", "it is less than 1h", "Write --rhythm 1h or longer.")
  end
end

---------------------------------------------------------------------------
-- Reading the log

-- Is there a credential of which the log may tell something: one that waits to be confirmed, or one that was replaced?
local function is_log_wanted(self)
  local view, newest = self.view, self.view.newest
  if #view.retiring > 0 or #view.overdue > 0 then return true end
  return newest ~= nil and (newest.state == "stored" or newest.state == "handed_over")
end

--- Read what is new in the log, where it may tell something about the credentials. Waits, a minute at most; a log that
--- cannot be read is no failure.
---@param self rotation.Credential
function M.read(self)
  local journal, app_id = self.run.journal, self.application.appId
  if not journal or not is_log_wanted(self) then return end
  local age, why = store.age(journal, "sign_ins", app_id)
  if age and age < JUST_NOW and not why then return end
  refresh.run(journal, { applications = { { app_id = app_id, rhythm = self.terms.rhythm } } }, LONGEST)
end

-- The key ids of the credentials that were made before this one, on record or only listed by Entra.
local function earlier_key_ids(self, row)
  local ids = {}
  for _, other in ipairs(self.kind.rows:all(self.run.journal, self.application.appId)) do
    if other.id == row.id then break end
    ids[#ids + 1] = other.body.key_id
  end
  for _, credential in ipairs(self.view.foreign) do ids[#ids + 1] = credential.keyId end
  return ids
end

local function case_of(self, row)
  local journal, app_id = self.run.journal, self.application.appId
  return {
    uses = store.uses(journal, app_id), coverage = store.coverage(journal, app_id), new = row.body.key_id,
    olds = earlier_key_ids(self, row), rhythm = self.terms.rhythm, now = graph_clock.now(),
    is_consumer = self.run.profile.sign_in.client_id == app_id,
  }
end

--- What the log tells about the use of a credential.
---@param self rotation.Credential
---@param row rotation.row with a key id
---@return evidence.verdict
function M.verdict(self, row) return evidence_rules.confirmed(case_of(self, row)) end

--- Tell what the log shows: to the reader of the run, and, in `remarks`, to whoever started it.
---@param self rotation.Credential
---@param is_urgent boolean is it a warning?
---@param text string a format
function M.tell(self, is_urgent, text, ...)
  table.insert(self.remarks, workflow_print.filled(text, ...))
  local run = self.run
  if is_urgent then run:warn(text, ...) else run:note(text, ...) end
end

--- Tell why the log does not show whether the new credential is in use, where it could not be read.
---@param self rotation.Credential
function M.tell_unread(self)
  local _, why, fix = store.age(self.run.journal, "sign_ins", self.application.appId)
  if not why then return end
  M.tell(self, false, "Entra's log does not tell whether %s is in use: %s%s", self.row.body.marker, why,
    fix and ". " .. fix or "")
end

---------------------------------------------------------------------------
-- Why a replaced credential stays

-- Since when the log is known, for "no use was seen".
local function silence_text(self)
  local journal, app_id = self.run.journal, self.application.appId
  local coverage = store.coverage(journal, app_id)
  local spans = coverage.spans
  local _, why = store.age(journal, "sign_ins", app_id)
  if #spans == 0 then return "whether it is used is unknown" .. (why and ": " .. why or "") end
  local from = spans[#spans].from
  local text = ("the log, known since %s, shows no use of it"):format(time.day(from))
  local hole = evidence_rules.hole_since(coverage, from)
  return hole and ("%s, but has a hole on %s: %s"):format(text, time.day(hole.from), hole.why) or text
end

--- When and from where a replaced credential was used last, as far as the log tells.
---@param self rotation.Credential
---@param row rotation.row
---@return string
function M.last_use_text(self, row)
  local uses = store.uses(self.run.journal, self.application.appId)
  local last = row.body.key_id and evidence_rules.last_use(uses, row.body.key_id, graph_clock.now())
  return last and "it was last used " .. last.text or silence_text(self)
end

--- Which use of the application's credentials is not in the log? Its registration may show it; and that people sign in
--- through it, the report of Entra: that report lacks rows, so it never shows that nobody does. Waits.
---@param journal host.journal.journal?
---@param application { id: string, appId: string }
---@return entra.unseen_use
function M.unseen(journal, application)
  local unseen, use = on_behalf.of(application.id), store.principal_use(journal, application.appId)
  if use and use.people then
    unseen.for_people = true
    unseen.why_people = ("people signed in through it, last on %s"):format(time.day(use.people))
  end
  return unseen
end

-- The conditions that do not hold, in words; nil when all hold.
local function missing_conditions(self, row)
  local case, terms = case_of(self, self.row), self.terms
  case.old, case.grace_over, case.proven = row.body.key_id, row.body.retire_at <= case.now, true
  case.unseen = terms.rhythm and M.unseen(self.run.journal, self.application) or {}
  local may, conditions = evidence_rules.may_remove(case)
  if may then return nil end
  local texts = {}
  for _, condition in ipairs(conditions) do
    if not condition.holds then texts[#texts + 1] = condition.text end
    if not terms.rhythm then break end -- the others depend on it
  end
  return table.concat(texts, "; ")
end

-- Why a credential stays whose successor only the log confirmed; nil when it may go.
local function why_log_keeps(self, row)
  if not row.body.key_id then return "its key id is not known" end
  local missing = missing_conditions(self, row)
  if missing then return missing end
  if self.terms.retire_unused then return nil end
  return "the log shows no use any more, and nobody asked to remove it for that"
end

--- Why a replaced credential is not removed although its grace is over; nil when it may go. Where a person confirmed
--- the new one, only a use in the last days keeps the old one. Where the log did, the old one goes only by the rules
--- for that.
---@param self rotation.Credential with the row in use
---@param row rotation.row that was replaced
---@return string? why
---@return boolean? is_used is it kept because of a use?
function M.why_kept(self, row)
  if M.is_by_log(self.row) then return why_log_keeps(self, row), false end
  if not row.body.key_id then return nil end
  local uses = store.uses(self.run.journal, self.application.appId)
  local use = evidence_rules.holding_use(uses, row.body.key_id, graph_clock.now(), self.terms.rhythm)
  if use then return "it was used " .. use.text, true end
end

return M
