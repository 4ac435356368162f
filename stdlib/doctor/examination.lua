--- One examination by the doctor: runs checks, and reads each fact once for all checks that need it.

local class = require "base.class"
local facts = require "doctor.facts"
local fail = require "fail"
local licence = require "entra.licence"
local profiles = require "profile.current"
local states = require "handover.state"
local task = require "task"
local traceback = require "base.traceback"

local M = {}

---@class doctor.check
---@field name string
---@field denied doctor.verdict? the verdict when the check's calls are refused ("unknown")
---@field shared boolean? does it find the same whichever application is examined?
---@field run fun(findings: doctor.findings, facts: doctor.facts)

---@class doctor.facts what a check gets
---@field want fun(self: doctor.facts, name: string): any the value of a fact
---@field profile profile
---@field args table
---@field workflow string id of the setup
---@field setup string the command that repairs most findings

---@class doctor.examination
---@field profile profile
---@field workflow string id of the setup
---@field args table
---@field setup string the command that repairs most findings
---@field started table<string, Task>
---@field origins table<Failure, string> failure -> the fact whose reading failed first
---@field journal host.journal.journal?
---@field own boolean? did the examination open the journal itself? Then it closes the journal
local Examination = class "doctor.examination"

--- Raised in a check when a fact failed that another check reports.
local Blocked = class "doctor.blocked"

---@class doctor.findings the findings of one check
local Findings = class "doctor.findings"

-- What a check adds. `id` says what kind of finding it is, and stays the same when a number or a name in the evidence
-- changes; `about` is the id of what it is about: the application that is examined, unless the check says otherwise.
---@class doctor.fields
---@field id string
---@field about string?
---@field subjects string[]? ids of the several things that it names: accounts, permissions, addresses
---@field follows string? name of the check that reports why this could not be looked at
---@field evidence string
---@field cause string?
---@field fix string?
---@field conditions evidence.condition[]? what has to hold for something that does not happen by itself yet

local HAS_NO_ID = { ok = true, ["left out"] = true }

local function add_finding(self, verdict, fields)
  if not fields.id and not HAS_NO_ID[verdict] then error(("a finding of '%s' has no id"):format(self.check.name), 3) end
  self[#self + 1] = {
    check = self.check.name, verdict = verdict, id = fields.id, about = fields.about or self.about,
    subjects = fields.subjects, follows = fields.follows, conditions = fields.conditions, evidence = fields.evidence,
    cause = fields.cause, fix = fields.fix,
  }
end

--- Add the finding that something is as it should be.
---@param evidence string a format
function Findings:ok(evidence, ...) add_finding(self, "ok", { evidence = evidence:format(...) }) end

---@param fields doctor.fields
function Findings:warning(fields) add_finding(self, "warning", fields) end

---@param fields doctor.fields
function Findings:broken(fields) add_finding(self, "broken", fields) end

---@param fields doctor.fields
function Findings:unknown(fields) add_finding(self, "unknown", fields) end

--- Tell that nothing was checked, because there is no application. Another check reports that.
function Findings:no_application()
  self:unknown { id = "no application", follows = "application", evidence = "not checked: there is no application" }
end

--- Tell that nothing was checked, because there is no service principal. Another check reports that.
function Findings:no_service_principal()
  self:unknown { id = "no service principal", follows = "service principal",
    evidence = "not checked: there is no service principal" }
end

--- Tell what was not looked at although nothing depends on it: the verdict of the report stays as it is without this.
---@param fields { evidence: string, cause: string?, fix: string?, conditions: evidence.condition[]? }
function Findings:left_out(fields) add_finding(self, "left out", fields) end

--- Add a failure as a finding.
---@param verdict doctor.verdict
---@param failure Failure
---@param id string
function Findings:failure(verdict, failure, id)
  add_finding(self, verdict, {
    id = id, evidence = "could not " .. failure.what, cause = failure.why, fix = failure.fix,
  })
end

---------------------------------------------------------------------------
-- Reading facts

-- Read a fact, or wait for the task that reads it. When reading fails, the fact's name is kept with the failure, so
-- that facts which depend on it are not blamed.
local function read_fact(self, name)
  self.started[name] = self.started[name] or task.spawn(facts[name].read, self)
  local one = self.started[name]
  local ok, value = pcall(one.wait, one)
  if ok then return true, value end
  if fail.is(value) then self.origins[value] = self.origins[value] or name end
  return false, value
end

--- The value of a fact (doctor.facts), which is read when the first check asks for it. A fact that failed blocks this
--- check when another check reports the failure.
---@param name string of the fact
---@param check doctor.check that needs the fact
---@return any
function Examination:want(name, check)
  local ok, value = read_fact(self, name)
  if ok then return value end
  local origin = facts[self.origins[value] or name]
  if not fail.is(value) or fail.is(value, "interrupted") or origin.owner == check.name then error(value, 0) end
  error(Blocked { what = facts[name].what, owner = origin.owner }, 0)
end

--- The value of a fact that another fact needs. Raises the failure when the fact cannot be read.
---@param name string
---@return any
function Examination:need(name)
  local ok, value = read_fact(self, name)
  if ok then return value end
  error(value, 0)
end

local function add_failed_check(findings, check, err)
  if class.is(err, Blocked) then
    return findings:unknown {
      id = "not checked", evidence = ("not checked, because this is unknown: %s"):format(err.what),
      cause = err.owner ~= check.name and ("see: " .. err.owner) or nil,
      follows = err.owner ~= check.name and err.owner or nil,
    }
  end
  if not fail.is(err) or fail.is(err, "interrupted") then error(err, 0) end
  local unseen = err.kind == "denied" or licence.is_missing(err)
  findings:failure(unseen and (check.denied or "unknown") or "broken", err, "not checked")
end

--- Run one check. Returns its findings, in its order.
---@param check doctor.check
---@return doctor.finding[]
function Examination:run(check)
  local about = not check.shared and (self.args.client_id or self.args.name) or ""
  local findings = Findings { check = check, about = about }
  local ok, err = xpcall(check.run, traceback.keep, findings, {
    want = function(_, name) return self:want(name, check) end, profile = self.profile, args = self.args,
    workflow = self.workflow, setup = self.setup,
  })
  if not ok then add_failed_check(findings, check, err) end
  return table.move(findings, 1, #findings, 1, {})
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
    setup = states.setup_command(workflow, args.name, args.client_id),
    started = {},
    origins = {},
  }
end

return M
