--- What may be concluded from the sign-ins in Entra's log: is a client secret in use, and may an older one be removed?
---
--- Pure functions over what `evidence.store` keeps. A sign-in that the log shows has happened; a sign-in that it does
--- not show may have happened all the same. So use is concluded from what was seen, and silence only from a log that
--- was read without a gap, and that showed each of our own daily sign-ins.

local time = require "time"

local M = {}

local DAY = 86400

--- Seconds after which a sign-in that the log does not show counts as lost.
M.LATE = 3 * DAY

--- The shortest rhythm that may be declared, in seconds: sign-ins show up in the log minutes late.
M.LEAST_RHYTHM = 3600

local MARGIN = 7 * DAY -- seconds of silence asked for beyond two rhythms
local RECENT = 7 * DAY -- seconds for which a use of a replaced secret holds its removal back
local OWN_APART = 36 * 3600 -- seconds between two of our daily sign-ins, at most: a daily job may be half a day late
local READ_BEFORE = 3600 -- seconds that the last reading of the log may be old when a secret is removed
local DAILY = DAY -- the rhythm to judge use by, where none is declared
local TWO_DAYS = DAY / 2 -- seconds between sign-ins on two days, at least: two minutes around midnight are one evening

---@class evidence.case what is judged: an application with a newer client secret and older ones
---@field uses evidence.use[] of the application
---@field coverage evidence.coverage of the application
---@field new string key id of the newer one
---@field olds string[] key ids of the earlier ones that the application has or had
---@field rhythm number? seconds between two sign-ins of the consumer at most, as declared
---@field now number server time
---@field is_consumer boolean? does Moonlatch itself use the secret, so that its own sign-ins are use?

---@class evidence.condition
---@field name string
---@field holds boolean
---@field text string for a person: what was seen, whether or not the condition holds

---------------------------------------------------------------------------
-- Reading the uses

-- Is a use somebody else's, for certain? Where Moonlatch is the consumer, its own sign-ins count as well.
local function is_of_consumer(case, use) return case.is_consumer or not (use.ours or use.unsure) end

-- "203.0.113.88", or words for an event without an address.
local function place(use) return use.address ~= "" and use.address or "an address that the log does not tell" end

-- The last use of these key ids at an address; nil when none was seen.
local function last_use_at(uses, key_ids, address)
  local last
  for _, use in ipairs(uses) do
    if key_ids[use.key_id] and use.address == address and (not last or use.last > last) then last = use.last end
  end
  return last
end

local function key_set(ids)
  local set = {}
  for _, id in ipairs(ids) do set[id:lower()] = true end
  return set
end

-- "3 minutes ago"
local function ago(case, at) return time.span(math.max(0, case.now - at)) .. " ago" end

---------------------------------------------------------------------------
-- Is the newer one in use?

-- Was it used on two days, or for longer than two rhythms? One sign-in may be a test of the connection, before anything
-- is saved.
local function is_steady(case, use)
  local length = use.last_success - use.first_success
  return use.success_days >= 2 and length >= TWO_DAYS or case.rhythm ~= nil and length > 2 * case.rhythm
end

-- Can our own sign-ins with the newer secret be told from these? Not where we made some in that time and the log never
-- showed any of ours: its clock may be apart from that of our record, and then ours would pass for the consumer's.
local function tells_ours(case, use)
  if case.is_consumer then return true end
  local new, shows_none = case.new:lower(), false
  for _, own in ipairs(case.coverage.own) do
    if own.key_id:lower() == new and not own.failed then
      if own.seen then return true end
      shows_none = shows_none or own.at >= use.first_success - DAY and own.at <= use.last_success
    end
  end
  return not shows_none
end

-- Why a use of the newer secret at one address does not show that the consumer has it; nil when it does.
local function why_only_tried(case, use)
  if not is_steady(case, use) then
    return ("on one day only: testing the connection, before anything is saved, does the same")
  end
  if not tells_ours(case, use) then return "and the log shows none of our own sign-ins with it: these may be ours" end
  if #case.olds == 0 then return nil end
  local old = use.address ~= "" and last_use_at(case.uses, key_set(case.olds), use.address)
  if not old then return "where no earlier secret was seen in use" end
  -- Two tests of the connection on two days look like use, but between them the consumer goes on with the earlier one.
  if use.last_success - old < 2 * (case.rhythm or DAILY) then
    return ("where an earlier secret was used %s"):format(ago(case, old))
  end
end

local function successes_of_new(case)
  local list, new = {}, case.new:lower()
  for _, use in ipairs(case.uses) do
    if use.key_id == new and use.first_success and is_of_consumer(case, use) then list[#list + 1] = use end
  end
  table.sort(list, function(a, b) return a.last_success > b.last_success end)
  return list
end

---@class evidence.verdict
---@field verdict "in use"|"tried"|"unknown" unknown: the log showed no successful sign-in of anybody else; that proves
--- nothing
---@field text string what was seen, for a person
---@field address string? from where
---@field first number? the first successful sign-in from there
---@field last number? the last one

local function verdict_of(case, verdict, use, why)
  return {
    verdict = verdict, address = use.address ~= "" and use.address or nil, first = use.first_success,
    last = use.last_success,
    text = ("signed in with from %s since %s, last %s%s"):format(place(use), time.day(use.first_success),
      ago(case, use.last_success), why and ", " .. why or ""),
  }
end

--- Does the consumer use the newer client secret? "in use" needs successful sign-ins of somebody else on two days, or
--- for longer than two declared rhythms, from an address where an earlier secret was used, and not for two rhythms (two
--- days, where none is declared). A first secret needs no such address. One sign-in is "tried".
---@param case evidence.case
---@return evidence.verdict
function M.confirmed(case)
  local list, tried = successes_of_new(case), nil
  for _, use in ipairs(list) do
    local why = why_only_tried(case, use)
    if not why then return verdict_of(case, "in use", use) end
    tried = tried or verdict_of(case, "tried", use, why)
  end
  return tried or { verdict = "unknown",
    text = "the log shows no sign-in with it by anybody else, which proves nothing" }
end

---------------------------------------------------------------------------
-- May an older one be removed?

---@class evidence.removal: evidence.case
---@field old string key id of the one to remove
---@field grace_over boolean
---@field proven boolean did the newer one sign in just now?
---@field unseen entra.unseen_use which use the log does not show; without a member that is unknown

--- Seconds for which the log must show no use of an older secret before it may be removed: two rhythms, a margin, and
--- the time that late events take.
---@param rhythm number seconds
---@return number
function M.silence(rhythm) return 2 * rhythm + MARGIN + M.LATE end

local function check_rhythm(case)
  if not case.rhythm then return false, "no rhythm of the consumer is declared, so silence proves nothing" end
  return true, ("the consumer is declared to sign in at least every %s"):format(time.span(case.rhythm))
end

local function check_in_use(case)
  local found = M.confirmed(case)
  return found.verdict == "in use", "the new one: " .. found.text
end

-- Was each address that used the older one seen with the newer one since?
local function check_addresses(case)
  local old, new, addresses = key_set { case.old }, case.new:lower(), 0
  local has_moved = {}
  for _, use in ipairs(case.uses) do
    if use.key_id == new and use.last_success and is_of_consumer(case, use) then
      has_moved[use.address] = use.last_success
    end
  end
  for _, use in ipairs(case.uses) do
    if old[use.key_id] and not use.ours and use.address ~= "" then
      addresses = addresses + 1
      if (has_moved[use.address] or 0) <= use.last then
        return false, ("%s used the old one %s, and was not seen with the new one since"):format(use.address,
          ago(case, use.last))
      end
    end
  end
  return true, ("each address that was seen with the old one (%d) was seen with the new one since"):format(addresses)
end

-- The last sign-in that was or may have been with the older one: failed ones and our own included, because another's
-- sign-in within minutes of our own counts as ours; and those of which the log does not say the key id. The record
-- knows our own sign-ins that the log does not show.
local function last_possible_use(case)
  local old, last = case.old:lower(), nil
  for _, use in ipairs(case.uses) do
    local is_possible = use.key_id == old or use.key_id == ""
    if is_possible and (not last or use.last > last.last) then last = use end
  end
  for _, own in ipairs(case.coverage.own) do
    if own.key_id:lower() == old and (not last or own.at > last.last) then
      last = { key_id = old, address = "", last = own.at, ours = true }
    end
  end
  return last
end

local function check_silence(case)
  if not case.rhythm then return false, "how long the old one must be silent depends on the rhythm" end
  local last, wanted = last_possible_use(case), M.silence(case.rhythm)
  if not last then return true, "the log shows no use of the old one" end
  local what = last.ours and "Moonlatch itself signed in with the old one"
    or last.key_id == "" and ("%s signed in with a credential that the log does not name"):format(place(last))
    or ("%s used the old one"):format(place(last))
  return case.now - last.last >= wanted,
    ("%s %s; silence for %s is asked for"):format(what, ago(case, last.last), time.span(wanted))
end

--- The first hole in the time since this moment; nil when there is none.
---@param coverage evidence.coverage
---@param from number
---@return evidence.hole?
function M.hole_since(coverage, from)
  for _, hole in ipairs(coverage.holes) do
    if hole.to > from then return hole end
  end
end

-- The span that was read last, when it reaches back to this moment.
local function last_span(coverage) return coverage.spans[#coverage.spans] end

local function check_covered(case)
  if not case.rhythm then return false, "for how long the log must be known depends on the rhythm" end
  local from, span = case.now - M.silence(case.rhythm), last_span(case.coverage)
  if not span then return false, "the log was never read" end
  if case.now - span.to > READ_BEFORE then return false, ("the log was last read %s"):format(ago(case, span.to)) end
  if span.from > from then return false, ("the log is known since %s only"):format(time.day(span.from)) end
  local hole = M.hole_since(case.coverage, from)
  if hole then return false, ("the log has a hole on %s: %s"):format(time.day(hole.from), hole.why) end
  return true, ("the log was read without a gap since %s"):format(time.day(span.from))
end

-- Our own sign-ins with the newer one that Entra accepted, from before the time of silence on; oldest first.
local function own_sign_ins(case)
  local new, list = case.new:lower(), {}
  local from = case.now - M.silence(case.rhythm) - OWN_APART
  for _, own in ipairs(case.coverage.own) do
    if own.key_id:lower() == new and own.at >= from and not own.failed then list[#list + 1] = own end
  end
  table.sort(list, function(a, b) return a.at < b.at end)
  return list
end

local function missing_own_text(from)
  return ("Moonlatch did not sign in with the new one itself on the days after %s, so the log is not known to be whole")
    :format(time.day(from))
end

-- Did the log show each of our own sign-ins with the newer one, at least one a day?
local function check_own(case)
  if not case.rhythm then return false, "which days must be proven depends on the rhythm" end
  local before, settled = case.now - M.silence(case.rhythm), case.now - M.LATE
  for _, own in ipairs(own_sign_ins(case)) do
    if own.at > settled then break end
    if own.seen ~= true then
      return false, ("the log did not show our own sign-in of %s within %s"):format(time.iso(own.at), time.span(M.LATE))
    end
    if own.at - before > OWN_APART then return false, missing_own_text(before) end
    before = math.max(before, own.at)
  end
  if settled - before > OWN_APART then return false, missing_own_text(before) end
  return true, "the log showed each of our own sign-ins, at least one a day"
end

local function check_people(case)
  local unseen = case.unseen
  if unseen.for_people == false then return true, "the application does not sign in on behalf of people" end
  if unseen.for_people == nil then return false, "whether the application signs in on behalf of people is unknown" end
  return false, ("the application signs in on behalf of people%s, which the log of applications does not show"):format(
    unseen.why_people and (" (%s)"):format(unseen.why_people) or "")
end

local function check_tenants(case)
  local others = case.unseen.other_tenants
  if others == false then return true, "the application signs in to this tenant only" end
  if others == nil then return false, "whether the application signs in to other tenants is unknown" end
  return false, "the application may sign in to other tenants, whose logs are not read"
end

local CONDITIONS = {
  { name = "rhythm", check = check_rhythm }, { name = "in use", check = check_in_use },
  { name = "addresses", check = check_addresses }, { name = "silence", check = check_silence },
  { name = "covered", check = check_covered }, { name = "own sign-ins", check = check_own },
  { name = "people", check = check_people }, { name = "tenants", check = check_tenants },
  { name = "grace", check = function(case)
    return case.grace_over, case.grace_over and "its grace is over" or "its grace is not over"
  end },
  { name = "proven", check = function(case)
    return case.proven, case.proven and "the new one signed in just now" or "the new one did not sign in just now"
  end },
}

--- May the older client secret be removed by evidence alone? Yes only if every condition holds.
---@param case evidence.removal
---@return boolean
---@return evidence.condition[] all conditions, with what was seen
function M.may_remove(case)
  local all, list = true, {}
  for i, condition in ipairs(CONDITIONS) do
    local holds, text = condition.check(case)
    list[i] = { name = condition.name, holds = holds == true, text = text }
    all = all and holds == true
  end
  return all, list
end

---------------------------------------------------------------------------
-- Is a replaced one still used?

---@class evidence.recent_use
---@field at number
---@field address string? nil: the log does not tell
---@field failed boolean was the last sign-in refused?
---@field code integer? of the refusal
---@field text string "from 203.0.113.88, 3 minutes ago"

--- The last use of a client secret by anybody else, failed ones included; nil when the log shows none.
---@param uses evidence.use[] of the application
---@param key_id string
---@param now number server time
---@return evidence.recent_use?
function M.last_use(uses, key_id, now)
  local id, last = key_id:lower(), nil
  for _, use in ipairs(uses) do
    if use.key_id == id and not use.ours and (not last or use.last > last.last) then last = use end
  end
  if not last then return nil end
  local failed = last.last_error_at ~= nil and last.last_error_at >= last.last
  return {
    at = last.last, address = last.address ~= "" and last.address or nil, failed = failed,
    code = failed and last.last_error or nil,
    text = ("from %s, %s%s"):format(place(last), ago({ now = now }, last.last),
      failed and (", refused with %d"):format(last.last_error) or ""),
  }
end

--- The use of a replaced client secret that holds its removal back, although a person confirmed the newer one and the
--- grace is over: any use in the last seven days, or in the last two declared rhythms where that is longer.
---@param uses evidence.use[] of the application
---@param key_id string
---@param now number server time
---@param rhythm number? seconds
---@return evidence.recent_use?
function M.holding_use(uses, key_id, now, rhythm)
  local last = M.last_use(uses, key_id, now)
  if last and now - last.at < math.max(RECENT, 2 * (rhythm or 0)) then return last end
end

return M
