--- What a person has to say about users' passwords: moonlatch journal resume.

local accounts = require "rotation.accounts"
local fail = require "fail"
local graph = require "graph"

local M = {}

local function row_named(journal, name)
  for _, row in ipairs(journal:list(accounts.KIND)) do
    local body = row.body
    if row.id == name or body.marker == name or body.rotation == name or body.name:lower() == name:lower() then
      return row
    end
  end
end

-- An account this journal has nothing on: what lies in the sink stopped it.
local function row_for(journal, name)
  local what = "resume " .. name
  local user = graph.get(graph.path("/users/{id}", name), {
    select = { "id", "userPrincipalName" }, missing = "nil", what = what,
  })
  if user then
    return accounts.new(journal, { id = user.id, upn = user.userPrincipalName }, "")
  end
  fail.raise {
    kind = "missing", what = what, why = "neither the journal nor the tenant knows an account by that name",
    fix = "`moonlatch journal` lists what is on record; an account is named by its user principal name.",
  }
end

-- None of the values there are is trusted to be in force, and none is thrown away: the
-- next run makes one more beside them, and lets the others go when that one is in force.
local function pass_over(body)
  for _, candidate in ipairs(body.candidates) do candidate.state = "passed" end
  body.first, body.last = nil, nil
end

--- A person has looked: the next run may go on with this account. Pending values of
--- other rotations are left where they are; a change by somebody else is accepted.
---@param journal host.journal.journal
---@param name string user principal name, object id, or the rotation's marker
---@return rotation.account_row
function M.resume(journal, name)
  local row = row_named(journal, name) or row_for(journal, name)
  local body = row.body
  if row.state == "orphaned" or row.state == "sent" then
    pass_over(body)
    accounts.stage(journal, row, "intent", { forgiven = true })
  else
    accounts.stage(journal, row, #body.candidates == 0 and "closed" or row.state, { forgiven = true })
  end
  accounts.settle(journal)
  return row
end

return M
