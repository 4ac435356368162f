--- `moonlatch journal resume` and `close`: a person lets the rotation of a user's password go on, or ends it.

local change_date = require "rotation.change_date"
local commit = require "journal.commit"
local ending = require "rotation.ending"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local leases = require "journal.lease"
local markers = require "journal.marker"
local rows = require("journal.rotations").user_passwords
local time = require "time"
local users = require "entra.users"

local M = {}

---------------------------------------------------------------------------
-- Finding the account

local function find_account_row(journal, name)
  for _, row in ipairs(rows:all(journal)) do
    local body = row.body
    if row.id == name or body.marker == name or body.rotation == name or body.name:lower() == name:lower() then
      return row
    end
  end
end

local function raise_account_unknown(what)
  fail.raise {
    kind = "missing", what = what, why = "neither the journal nor the tenant knows an account by that name",
    fix = hint.text "Name an account by its user principal name, as `{moonlatch} journal` lists it.",
  }
end

-- The row of an account whose name the journal does not know: the account was renamed, or has no row yet because
-- entries in the sink stopped its first rotation. Then the row is new, and closed.
local function row_of_tenant_user(journal, name, what)
  local user = graph.get(graph.path("/users/{id}", name), {
    select = { "id", "userPrincipalName" }, missing = "nil", what = what,
  }) or raise_account_unknown(what)
  local known = rows:get(journal, user.id)
  if known then return known end
  local body = { user = user.id, name = user.userPrincipalName, policy = "", candidates = {} }
  local row = rows:new(journal, body, user.id)
  row.state = "closed"
  return row
end

-- Take the lease on the account: nobody else works on it until the lease is closed.
local function take_lease_to_resume(journal, row, what)
  local lease, why = leases.take(journal, "user/" .. row.id, what)
  if lease then return lease end
  fail.raise {
    kind = "conflict", what = what, why = why or "another process works on this account",
    fix = "Wait for that process to end, then run the same command again.",
  }
end

---------------------------------------------------------------------------
-- Resuming

local OPEN = { orphaned = true, sent = true }
local ENDED = { closed = true, left = true }

-- Record an open rotation as left, so that the next run begins a rotation with a new marker. The earlier values stay
-- sealed, because each of them may be in force.
local function leave_open_rotation(journal, row, over)
  if OPEN[row.state] or over and not ENDED[row.state] then ending.put_left(journal, row, "resumed by a person") end
end

local function pass_over_marker(row, over)
  row.body.left = row.body.left or {}
  row.body.left[over] = true
end

local function raise_not_a_marker(over)
  fail.raise {
    kind = "usage", what = "pass over " .. over,
    why = "a marker of a rotation has the form ml:INSTALLATION:ROTATION",
    fix = hint.text "Copy the marker of the pending entry from what `{moonlatch} plan POLICY` prints.",
  }
end

--- Let the next run set a new value for this account, because a person has looked. Values that were sent before stay in
--- the journal and in the sink until the new value is in force. Changes that somebody else made until now are accepted;
--- later changes are not. With `over`, the pending entry of that rotation of another installation does not stop the
--- run: the entry stays, and the run waits until that rotation can send no request any more.
---@param journal host.journal.journal
---@param name string user principal name, object id, or the rotation's marker
---@param over string? a marker
---@return rotation.account_row
function M.resume(journal, name, over)
  if over and not markers.installation_of(over) then raise_not_a_marker(over) end
  local what = "resume " .. name
  local row = find_account_row(journal, name) or row_of_tenant_user(journal, name, what)
  local _ <close> = take_lease_to_resume(journal, row, what)
  leave_open_rotation(journal, row, over)
  if over then pass_over_marker(row, over) end
  rows:put(journal, row, row.state, { forgiven = users.password_changed_at(row.id) or graph_clock.now() })
  return row
end

---------------------------------------------------------------------------
-- Closing a rotation

local function check_rotation_open(row, what)
  if row.state ~= "closed" and row.state ~= "left" then return end
  fail.raise {
    kind = "refused", what = what, why = "no rotation of this account is open",
    fix = hint.text("Nothing has to be done for this account. `{moonlatch} journal list` shows which rotations are "
      .. "open."),
  }
end

-- Raise a failure while a request may still be carried out: closing then would erase a value that may come into force.
local function check_no_request_pending(row, what)
  local quiet = change_date.quiet_from(row.body.candidates)
  if not quiet or graph_clock.now() > quiet then return end
  fail.raise {
    kind = "refused", what = what, why = "a request that sets the password may still be carried out",
    fix = ("Run the same command again after %s."):format(time.iso(quiet + 1)),
  }
end

--- The rotation of an account on record, for `close`.
---@param journal host.journal.journal
---@param name string user principal name, object id, or the rotation's marker
---@return rotation.account_row
function M.find_to_close(journal, name)
  return find_account_row(journal, name) or raise_account_unknown("close the rotation of " .. name)
end

--- End an open rotation, because a person knows which value is in force. The rotation's values stay sealed for thirty
--- days. Its pending entries stay, unless the person asks to delete them.
---@param journal host.journal.journal
---@param name string user principal name, object id, or the rotation's marker
---@param sink sink.PasswordSinks? the rotation's sinks, open, from which the pending entries are deleted
---@return rotation.account_row
function M.close(journal, name, sink)
  local what = "close the rotation of " .. name
  local row = M.find_to_close(journal, name)
  local _ <close> = take_lease_to_resume(journal, row, what)
  check_rotation_open(row, what)
  check_no_request_pending(row, what)
  if sink then sink:delete_pending({ id = row.id, upn = row.body.name }, row.body.marker) end
  ending.put_left(journal, row, "closed by a person")
  journal:audit("close", { record = row.id, marker = row.body.marker }, time.now())
  commit.commit(journal)
  return row
end

return M
