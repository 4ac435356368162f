--- The rotation of one account's password: what the journal holds of it, its values, and the point at which a person
--- must look.

local change_date = require "rotation.change_date"
local commit = require "journal.commit"
local fail = require "fail"
local graph_clock = require "graph.clock"
local rows = require("journal.rotations").user_passwords
local secret = require "host.secret"

local M = {}

---@class rotation.run what all accounts of a run share
---@field journal host.journal.journal
---@field sink sink.Passwords
---@field terms policy.terms
---@field setting rotation.setting
---@field federated table<string, boolean>
---@field directory rotation.directory_clock

---@class rotation.job
---@field run rotation.run
---@field account entra.user as it is now
---@field names string[] that the password must not contain
---@field row rotation.account_row
---@field slot sink.passwords.slot? the account's entries in the sink, as they were last listed
---@field checked { number: integer, modified: string? }? the pending value that was read back, and the entry's date of
--- modification then
---@field is_gone boolean? the account was deleted
---@field is_spoilt boolean? somebody changed the pending entry of the newest value
---@field looked_at number? when the last look at the sink and the directory began, by time.monotonic
---@field is_new boolean? was the account unknown to the journal, read under the lease, before this run began it?
---@field warning string?

--- Put the rotation on record in this state. Durable with the next commit.
---@param job rotation.job
---@param state string
---@param more table? members of the record to set
function M.stage(job, state, more) rows:stage(job.run.journal, job.row, state, more) end

--- "set a new password for anna@contoso…"
---@param job rotation.job
---@return string
function M.what(job) return ("set a new password for %s"):format(job.row.body.name) end

--- The places of all values, those of other rotations too, for people.
---@param job rotation.job
---@return string
function M.places(job)
  local body, sink, lines = job.row.body, job.run.sink, {}
  local pending = {}
  for _, entry in ipairs(sink:slot(job.account).pending) do
    if entry.marker == body.marker then pending[entry.number or 0] = entry end
  end
  for number in ipairs(body.candidates) do
    local entry = pending[number]
    local place = entry and ("the entry %s (id %s)"):format(sink:where(entry.name), entry.id) or "the journal only"
    lines[number] = ("value %d lies in %s"):format(number, place)
  end
  for _, entry in ipairs(sink:slot(job.account).pending) do
    if entry.marker ~= body.marker then
      lines[#lines + 1] = ("a value of another rotation lies in the entry %s"):format(sink:where(entry.name))
    end
  end
  local current = sink:slot(job.account).current
  if current then lines[#lines + 1] = ("the entry %s holds the one before"):format(sink:where(current.name)) end
  return table.concat(lines, "; ")
end

--- Put on record that a person must look. Nothing more is done about the account until then. Raises a failure.
---@param job rotation.job
---@param why string
function M.orphan(job, why)
  M.stage(job, "orphaned", { from = job.row.state, why = why })
  commit.commit(job.run.journal)
  fail.raise {
    kind = "person", what = M.what(job), why = why,
    fix = ("Nothing is lost: %s. Find out which password is in force, then: moonlatch journal resume %s (a new one is "
      .. "set), or moonlatch journal close %s (it stays as it is)."):format(M.places(job), job.row.body.name,
      job.row.body.name),
  }
end

---------------------------------------------------------------------------
-- Its values

-- The words of three letters or more in the person's names.
local function words_of(names)
  local words = {}
  for _, name in ipairs(names) do
    for word in name:gmatch("[%w\128-\255]+") do
      if #word >= 3 then words[#words + 1] = word end
    end
  end
  return words
end

local function holds_any(value, words)
  for _, word in ipairs(words) do
    if secret.contains(value, word) then return true end
  end
  return false
end

local function generate(job)
  local shape, words = job.run.terms.password, words_of(job.names)
  for _ = 1, 100 do
    local value = secret.generate(shape.length, shape.excluded)
    if not holds_any(value, words) then return value end
    value:close()
  end
  fail.raise {
    kind = "config", what = M.what(job), why = "every generated password contains one of the person's names",
    fix = "Make password.length larger in the policy.",
  }
end

--- Add a value: generate it, and seal it before anything else is done with it.
---@param job rotation.job
function M.add_candidate(job)
  local value <close> = generate(job)
  local list = job.row.body.candidates
  list[#list + 1] = { state = "fresh" }
  rows:seal(job.run.journal, job.row, value, #list)
  M.stage(job, job.row.state)
end

--- A value of the rotation.
---@param job rotation.job
---@param number integer
---@return host.secret
function M.value(job, number)
  local value = rows:value(job.run.journal, job.row, number)
  return value or M.orphan(job, ("the journal does not hold value %d of the rotation %s")
    :format(number, job.row.body.marker))
end

--- Store the newest value in the sink as pending, and read it back.
---@param job rotation.job
function M.keep_pending(job)
  local body, number = job.row.body, #job.row.body.candidates
  local value <close> = M.value(job, number)
  local id, modified = job.run.sink:store_pending(job.account, {
    name = body.name, marker = body.marker, number = number, now = graph_clock.now() // 1, left = body.left,
  }, value)
  body.pending = body.pending or { vault = job.run.sink.vault_id, ids = {} }
  for earlier = 1, number - 1 do body.pending.ids[earlier] = body.pending.ids[earlier] or "" end
  body.pending.ids[number] = id
  job.checked = { number = number, modified = modified }
  local is_first = job.row.state == "intent"
  M.stage(job, is_first and "pending" or job.row.state, { pending_at = graph_clock.now() })
end

--- Forget the sealed values of the rotation, except one.
---@param job rotation.job number of the value that stays
---@param kept integer? number of the one that stays
function M.forget_values(job, kept)
  for number in ipairs(job.row.body.candidates) do
    if number ~= kept then rows:forget(job.run.journal, job.row, number) end
  end
end

--- Did no request of the rotation ever leave this machine?
---@param job rotation.job
---@return boolean
function M.is_unsent(job) return not change_date.any_left(job.row.body.candidates) end

return M
