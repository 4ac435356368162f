--- Look at everything that is told: the calendar of expiry dates, the last runs of policies, and the doctor.

local doctor = require "doctor"
local expiry = require "expiry.look"
local fail = require "fail"
local findings = require "notice.findings"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local states = require "handover.state"

local M = {}

--- Run `fn(...)` with these rights. A failure becomes something that could not be looked at. Waits.
---@param look notice.look
---@param source string
---@param what string what is then not known
---@param given_rights host.gate.rights?
---@param fn function
---@return any value nil when it could not be looked at
function M.try(look, source, what, given_rights, fn, ...)
  local ok, value = pcall(rights.with, scheduler.require_current(), given_rights, fn, ...)
  if ok then return value end
  if not fail.is(value) or fail.is(value, "interrupted") or fail.is(value, "journal") then error(value, 0) end
  findings.add_unknown(look, source, what, value.why, value.fix)
end

local SETUP, NAME = "setup/entra-pam-provider", "Devolutions PAM"

-- Whom the doctor looks at: each provider on record; without any, the one that the setup makes.
local function patients(journal)
  local list = {}
  for _, row in ipairs(states.rows(journal)) do
    if row.state == "known" then list[#list + 1] = { name = row.body.name, client_id = row.id } end
  end
  return #list > 0 and list or { { name = NAME } }
end

local function examine_all(look, journal)
  local found = {}
  for _, patient in ipairs(patients(journal)) do
    local examined = doctor.examine(SETUP, patient).findings
    table.move(examined, 1, #examined, #found + 1, found)
  end
  findings.add_doctor(look, found)
end

---@class notice.collect.context
---@field journal host.journal.journal
---@field profile profile
---@field rights { expiring: host.gate.rights?, doctor: host.gate.rights? }
---@field offline boolean? do not sign in
---@field doctor boolean does a rule tell what the doctor finds?

--- Look at everything. Changes nothing; waits.
---@param context notice.collect.context
---@return notice.look
function M.look(context)
  local look = findings.new()
  local calendar = M.try(look, "tenant", "what expires", context.rights.expiring, expiry.look,
    context.journal, context.profile, { offline = context.offline })
  look.calendar = calendar
  if calendar then findings.add_expiring(look, calendar) end
  if context.offline then look.unseen.tenant = true end
  findings.add_rotations(look, context.journal)
  if context.doctor and not context.offline then
    M.try(look, "doctor", "what the doctor would find", context.rights.doctor, examine_all, look,
      context.journal)
  elseif context.doctor then
    look.unseen.doctor = true
  end
  return look
end

return M
