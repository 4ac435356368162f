--- One examination: facts that are read once, for all checks that need them.

local class = require "base.class"
local facts = require "doctor.facts"
local fail = require "fail"
local licence = require "entra.licence"
local profiles = require "profile.current"
local scheduler = require "task.scheduler"
local states = require "handover.state"
local task = require "task"

local M = {}

---@class doctor.check
---@field name string
---@field denied doctor.verdict? the verdict when the check's calls are refused ("unknown")
---@field run fun(record: doctor.record, exam: doctor.examination)

---@class doctor.examination
---@field profile profile
---@field workflow string id of the setup
---@field args table
---@field setup string the command that repairs most findings
---@field started table<string, Task>
---@field origins table<Failure, string> failure -> the fact whose reading failed first
---@field journal host.journal.journal?
---@field own boolean? did the examination open the journal? Then it closes it
local Examination = class "doctor.examination"

--- Raised in a check when a fact failed that another check reports.
local Blocked = class "doctor.blocked"

---@class doctor.record the findings of one check
local Record = class "doctor.record"

local function add(self, verdict, fields)
  self[#self + 1] = {
    check = fields.check or self.check.name, verdict = verdict, evidence = fields.evidence, cause = fields.cause,
    fix = fields.fix,
  }
end

--- Add the finding that something is as it should be.
---@param evidence string a format
function Record:ok(evidence, ...) add(self, "ok", { evidence = evidence:format(...) }) end

---@param fields { evidence: string, cause: string?, fix: string?, check: string? }
function Record:warning(fields) add(self, "warning", fields) end

---@param fields { evidence: string, cause: string?, fix: string?, check: string? }
function Record:broken(fields) add(self, "broken", fields) end

---@param fields { evidence: string, cause: string?, fix: string?, check: string? }
function Record:unknown(fields) add(self, "unknown", fields) end

--- Add a failure as a finding.
---@param verdict doctor.verdict
---@param failure Failure
function Record:failure(verdict, failure)
  add(self, verdict, { evidence = "could not " .. failure.what, cause = failure.why, fix = failure.fix })
end

---------------------------------------------------------------------------
-- Finding out

-- Wait for a fact. When reading it fails, keep the fact's name with the failure, so that facts that depend on it are
-- not blamed.
local function wait(self, name)
  self.started[name] = self.started[name] or task.spawn(facts[name].read, self)
  local one = self.started[name]
  local ok, value = pcall(one.wait, one)
  if ok then return true, value end
  if fail.is(value) then self.origins[value] = self.origins[value] or name end
  return false, value
end

--- The value of a fact (doctor.facts), which is read when the first check asks for it. A fact that failed blocks this
--- check when another check reports the failure.
---@param check doctor.check who asks
---@return any
function Examination:want(name, check)
  local ok, value = wait(self, name)
  if ok then return value end
  local origin = facts[self.origins[value] or name]
  if not fail.is(value) or fail.is(value, "interrupted") or origin.owner == check.name then error(value, 0) end
  error(Blocked { what = facts[name].what, owner = origin.owner }, 0)
end

--- The same, for a fact that another fact needs.
---@param name string
---@return any
function Examination:need(name)
  local ok, value = wait(self, name)
  if ok then return value end
  error(value, 0)
end

local function judge(record, check, err)
  if class.is(err, Blocked) then
    return record:unknown { evidence = ("not checked, because this is unknown: %s"):format(err.what),
      cause = err.owner ~= check.name and ("see: " .. err.owner) or nil }
  end
  if not fail.is(err) or fail.is(err, "interrupted") then error(err, 0) end
  local unseen = err.kind == "denied" or licence.is_missing(err)
  record:failure(unseen and (check.denied or "unknown") or "broken", err)
end

--- Run one check. Returns its findings, in its order.
---@param check doctor.check
---@return doctor.finding[]
function Examination:run(check)
  local record = Record { check = check }
  local ok, err = xpcall(check.run, scheduler.keep_trace, record, {
    want = function(_, name) return self:want(name, check) end, exam = self, profile = self.profile, args = self.args,
    workflow = self.workflow, setup = self.setup,
  })
  if not ok then judge(record, check, err) end
  return table.move(record, 1, #record, 1, {})
end

function Examination:close()
  if self.journal and self.own then self.journal:close() end
  self.journal = nil
end
Examination.__close = Examination.close

--- A new examination for the profile in use.
---@param workflow string id of the setup
---@param args table
---@return doctor.examination
function M.new(workflow, args)
  return Examination {
    profile = profiles.current(), workflow = workflow, args = args,
    setup = states.maker(workflow, args.name, args.client_id),
    started = {},
    origins = {},
  }
end

return M
