--- Store a password that is in force in the account's sinks: at the end of its rotation, or later in a sink that does
--- not have it.

local commit = require "journal.commit"
local fail = require "fail"
local rotation_account = require "rotation.account"
local rows = require("journal.rotations").user_passwords
local sending = require "rotation.sending"

local M = {}

--- Store the rotation's value, which is in force, as the current one in each sink. The row's state is "current"
--- afterwards. Raises a failure while a sink does not have the value; the next run goes on.
---@param rotation rotation.password
function M.store_current(rotation)
  local body, sink, account = rotation.row.body, rotation.run.sink, rotation.account
  local value <close> = rotation_account.unseal_value(rotation, body.chosen)
  local ok, failure = pcall(sink.store_current, sink, account, {
    name = account.upn, value = value, marker = body.marker, number = body.chosen, since = body.changed_at,
    before = sending.seen_markers(body), again = not rotation.is_new,
  })
  if not ok and fail.is(failure) and (failure.code == "taken" or failure.status == 409) then
    rotation_account.orphan(rotation, "the new password is in force, and cannot be stored in the account's entry: "
      .. failure.why)
  end
  if not ok then error(failure, 0) end
  rotation_account.stage(rotation, "current", {
    value = rows:sealed_name(rotation.row, body.chosen), modified = sink:modified(account), where = sink:place(account),
  })
end

-- The marker of each sink's current entry, as it was read last; false where there is none.
local function present_markers(slot)
  local markers = {}
  for i, one in ipairs(slot.parts or { slot }) do markers[i] = one.current and one.current.marker or false end
  return markers
end

--- Store the value in force of a closed rotation in the sinks of its account that do not have it. Raises a failure
--- while a sink does not have the value; the next run goes on.
---@param rotation rotation.password
function M.store_where_missing(rotation)
  local row, sink, account = rotation.row, rotation.run.sink, rotation.account
  local value <close> = rows:unseal(rotation.run.journal, row.body.value)
  if not value then
    fail.raise { kind = "person", what = "store the password of " .. account.upn,
      why = "the journal does not hold the value that is in force", fix = "Have a new password set, with --now." }
  end
  sink:store_current(account, {
    name = account.upn, value = value, marker = row.body.marker, number = row.body.sent and row.body.sent.number or 1,
    since = row.body.changed_at, before = present_markers(sink:look(account, row.body.name)), again = true,
  })
  rotation_account.stage(rotation, row.state, {
    sinks = sink:keys(account), modified = sink:modified(account), where = sink:place(account),
  })
  commit.commit(rotation.run.journal)
end

return M
