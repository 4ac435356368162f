--- The journal's rows of users' passwords: one row an account, so that no account can have
--- two rotations open. What came before is in the audit chain.

local rows = require("rotation.store").user_passwords

local M = {}

M.KIND = rows.kind

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
function M.get(journal, id) return rows:get(journal, id) end

--- Rows of rotations that have not come to their end, oldest first.
---@param journal host.journal.journal
---@return rotation.account_row[]
function M.unfinished(journal) return rows:unfinished(journal) end

--- What a candidate is sealed under.
---@param row rotation.account_row
---@param number integer
---@return string
function M.name_of(row, number) return rows:sealed_name(row, number) end

--- Begin a rotation; not yet on record.
---@param journal host.journal.journal
---@param account entra.user
---@param policy string
---@param previous rotation.previous? what is in force now
---@return rotation.account_row
function M.new(journal, account, policy, previous)
  return rows:new(journal, {
    user = account.id, name = account.upn, policy = policy, candidates = {}, before = account.changed,
    previous = previous,
  }, account.id)
end

--- Put the row on record in this state, durable with the next commit.
---@param journal host.journal.journal
---@param row rotation.account_row
---@param state string
---@param more table? members of the body to set
function M.stage(journal, row, state, more) rows:stage(journal, row, state, more) end

--- Wait until what is staged is durable. Who asks in the same turn shares one commit.
---@param journal host.journal.journal
function M.settle(journal) rows:commit(journal) end

--- The value of a candidate, unsealed. Nil when none is held.
---@param journal host.journal.journal
---@param name string as name_of gives it
---@return host.secret?
function M.value(journal, name) return rows:unseal(journal, name) end

return M
