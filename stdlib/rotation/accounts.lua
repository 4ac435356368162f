--- The journal's records of users' passwords: one row an account, so that no account
--- can have two rotations open. What came before is in the audit chain.
--
-- States: intent (value sealed), pending (it lies in the sink, read back), sent,
-- changed, current (read back), closed; orphaned when a person must look.

local crypto = require "host.crypto"
local fail = require "fail"
local task = require "task"
local time = require "time"

local M = {}

M.KIND = "password"

---@class rotation.account_row: host.journal.row
---@field body rotation.account

---@class rotation.candidate a value of a rotation
---@field state "fresh"|"open"|"refused"|"accepted" never sent; sent and maybe in force; certainly not set; answered
---@field sent number? first send, server time
---@field last number? last send
---@field why string?

---@class rotation.previous
---@field marker string
---@field changed_at number
---@field value string? what it is sealed under

---@class rotation.account
---@field type "user password"
---@field user string object id
---@field name string user principal name
---@field policy string
---@field marker string of the rotation: "ml:<installation>:<rotation>"
---@field rotation string
---@field candidates rotation.candidate[]
---@field before number? when the password had changed last before this rotation
---@field first number? first recorded send
---@field last number? last recorded send
---@field chosen integer? the candidate that is in force
---@field changed_at number? when the one in force came into force, by Entra
---@field value string? what it is sealed under
---@field previous rotation.previous? what was in force before, until this one is closed
---@field closed_at number?
---@field adopted boolean? the value in force was found in the sink
---@field left table<string, boolean>? pending values of other rotations that a person has seen
---@field from string? state before orphaned
---@field why string?
---@field forgiven boolean? a person has looked: the next run may go on

--- The account's row.
---@param journal host.journal.journal
---@param id string object id
---@return rotation.account_row?
function M.get(journal, id) return journal:get(M.KIND, id) end

--- Rows of rotations that have not come to their end, oldest first.
---@param journal host.journal.journal
---@return rotation.account_row[]
function M.unfinished(journal) return journal:list(M.KIND, "closed") end

--- What a candidate is sealed under.
---@param row rotation.account_row
---@param number integer
---@return string
function M.name_of(row, number) return ("password/%s/%d"):format(row.body.rotation, number) end

--- Begin a rotation; not yet on record.
---@param journal host.journal.journal
---@param account entra.user
---@param policy string
---@param previous rotation.previous? what is in force now
---@return rotation.account_row
function M.new(journal, account, policy, previous)
  local rotation = crypto.hex(crypto.random(8))
  return {
    id = account.id, kind = M.KIND, state = "intent",
    body = {
      type = "user password", user = account.id, name = account.upn, policy = policy, rotation = rotation,
      marker = ("ml:%s:%s"):format(journal:installation(), rotation), candidates = {}, before = account.changed,
      previous = previous,
    },
  }
end

--- Put the row on record in this state, durable with the next commit.
---@param journal host.journal.journal
---@param row rotation.account_row
---@param state string
---@param more table? members of the body to set
function M.stage(journal, row, state, more)
  for name, value in pairs(more or {}) do row.body[name] = value end
  journal:put(M.KIND, row.id, state, row.body, time.now())
  row.state = state
end

local function raise(message)
  fail.raise {
    kind = "journal", what = "put on record what was done", why = message or "the journal cannot be written",
    fix = "Make room on the disk or repair the state folder, then run the same command again.",
  }
end

local coming ---@type Task? the commit that all who stage something now wait for

--- Wait until what is staged is durable. Who asks in the same turn shares one commit.
---@param journal host.journal.journal
function M.settle(journal)
  if not coming or coming.done then
    coming = task.spawn(function()
      coming = nil
      local ok, message = journal:commit()
      if not ok then raise(message) end
    end)
  end
  coming:wait()
end

--- The value of a candidate, unsealed. Nil when none is held.
---@param journal host.journal.journal
---@param name string as name_of gives it
---@return host.secret?
function M.value(journal, name)
  local value, message = journal:unseal(name)
  if value or not message then return value end
  fail.raise {
    kind = "journal", what = ("open the sealed password %s"):format(name), why = message,
    fix = "The profile's key must be the one the journal was made with.",
  }
end

return M
