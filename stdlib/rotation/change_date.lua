--- Compare the directory's date of the last password change (lastPasswordChangeDateTime, whole seconds) with the
--- requests that a rotation has sent. Sends no request, and changes nothing.
---
--- A date alone never proves that a value of ours is in force, because somebody else may have set the password in the
--- same minute. The date shows one of three things: the password was not changed; a request of ours may have changed
--- it; or no request of ours can have changed it.
---
--- All dates are server time. Server time is known as an interval (graph.clock): a request left at `from` or later, and
--- was answered at `to` or earlier.

local M = {}

--- Seconds after which a request to set a password that was not answered is given up.
M.TIMEOUT = 30

--- Seconds after its time-out for which a request may still be carried out. This is an assumption: Microsoft promises
--- no limit.
M.LATE = 120

--- Seconds within which an answer counts as proof. In a longer span, a change by somebody else could pass for ours.
M.PROMPT = 3

--- Seconds after its first request for which a value is sent again without a person.
M.REPEATABLE = 3600

local NEAR = 60 -- seconds outside a span that the directory's clock may explain
local SAME = 0.5 -- seconds by which two distances may differ and still come from one clock

---@class rotation.offset how far the directory's clock is ahead of Graph's
---@field low number seconds
---@field high number
---@field known boolean? learned lately from changes of ours

---@class rotation.candidate a value of a rotation
---@field state "fresh"|"open"|"accepted"|"rejected"|"denied" fresh: never sent; open: sent, outcome unknown; accepted:
--- answered with success within PROMPT seconds; rejected: refused as a password; denied: refused for another reason,
--- and not carried out
---@field rejected boolean? Entra refused it as a password, at least once
---@field first number? earliest time of its first send, whatever came of it
---@field last number? latest time of its last send, whatever came of it
---@field from number? earliest time of its first send that may have been carried out
---@field to number? latest time of its last send that may have been carried out
---@field unanswered number? latest time of its last send that was not answered
---@field answered { from: number, to: number }? the span of the request that was answered with success
---@field why string?

--- The moment from which no unanswered request of the rotation can be carried out any more. Nil when every request was
--- answered.
---@param candidates rotation.candidate[]
---@return number?
function M.quiet_from(candidates)
  local last
  for _, candidate in ipairs(candidates) do
    if candidate.unanswered then last = math.max(last or 0, candidate.unanswered) end
  end
  return last and last + M.TIMEOUT + M.LATE
end

--- The moment from which another value may be sent: none of the requests that Entra did not refuse can be carried out
--- any more, answered or not. Nil when every request was refused.
---@param candidates rotation.candidate[]
---@return number?
function M.another_value_from(candidates)
  local last
  for _, candidate in ipairs(candidates) do
    if candidate.from then last = math.max(last or 0, candidate.to) end
  end
  return last and last + M.TIMEOUT + M.LATE
end

--- The moment from which no request of the rotation can be carried out any more, answered or not. Requests with the
--- value `except` do not count.
---@param candidates rotation.candidate[]
---@param except integer? number of a value
---@return number
function M.others_void_from(candidates, except)
  local last = 0
  for number, candidate in ipairs(candidates) do
    if number ~= except and candidate.last then last = math.max(last, candidate.last + M.TIMEOUT + M.LATE) end
  end
  return last
end

--- Did a request of the rotation leave this machine?
---@param candidates rotation.candidate[]
---@return boolean
function M.any_sent(candidates)
  for _, candidate in ipairs(candidates) do
    if candidate.first then return true end
  end
  return false
end

--- May a value of the rotation be in force?
---@param candidates rotation.candidate[]
---@return boolean
function M.may_be_in_force(candidates)
  for _, candidate in ipairs(candidates) do
    if candidate.from then return true end
  end
  return false
end

--- When the first request left. Nil when none did.
---@param candidates rotation.candidate[]
---@return number?
function M.first_sent(candidates)
  local first
  for _, candidate in ipairs(candidates) do
    if candidate.first then first = math.min(first or candidate.first, candidate.first) end
  end
  return first
end

local function latest_effect(candidate)
  return candidate.unanswered and candidate.unanswered + M.TIMEOUT + M.LATE or candidate.to
end

--- May a request of the rotation have caused the change of this date?
---@param candidates rotation.candidate[]
---@param moment number
---@param offset rotation.offset
---@return boolean
function M.explains(candidates, moment, offset)
  for _, candidate in ipairs(candidates) do
    if candidate.from and moment >= (candidate.from + offset.low) // 1
      and moment <= math.max(candidate.to, latest_effect(candidate)) + offset.high then return true end
  end
  return false
end

--- How many seconds the date is outside the span of an answered request: negative before the span, positive after it,
--- zero within it. Only the known offset of the directory's clock is allowed for; whether the clock explains a
--- remaining distance, one more request shows.
---@param span { from: number, to: number }
---@param moment number
---@param offset rotation.offset
---@return number
function M.distance(span, moment, offset)
  local from, to = (span.from + offset.low) // 1, span.to + offset.high
  if moment < from then return moment - from end
  return moment > to and moment - to or 0
end

--- Is the distance so small that the directory's clock may explain it?
---@param distance number
---@return boolean
function M.is_near(distance) return math.abs(distance) < NEAR end

--- The offsets of the directory's clock that agree with a change of ours.
---@param span { from: number, to: number } of its answered request
---@param moment number
---@return number low, number high
function M.offsets(span, moment) return moment - span.to, moment + 1 - span.from end

--- The offset that two changes of ours show, when both dates are outside their spans by the same distance. Nil when the
--- distances differ: then the first change was somebody else's.
---@param first { span: { from: number, to: number }, moment: number }
---@param second { span: { from: number, to: number }, moment: number }
---@return rotation.offset?
function M.offset_of_changes(first, second)
  local low_1, high_1 = M.offsets(first.span, first.moment)
  local low_2, high_2 = M.offsets(second.span, second.moment)
  if second.moment <= first.moment or low_1 > high_2 + SAME or low_2 > high_1 + SAME then return nil end
  return { low = math.min(low_1, low_2), high = math.max(high_1, high_2) }
end

--- The moment from which the account may be rotated again: no earlier request can be carried out after it.
---@param ... number? dates of the last change: the directory's, and the one that the sink's entry names
---@return number
function M.rested_from(...)
  local latest = 0
  for i = 1, select("#", ...) do latest = math.max(latest, (select(i, ...)) or 0) end
  return latest + M.TIMEOUT + M.LATE
end

return M
