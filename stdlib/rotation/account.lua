--- The rotation of one account's password, for all its phases: its record in the journal, its sealed values, and the
--- end where a person must look.

local change_date = require "rotation.change_date"
local commit = require "journal.commit"
local fail = require "fail"
local graph_clock = require "graph.clock"
local rows = require("journal.rotations").user_passwords
local hint = require "log.hint"
local secret = require "host.secret"

local M = {}

---@class rotation.run what all accounts of a run share
---@field journal host.journal.journal
---@field sink sink.PasswordSinks
---@field terms policy.terms
---@field setting rotation.setting
---@field federated table<string, boolean>
---@field directory rotation.directory_clock

---@class rotation.password
---@field run rotation.run
---@field account entra.user as it is now
---@field names string[] that the password must not contain
---@field row rotation.account_row
---@field slot sink.password_sinks.slot? the account's entries in the sink, as they were last listed
---@field checked { number: integer, modified: (string|false)[] }? the pending value that was read back, and when its
--- entry in each sink was modified then
---@field is_gone boolean? the account was deleted
---@field is_spoilt boolean? somebody changed the pending entry of the newest value
---@field looked_at number? when the last look at the sink and the directory began, by time.monotonic
---@field is_new boolean? was the account unknown to the journal, read under the lease, before this run began it?
---@field log_asked_for number? the date of the change for which the audit log was asked last
---@field warning string?

--- Put the rotation on record in this state. Durable with the next commit.
---@param rotation rotation.password
---@param state string
---@param more table? members of the record to set
function M.stage(rotation, state, more) rows:stage(rotation.run.journal, rotation.row, state, more) end

--- "set a new password for anna@contoso…"
---@param rotation rotation.password
---@return string
function M.change_text(rotation) return ("set a new password for %s"):format(rotation.row.body.name) end

--- Where the values of this rotation and of other rotations of the account are stored, for people.
---@param rotation rotation.password
---@return string
function M.value_places(rotation)
  local body, sink, lines = rotation.row.body, rotation.run.sink, {}
  local account, pending = rotation.account, {}
  for _, entry in ipairs(sink:slot(account).pending) do
    local place = ("the entry %s (id %s)"):format(sink:where(account, entry), entry.id)
    local number = entry.number or 0
    if entry.marker == body.marker then
      pending[number] = (pending[number] and pending[number] .. " and " or "") .. place
    else lines[#lines + 1] = "a value of another rotation is in " .. place:gsub(" %(id [^)]*%)$", "") end
  end
  for number in ipairs(body.candidates) do
    table.insert(lines, number, ("value %d is in %s"):format(number, pending[number] or "the journal only"))
  end
  local current = sink:slot(account).current
  if current then lines[#lines + 1] = ("the entry %s holds the value before"):format(sink:where(account, current)) end
  return table.concat(lines, "; ")
end

--- Put the rotation on record as orphaned, so that nothing more is done about the account until a person has looked.
--- Raises a failure of the kind "person".
---@param rotation rotation.password
---@param why string
function M.orphan(rotation, why)
  M.stage(rotation, "orphaned", { from = rotation.row.state, why = why })
  commit.commit(rotation.run.journal)
  fail.raise {
    kind = "person", what = M.change_text(rotation), why = why,
    fix = hint.text("Nothing is lost: %s. Find out which password is in force, then: {moonlatch} journal resume %s "
      .. "(a new one is set), or {moonlatch} journal close %s (it stays as it is).", M.value_places(rotation),
      rotation.row.body.name, rotation.row.body.name),
  }
end

local ENDED = { closed = true, left = true }

--- Is a rotation open that has its sinks on record?
---@param row rotation.account_row?
---@return boolean
function M.has_sinks(row) return row ~= nil and not ENDED[row.state] and row.body.sinks ~= nil end

--- Let the account keep the sinks with which its open rotation began. Returns why that is not possible: the policy does
--- not have one of them any more.
---@param sink sink.PasswordSinks
---@param account { id: string }
---@param row rotation.account_row?
---@return string? why, string? fix
function M.keep_sinks(sink, account, row)
  if not row or not M.has_sinks(row) then return nil end
  local missing = sink:choose(account, row.body.sinks)
  if not missing then return nil end
  return ("a rotation is open, and one of its sinks is not in the policy any more: %s"):format(missing),
    "Put that sink back into the policy until the rotation is over."
end

---------------------------------------------------------------------------
-- The values of the rotation

-- The words of three letters or more in the person's names.
local function person_name_words(names)
  local words = {}
  for _, name in ipairs(names) do
    for word in name:gmatch("[%w\128-\255]+") do
      if #word >= 3 then words[#words + 1] = word end
    end
  end
  return words
end

local function contains_name_word(value, words)
  for _, word in ipairs(words) do
    if secret.contains(value, word) then return true end
  end
  return false
end

local function generate_password(rotation)
  local shape, words = rotation.run.terms.password, person_name_words(rotation.names)
  for _ = 1, 100 do
    local value = secret.generate(shape.length, shape.excluded)
    if not contains_name_word(value, words) then return value end
    value:close()
  end
  fail.raise {
    kind = "config", what = M.change_text(rotation),
    why = "every generated password contains one of the person's names",
    fix = "Write a larger length into the policy: password = { length = 48 }.",
  }
end

--- Add a value to the rotation: generate a password, and seal it before anything else is done with it.
---@param rotation rotation.password
function M.add_candidate(rotation)
  local value <close> = generate_password(rotation)
  local list = rotation.row.body.candidates
  list[#list + 1] = { state = "fresh" }
  rows:seal(rotation.run.journal, rotation.row, value, #list)
  M.stage(rotation, rotation.row.state)
end

--- Open a sealed value of the rotation. Without one the rotation becomes orphaned.
---@param rotation rotation.password
---@param number integer
---@return host.secret
function M.unseal_value(rotation, number)
  local value = rows:value(rotation.run.journal, rotation.row, number)
  return value or M.orphan(rotation, ("the journal does not hold value %d of the rotation %s")
    :format(number, rotation.row.body.marker))
end

--- Store the newest value in the account's sinks as pending, and read it back.
---@param rotation rotation.password
function M.store_pending(rotation)
  local body, number = rotation.row.body, #rotation.row.body.candidates
  local value <close> = M.unseal_value(rotation, number)
  local modified = rotation.run.sink:store_pending(rotation.account, {
    name = body.name, marker = body.marker, number = number, now = graph_clock.now() // 1, left = body.left,
  }, value)
  rotation.checked = { number = number, modified = modified }
  local is_first = rotation.row.state == "intent"
  M.stage(rotation, is_first and "pending" or rotation.row.state, { pending_at = graph_clock.now() })
end

--- Erase the sealed values of the rotation, except the value in force.
---@param rotation rotation.password
---@param in_force integer? number of the value that stays
function M.forget_values(rotation, in_force)
  for number in ipairs(rotation.row.body.candidates) do
    if number ~= in_force then rows:forget(rotation.run.journal, rotation.row, number) end
  end
end

--- Did no request of the rotation ever leave this machine?
---@param rotation rotation.password
---@return boolean
function M.is_unsent(rotation) return not change_date.any_sent(rotation.row.body.candidates) end

return M
