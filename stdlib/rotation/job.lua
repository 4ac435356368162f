--- One account's rotation on its way: what goes on record of it, its values, and the
--- point at which a person must look.

local accounts = require "rotation.accounts"
local fail = require "fail"
local secret = require "host.secret"

local M = {}

---@class rotation.run what the accounts of a run share
---@field journal host.journal.journal
---@field sink sink.Passwords
---@field terms policy.terms
---@field setting rotation.setting
---@field federated table<string, boolean>

---@class rotation.job
---@field run rotation.run
---@field account entra.user as it is now
---@field names string[] that the password must not contain
---@field row rotation.account_row
---@field is_new boolean? the journal, read under the lease, held nothing of the account before this run began it
---@field warning string?

--- Put it on record in this state, durable with the next commit.
---@param job rotation.job
---@param state string
---@param more table? members of the record to set
function M.stage(job, state, more) accounts.stage(job.run.journal, job.row, state, more) end

--- "set a new password for anna@contoso…"
---@param job rotation.job
---@return string
function M.what(job) return ("set a new password for %s"):format(job.row.body.name) end

--- A person must look: nothing more is done about this account until then.
---@param job rotation.job
---@param why string
function M.orphan(job, why)
  M.stage(job, "orphaned", { from = job.row.state, why = why })
  accounts.settle(job.run.journal)
  fail.raise {
    kind = "person", what = M.what(job), why = why,
    fix = ("Everything that may be in force is kept, in the journal and in %s. When you have looked: moonlatch journal "
      .. "resume %s"):format(job.run.sink:where(), job.row.body.name),
  }
end

---------------------------------------------------------------------------
-- Its values

-- Words of three letters and more in the person's names.
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
    if value:contains(word) then return true end
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
    kind = "config", what = M.what(job), why = "no password of the policy's shape is free of the person's names",
    fix = "Make password.length larger in the policy.",
  }
end

--- A value more, beside those there are: sealed before anything else is done with it.
---@param job rotation.job
function M.add_candidate(job)
  local value <close> = generate(job)
  local list = job.row.body.candidates
  list[#list + 1] = { state = "fresh" }
  job.run.journal:seal(accounts.name_of(job.row, #list), value)
  M.stage(job, job.row.state)
end

--- A value of the rotation.
---@param job rotation.job
---@param number integer
---@return host.secret
function M.value(job, number)
  local value = accounts.value(job.run.journal, accounts.name_of(job.row, number))
  return value or M.orphan(job, ("the journal does not hold value %d of the rotation %s")
    :format(number, job.row.body.marker))
end

--- Have the newest value lie in the sink, read back.
---@param job rotation.job
function M.keep_pending(job)
  local body, number = job.row.body, #job.row.body.candidates
  local value <close> = M.value(job, number)
  job.run.sink:keep_pending(body.name, body.marker, number, value)
  if job.row.state == "intent" then M.stage(job, "pending") end
end

return M
