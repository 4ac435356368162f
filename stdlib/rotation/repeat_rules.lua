--- When a request of ours may have made the change that the directory shows, the same value is sent once more. There
--- are three exceptions, in which a person decides: too much time has passed, the audit log names somebody else, or the
--- user has to change the password, which a reset of ours never asks for.

local change_date = require "rotation.change_date"
local graph_clock = require "graph.clock"
local oauth = require "oauth.sign_in"
local rotation_account = require "rotation.account"
local time = require "time"
local users = require "entra.users"
local who = require "evidence.who"

local M = {}

local function check_first_send_is_recent(rotation)
  if rotation.run.terms.on_unknown == "repeat" then return end
  local first = change_date.first_sent(rotation.row.body.candidates)
  if graph_clock.now() - first <= change_date.REPEATABLE then return end
  rotation_account.orphan(rotation, ("the password was changed on %s, when a request of ours from %s may have done it, "
    .. "and more than an hour has passed: it is not known which value is in force")
    :format(time.iso(rotation.account.changed), time.iso(first)))
end

-- The change of the account's password that the audit log has nearest to the date that the directory shows, if somebody
-- else made it. A record without the actor's object id may be of a request of ours.
local function change_by_another(rotation)
  local me = oauth.signed_in()
  local nearest = who.explain(rotation.run.journal, {
    object_id = rotation.account.id, at = rotation.account.changed, kinds = { "reset" },
  }).changes[1]
  local is_known = me and nearest and nearest.by.object_id
  return is_known and nearest.by.object_id ~= me.oid:lower() and nearest or nil
end

-- The log is asked once for each change that is seen. What it does not show yet, or may not be read, stops nothing.
local function check_log_names_nobody_else(rotation)
  local changed = rotation.account.changed
  if rotation.log_asked_for == changed then return end
  rotation.log_asked_for = changed
  local other = change_by_another(rotation)
  if other then
    rotation_account.orphan(rotation, ("somebody else changed the password on %s, when a request of ours may have done "
      .. "it, too: %s"):format(time.iso(changed), who.text(other)))
  end
end

-- Returns false when the reading is stale: it shows another date than the look.
local function check_not_reset_by_person(rotation)
  local must_change, changed = users.must_change_password(rotation.row.body.user)
  if not must_change then return changed == rotation.account.changed end
  rotation_account.orphan(rotation, ("somebody reset the password on %s: it has to be changed at the next sign-in, "
    .. "which we never ask for"):format(time.iso(rotation.account.changed)))
end

--- Orphan the rotation when one of the exceptions holds. False when the account has to be looked at again, because it
--- was read while it changed. Waits.
---@param rotation rotation.password
---@return boolean
function M.check(rotation)
  check_first_send_is_recent(rotation)
  check_log_names_nobody_else(rotation)
  return check_not_reset_by_person(rotation)
end

return M
