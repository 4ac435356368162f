--- The rules for what leaves and what is removed, held against what really happens. They
--- are written from the protocol and from nothing in the program.

local secret = require "host.secret"

local M = {}

local LATE = 120 -- seconds after its time-out until which a request may still be carried out
local FRESH = 5 -- seconds a look may be old when a request leaves
local HOUR = 3600
local MINUTE = 60 -- seconds that a directory's clock may be off, as far as one change tells

-- Until when a sending may still be carried out, as far as anybody can know.
local function lands_until(sending) return sending.at + sending.timeout + LATE end

-- May a value still come into force by something that left?
local function may_land(value, now, room)
  for _, sending in ipairs(value.sendings) do
    if not sending.refused and now < lands_until(sending) - room then return true end
  end
  return false
end

-- Clocks tell whole seconds, and the directory's may be behind.
local function room_of(truth) return truth.world.widest + 1 end

local function complain(truth, sending, text, ...)
  truth.world.model:complain("%s (value %d of %s, by %s)", text:format(...), sending.value.number, sending.user.name,
    sending.maker)
end

---------------------------------------------------------------------------
-- What leaves

-- It lies in an entry before it leaves.
local function check_kept(truth, sending)
  if sending.value.ghost or truth:entry_with(sending.value.secret) then return end
  complain(truth, sending, "UNKEPT: a value leaves that lies in no entry")
end

-- The look that allows it is fresh.
local function check_look(truth, sending)
  local look = sending.run.looks[sending.user.id]
  local age = look and truth.world:now() - look.at
  if not age or age > FRESH + 0.5 then
    complain(truth, sending, "LOOK: a value leaves after a look %s s old", age and ("%.0f"):format(age) or "?")
  end
end

-- When the rotation wrote its first pending entry.
local function begun(truth, sending)
  local own = truth:entry_with(sending.value.secret)
  local first = own and truth:maker(own).at or truth.world:now()
  for _, entry in ipairs(truth:entries(sending.user, true)) do
    if own and truth:marker(entry) == truth:marker(own) then first = math.min(first, truth:maker(entry).at) end
  end
  return first
end

-- After another's entry was passed over, its owner has had the time to show that it lives.
local function check_passing(truth, sending)
  local waited = truth.world:now() - begun(truth, sending)
  if waited > FRESH + sending.timeout + LATE - 2 or sending.user.tampered then return end
  complain(truth, sending, "HASTY: it leaves %.0f s after its entry was written, and another's is passed over", waited)
end

-- No pending entry of another that every fresh listing shows, unless a person named it to be passed over.
local function check_slot(truth, sending)
  local now, name = truth.world:now(), sending.run.installation.name
  for _, entry in ipairs(truth:entries(sending.user, true)) do
    local known = truth:maker(entry)
    local shown = known.at < now - FRESH - truth.world.listing_lag_most
    if known.maker ~= sending.maker and shown and not known.tampered then
      local passed = sending.user.passed[name .. truth:marker(entry)]
      if passed == "now" then return check_passing(truth, sending) end
      if not passed then complain(truth, sending, "SLOT: a pending entry of %s is there", known.maker) end
    end
  end
end

-- No other value of ours can land any more.
local function check_others(truth, sending)
  local now = truth.world:now()
  for _, value in ipairs(sending.user.values) do
    if value ~= sending.value and not value.ghost and may_land(value, now, room_of(truth)) then
      complain(truth, sending, "TOO SOON: another value leaves while value %d of %s may still land", value.number,
        value.maker)
    end
  end
end

-- The account rests after each change that is shown.
local function check_rest(truth, sending)
  local look = sending.run.looks[sending.user.id]
  local rest = look and look.moment + sending.timeout + LATE - truth.world:server_time()
  if rest and rest > 2 then
    complain(truth, sending, "REST: a rotation begins %.0f s before the account has rested", rest)
  end
end

-- Does a sending of ours explain this moment of the directory?
local function is_explained(truth, value, date)
  local start, offset = truth.world.cloud.clock.start, truth.world.widest
  for _, sending in ipairs(value.sendings) do
    local from, till = start + sending.at - offset - 1, start + lands_until(sending) + offset + 1
    if date >= from and date <= till then return true end
  end
  return false
end

-- What the program can know of an account that somebody else has changed.
local function knows(truth, sending)
  local user = sending.user
  if user.tampered then return false end
  return user.closed[sending.maker] or #truth:entries(user, false) > 0
end

local function is_resumed(sending, change)
  return (sending.user.resumed[sending.run.installation.name] or -1) >= change.at
end

-- A new value: a change of somebody else that is shown stops the account.
local function check_first(truth, sending, live)
  if is_resumed(sending, live) or not knows(truth, sending) then return end
  if truth.world.model:is_alike(sending.user, live) then
    return truth.world.model:except "a new value leaves: a stranger's moment was as good as ours"
  end
  complain(truth, sending, "OVERWRITTEN: a new value leaves though somebody else's change is shown")
end

-- Was this value accepted and never applied, while the directory shows somebody else's change of the same minute? The
-- value is sent once more then, because the directory's clock may be as far off; tests/models/directory_clock.py shows
-- that a person is told of it.
local function is_taken_for_offset(truth, sending, live)
  for _, change in ipairs(sending.user.changes) do
    if change.value == sending.value then return false end
  end
  local start, last = truth.world.cloud.clock.start, sending.value.sendings[#sending.value.sendings]
  return last.answered ~= nil and last.status < 300
    and live.date > start + last.at - MINUTE and live.date < start + last.answered + MINUTE
end

-- The same value again: only an unmoved moment, or one that a sending of ours explains.
local function check_again(truth, sending, live)
  local is_unmoved = sending.run.looks[sending.user.id].moment == sending.value.before
  if is_unmoved or is_resumed(sending, live) then return end
  if not is_explained(truth, sending.value, live.date) then
    if is_taken_for_offset(truth, sending, live) then
      return truth.world.model:except "sent again over a stranger's change, because what was accepted was never applied"
    end
    return complain(truth, sending, "OVERWRITTEN: it leaves again over somebody else's change, made %.0f s after it "
      .. "was first sent", live.at - sending.value.sendings[1].at)
  end
  if live.force then
    return complain(truth, sending, "OVERWRITTEN: it leaves again over somebody else's reset (change at next sign-in)")
  end
  truth.world.model:except "sent again over a stranger's change that an unanswered send explains"
end

local function check_stranger(truth, sending)
  local live = sending.user.changes[#sending.user.changes]
  local look = sending.run.looks[sending.user.id]
  if not live or live.value or not look then return end
  if live.visible > look.at or look.moment ~= live.date then
    return truth.world.model:except "sent over a stranger's change that was not shown yet"
  end
  local check = #sending.value.sendings == 0 and check_first or check_again
  check(truth, sending, live)
end

-- The same value again, after the moment moved: only once nothing of ours can land, and within the hour.
local function check_repeat(truth, sending)
  local value, look = sending.value, sending.run.looks[sending.user.id]
  local last = value.sendings[#value.sendings]
  if not last or not look or look.moment == value.before then return end
  local now = truth.world:now()
  if last.answered and last.status < 300 then return end -- to learn the directory's offset, or a slow answer
  if now < lands_until(last) - 2 and not last.refused then
    complain(truth, sending, "EARLY: it leaves again after the moment moved, while a send of ours may still land")
  end
  if now - value.sendings[1].at > HOUR + 60 and not is_resumed(sending, { at = value.sendings[1].at }) then
    complain(truth, sending, "HOUR: it leaves again more than an hour after it was first sent")
  end
end

-- What another value of ours has replaced is not sent any more.
local function check_old(truth, sending)
  local was_in_force = false
  for _, change in ipairs(sending.user.changes) do
    if change.value == sending.value then was_in_force = true
    elseif change.value and was_in_force then
      return complain(truth, sending, "OLD: a password that had been replaced is sent again")
    end
  end
end

--- A password leaves.
---@param truth simulate.truth
---@param sending simulate.sending
function M.sent(truth, sending)
  local is_first = #sending.value.sendings == 0
  check_old(truth, sending)
  check_kept(truth, sending)
  check_look(truth, sending)
  check_slot(truth, sending)
  if is_first then
    local look = sending.run.looks[sending.user.id]
    sending.value.before = look and look.moment
    check_others(truth, sending)
    check_rest(truth, sending)
  else
    check_repeat(truth, sending)
  end
  check_stranger(truth, sending)
end

---------------------------------------------------------------------------
-- What is removed

local function find_value(user, held)
  for _, value in ipairs(user.values) do
    if held and secret.equals(value.secret, held) then return value end
  end
end

--- Our program has removed an entry, or overwritten it.
---@param truth simulate.truth
---@param run simulate.run
---@param before table the entry as it was
---@param known { maker: string, user: simulate.user }
function M.removed(truth, run, before, known)
  local user, model = known.user, truth.world.model
  if truth.is_pending(before) and known.maker ~= run.maker then
    model:complain("TAKEN AWAY: %s removes a pending entry of %s that %s made", run.maker, user.name, known.maker)
  end
  local value = find_value(user, before.data.password)
  if not value or value.ghost or truth:entry_with(value.secret) then return end
  if may_land(value, truth.world:now(), room_of(truth)) then
    model:complain("FORGOTTEN: value %d of %s is removed from the vault though it may still come into force",
      value.number, user.name)
  end
end

return M
