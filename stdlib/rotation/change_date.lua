--- What the directory's moment of change (lastPasswordChangeDateTime, whole seconds) says about
--- the values a rotation has sent. Asks nobody and changes nothing.
--
-- A moment alone never shows that a value of ours is in force: somebody else may have set the
-- password in the same minute. It shows that nothing happened, that a request of ours may
-- explain the change, or that none can.
--
-- All moments are server time. What we know of it is an interval (graph.clock), so a request
-- left at `from` or later, and was answered at `to` or earlier.

local M = {}

--- Seconds until an unanswered request to set a password is given up.
M.TIMEOUT = 30

--- Seconds after its time-out in which a request may still be carried out. No service promises
--- this: it is an assumption, and documented as one.
M.LATE = 120

--- Seconds an answer may take to count as proof: in a longer span somebody else fits too easily.
M.PROMPT = 3

local NEAR = 60 -- seconds outside a span that a directory's clock may explain
local SAME = 0.5 -- seconds two distances may differ and still be one clock's

---@class rotation.offset how far the directory's clock is ahead of Graph's
---@field low number seconds
---@field high number
---@field known boolean? learned from changes of ours, lately

---@class rotation.candidate a value of a rotation
---@field state "fresh"|"open"|"accepted"|"rejected"|"denied" never sent; sent, and nobody knows; answered with
--- success, promptly; refused as a password; refused for another reason, and not carried out
---@field rejected boolean? Entra refused it as a password, at least once
---@field first number? earliest time of its first send, whatever came of it
---@field last number? latest time of its last send, whatever came of it
---@field from number? earliest time of its first send that may have been carried out
---@field to number? latest time of its last send that may have been carried out
---@field unanswered number? latest time of its last send that was not answered
---@field answered { from: number, to: number }? the span of the send that was answered with success
---@field why string?

--- From when no unanswered request of the rotation can be carried out any more. Nil when there is none.
---@param candidates rotation.candidate[]
---@return number?
function M.quiet_from(candidates)
  local last
  for _, candidate in ipairs(candidates) do
    if candidate.unanswered then last = math.max(last or 0, candidate.unanswered) end
  end
  return last and last + M.TIMEOUT + M.LATE
end

--- From when no request with another value than this one can be carried out any more, whatever was answered.
---@param candidates rotation.candidate[]
---@param kept integer? number of that value
---@return number
function M.void_from(candidates, kept)
  local last = 0
  for number, candidate in ipairs(candidates) do
    if number ~= kept and candidate.last then last = math.max(last, candidate.last + M.TIMEOUT + M.LATE) end
  end
  return last
end

--- Has any value left this machine?
---@param candidates rotation.candidate[]
---@return boolean
function M.any_left(candidates)
  for _, candidate in ipairs(candidates) do
    if candidate.first then return true end
  end
  return false
end

--- May a value of the rotation be in force?
---@param candidates rotation.candidate[]
---@return boolean
function M.any_open(candidates)
  for _, candidate in ipairs(candidates) do
    if candidate.from then return true end
  end
  return false
end

--- When the first value left. Nil when none did.
---@param candidates rotation.candidate[]
---@return number?
function M.first_sent(candidates)
  local first
  for _, candidate in ipairs(candidates) do
    if candidate.first then first = math.min(first or candidate.first, candidate.first) end
  end
  return first
end

local function last_moment(candidate)
  return candidate.unanswered and candidate.unanswered + M.TIMEOUT + M.LATE or candidate.to
end

--- May a request of the rotation have changed the password at this moment?
---@param candidates rotation.candidate[]
---@param moment number
---@param offset rotation.offset
---@return boolean
function M.explains(candidates, moment, offset)
  for _, candidate in ipairs(candidates) do
    if candidate.from and moment >= (candidate.from + offset.low) // 1
      and moment <= math.max(candidate.to, last_moment(candidate)) + offset.high then return true end
  end
  return false
end

--- How many seconds the moment lies outside the span of an answered request: negative before
--- it, positive after it, zero within. There is no room beside the offset: where a moment lies outside,
--- one more request shows whether the directory's clock explains it.
---@param span { from: number, to: number }
---@param moment number
---@param offset rotation.offset
---@return number
function M.distance(span, moment, offset)
  local from, to = (span.from + offset.low) // 1, span.to + offset.high
  if moment < from then return moment - from end
  return moment > to and moment - to or 0
end

--- Is it so near that the directory's clock may explain it?
---@param distance number
---@return boolean
function M.is_near(distance) return math.abs(distance) < NEAR end

--- The offsets of the directory's clock that a change of ours allows.
---@param span { from: number, to: number } of its answered request
---@param moment number
---@return number low, number high
function M.offsets(span, moment) return moment - span.to, moment + 1 - span.from end

--- The offset that two changes of ours show, whose moments lie outside their spans by the same
--- distance. Nil when the distances differ: then the first change was somebody else's.
---@param first { span: { from: number, to: number }, moment: number }
---@param second { span: { from: number, to: number }, moment: number }
---@return rotation.offset?
function M.offset_of(first, second)
  local low_1, high_1 = M.offsets(first.span, first.moment)
  local low_2, high_2 = M.offsets(second.span, second.moment)
  if second.moment <= first.moment or low_1 > high_2 + SAME or low_2 > high_1 + SAME then return nil end
  return { low = math.min(low_1, low_2), high = math.max(high_1, high_2) }
end

--- From when an account may be rotated again: later than any request of the rotation before it can land.
---@param ... number? the directory's moment, and the one the sink's entry names
---@return number
function M.rested_from(...)
  local latest = 0
  for i = 1, select("#", ...) do latest = math.max(latest, (select(i, ...)) or 0) end
  return latest + M.TIMEOUT + M.LATE
end

return M
