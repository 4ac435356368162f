--- How long a credential of an application lives, and when it is replaced: by its age, and by its expiry date.

local fail = require "fail"
local time = require "time"

local M = {}

---@class rotation.dates
---@field lifetime number? seconds that a new credential lives
---@field renew_before number? seconds before its expiry date from which a credential is replaced; by default what
--- `renew_before` says
---@field every number? age in seconds from which a credential is replaced

local USUAL_MARGIN = 30 * 86400 -- seconds before the expiry date at which a credential is renewed by default

--- How long before its expiry date a credential with this lifetime is replaced: as asked for, else 30 days, or a third
--- of the lifetime where that is less.
---@param asked number? seconds
---@param length number seconds
---@return number seconds
function M.renew_before(asked, length) return asked or math.min(USUAL_MARGIN, length // 3) end

--- Raise "usage" for terms that would replace a new credential at once: then every run would make another credential.
---@param kind string "client secret"
---@param terms rotation.dates
---@param fix string? by default a fix for the tenant's limit
function M.check_terms(kind, terms, fix)
  local lifetime, renew_before = terms.lifetime, terms.renew_before
  if not renew_before or lifetime > renew_before then return end
  fail.raise {
    kind = "usage", what = "plan the " .. kind,
    why = ("it would live %s and be renewed %s before it expires"):format(time.span(lifetime), time.span(renew_before)),
    fix = fix or ("Use --renew-before %dd or less."):format(lifetime // 86400 // 2),
  }
end

--- Raise "usage" for arguments of a command that would replace a new credential at once.
---@param kind string
---@param args { lifetime: number?, renew_before: number? }
function M.check_arguments(kind, args)
  if args.lifetime then M.check_terms(kind, args, "Make --lifetime longer or --renew-before shorter.") end
end

--- When a credential was made. For a credential that was found, not made here, that is Entra's start date.
---@param row rotation.row
---@return number server time
function M.made_at(row)
  local body = row.body
  return body.made_at or body.known_at or body.sent_at or row.created
end

-- How many seconds before its expiry date a row's credential is replaced.
local function renewal_margin(row, terms)
  return M.renew_before(terms.renew_before, row.body.lifetime or row.body.ends - M.made_at(row))
end

--- Must the credential be replaced because it expires soon? No when its expiry date is unknown.
---@param row rotation.row
---@param terms rotation.dates
---@param now number
---@return boolean
function M.expires_soon(row, terms, now)
  local ends = row.body.ends
  return ends ~= nil and ends - now <= renewal_margin(row, terms)
end

--- When a credential becomes due for replacement. Nil when that is unknown.
---@param row rotation.row
---@param terms rotation.dates
---@return number? moment
function M.due_at(row, terms)
  local by_age = terms.every and M.made_at(row) + terms.every
  local by_end = row.body.ends and row.body.ends - renewal_margin(row, terms)
  return by_age and by_end and math.min(by_age, by_end) or by_age or by_end
end

--- Why a credential is due for replacement; nil when it is not due.
---@param row rotation.row of the credential in use
---@param terms rotation.dates
---@param now number
---@return string?
function M.why_due(row, terms, now)
  local age, ends = now - M.made_at(row), row.body.ends
  if M.expires_soon(row, terms, now) then return "the one in use expires in " .. time.span(ends - now) end
  if terms.every and age >= terms.every then
    return ("the one in use is %s old, and one is due every %s"):format(time.span(age), time.span(terms.every))
  end
end

--- How long a credential is valid and when it is renewed, for the plan.
---@param row rotation.row
---@param terms rotation.dates
---@return string
function M.validity_text(row, terms)
  local ends = row.body.ends
  local parts = {}
  if ends then parts[1] = "until " .. time.day(ends) end
  if terms.every then parts[#parts + 1] = ("a new one every %s"):format(time.span(terms.every)) end
  if ends then parts[#parts + 1] = ("renewed %s before"):format(time.span(renewal_margin(row, terms))) end
  return ends and table.concat(parts, "; ") or "its expiry date is unknown"
end

--- The lifetime that is proposed where a person has to paste each new secret, in seconds, within the tenant's limit.
M.LONGEST_BY_HAND = 365 * 86400

local SHORTER = 90 * 86400

--- Note in the plan which lifetime is proposed, and what a shorter one means, where a person has to paste each new
--- secret and named no lifetime.
---@param run workflow.Run
---@param length number seconds
function M.note_proposed_lifetime(run, length)
  local shorter = math.min(SHORTER, length // 2)
  run:note("%s is proposed, the longest up to a year that this tenant allows: a person has to paste each new one. "
    .. "With --lifetime %dd a leaked one works for less long, and somebody pastes about every %s", time.span(length),
    shorter // 86400, time.span(shorter - M.renew_before(nil, shorter)))
end

return M
