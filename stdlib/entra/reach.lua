--- Who may reset whose password: the accounts to be managed, the admin roles they hold, and what Microsoft's table
--- allows the holder of a role.

local fact_tables = require "base.fact_tables"
local fail = require "fail"
local graph = require "graph"
local groups = require "entra.groups"
local layout = require "terminal.layout"
local microsoft_ids = require "base.microsoft_ids"
local role_holders = require "entra.role_holders"
local task = require "task"
local time = require "time"

local M = {}

local AT_ONCE = 16 -- reads side by side
local USER = { "id", "userPrincipalName", "displayName", "accountEnabled", "userType", "onPremisesSyncEnabled",
  "isManagementRestricted", "lastPasswordChangeDateTime" }

---@class entra.account
---@field id string
---@field upn string
---@field roles { id: string, name: string, how: string }[] admin roles, active, eligible or through groups
---@field group string? a role-assignable group that the account is a member or an owner of, or is eligible for
---@field eligible_only boolean? is the account only eligible for that group?
---@field enabled boolean may it sign in?
---@field restricted boolean is it in a restricted management administrative unit?
---@field synced boolean is its password kept on-premises?
---@field guest boolean is its password kept in another tenant?
---@field changed number? when its password changed last, by the directory

---------------------------------------------------------------------------
-- Microsoft's table

local function load_reset_matrix()
  local rows = {}
  for _, row in ipairs(fact_tables.rows "stdlib/data/reset-matrix.tsv") do
    local target, id, settled, by = table.unpack(row)
    local may = {}
    for actor in by:gmatch("[^,]+") do may[actor] = true end
    rows[id ~= "" and id or target] = { name = target, may = may, settled = settled == "settled" }
  end
  return rows
end

local matrix ---@type table? read when first asked for

local function reset_matrix_row(id)
  matrix = matrix or load_reset_matrix()
  return matrix[id] or matrix["@other"]
end

local function reset_allowed_to(row, role_ids)
  for id in pairs(role_ids) do
    if row.may[id] then return true end
  end
  return false
end

local function role_template_ids(roles)
  local ids = {}
  for _, name in ipairs(roles) do ids[microsoft_ids.roles[name]] = true end
  return ids
end

-- The rows of the table that apply to an account, each with the reason.
local function reset_matrix_rows(account)
  local rows = {}
  for i, role in ipairs(account.roles) do
    rows[i] = { reset_matrix_row(role.id), ("%s (%s)"):format(role.name, role.how) }
  end
  if account.group then
    local how = account.eligible_only and "eligible for" or "member or owner of"
    local why = ("%s the role-assignable group '%s'"):format(how, account.group)
    rows[#rows + 1] = { reset_matrix_row "@role-assignable-group", why }
  end
  if #rows == 0 then rows[1] = { reset_matrix_row "@none", "no admin role" } end
  return rows
end

local function why_out_of_reach(account)
  if account.synced then return "its password is kept on-premises (synced account)" end
  if account.guest then return "it is a guest: its password is kept elsewhere" end
  if account.restricted then
    return "it is in a restricted management administrative unit: only roles scoped to that unit reach it"
  end
end

--- Can the holder of these roles reset the account's password, by Microsoft's table?
---@param account entra.account
---@param held table<string, boolean> template ids of roles
---@return "yes"|"no"|"unknown" verdict, string why
function M.verdict(account, held)
  local why = why_out_of_reach(account)
  if why then return "no", why end
  local unsettled
  for _, entry in ipairs(reset_matrix_rows(account)) do
    local row, because = entry[1], entry[2]
    if not reset_allowed_to(row, held) then return "no", because end
    if not row.settled then unsettled = because end
  end
  if unsettled then return "unknown", unsettled .. ": Microsoft's pages contradict each other on this role" end
  return "yes", reset_matrix_rows(account)[1][2]
end

--- Can the holder of these roles reset the account's password, by Microsoft's table? Like `verdict`, with the names of
--- the roles.
---@param account entra.account
---@param roles string[]
---@return "yes"|"no"|"unknown" verdict, string why
function M.judge(account, roles)
  return M.verdict(account, role_template_ids(roles))
end

--- Is the account privileged: does it hold an admin role, is it eligible for one, or can it give itself one?
---@param account entra.account
---@return boolean
function M.is_admin(account)
  return #account.roles > 0 or account.group ~= nil
end

--- The weakest roles of Devolutions' how-to that reset these accounts' passwords, and the accounts that need the
--- stronger of the two.
---@param accounts entra.account[]
---@return string[] roles, entra.account[] privileged
function M.roles_for(accounts)
  local helpdesk, privileged = { "Helpdesk Administrator" }, {}
  for _, account in ipairs(accounts) do
    if not why_out_of_reach(account) and M.judge(account, helpdesk) == "no" then
      privileged[#privileged + 1] = account
    end
  end
  if #privileged == 0 then return helpdesk, privileged end
  return { "Helpdesk Administrator", "Privileged Authentication Administrator" }, privileged
end

-- From the weakest role to the strongest, by how many rows of Microsoft's table name the role, and by its other rights.
local LADDER = { "Password Administrator", "Helpdesk Administrator", "Authentication Administrator",
  "User Administrator", "Privileged Authentication Administrator" }

--- The weakest single role that resets as many of these accounts' passwords as any single role does, by Microsoft's
--- table.
---@param accounts entra.account[]
---@return string role, entra.account[] beyond the accounts that the role is not sure to reset
function M.weakest_for(accounts)
  local best, beyond
  for _, role in ipairs(LADDER) do
    local missed = {}
    for _, account in ipairs(accounts) do
      if not why_out_of_reach(account) and M.judge(account, { role }) ~= "yes" then missed[#missed + 1] = account end
    end
    if not best or #missed < #beyond then best, beyond = role, missed end
  end
  return best, beyond
end

---------------------------------------------------------------------------
-- The accounts

local function raise_accounts_not_found(name, why, fix)
  fail.raise { kind = "missing", what = ("find the managed accounts '%s'"):format(name), why = why, fix = fix }
end

local function find_managed_group(name)
  local group, count = groups.find_by_name(name)
  if group then return group end
  if count == 0 then raise_accounts_not_found(name, "there is no group of that name",
    "Give a group's name or id, or user names with an @.") end
  raise_accounts_not_found(name, ("there are %d groups of that name"):format(count),
    "Name the group by its Object ID: Entra admin center > Groups > the group > Overview.")
end

local function read_managed_group_users(group_id)
  local users = {}
  for user in groups.list_users(group_id, USER) do users[#users + 1] = user end
  return users
end

local function read_managed_user(name)
  local user = graph.get(graph.path("/users/{id}", name),
    { select = USER, missing = "nil", what = ("find the user '%s'"):format(name) })
  return { user or raise_accounts_not_found(name, "there is no such user",
    "Copy the user principal name: Entra admin center > Users > the user.") }
end

local function read_managed_users(name)
  if name:find("@", 1, true) then return read_managed_user(name) end
  if not microsoft_ids.is_id(name) then return read_managed_group_users(find_managed_group(name).id) end
  local group = graph.get(graph.path("/groups/{id}", name),
    { select = { "id" }, missing = "nil", what = "find the group" })
  return group and read_managed_group_users(name) or read_managed_user(name)
end

local function managed_account_of_user(user)
  local changed = user.lastPasswordChangeDateTime
  return {
    id = user.id, upn = user.userPrincipalName, roles = {}, restricted = user.isManagementRestricted == true,
    synced = user.onPremisesSyncEnabled == true, guest = user.userType == "Guest",
    enabled = user.accountEnabled ~= false,
    changed = type(changed) == "string" and time.parse(changed) or nil,
  }
end

local function read_managed_accounts(managed)
  local lists = task.map(managed, AT_ONCE, read_managed_users)
  local accounts, by_id = {}, {}
  for _, note_accounts_out_of_reach in ipairs(lists) do
    for _, user in ipairs(note_accounts_out_of_reach) do
      if not by_id[user.id] then
        by_id[user.id] = managed_account_of_user(user)
        accounts[#accounts + 1] = by_id[user.id]
      end
    end
  end
  return accounts, by_id
end

--- Find the accounts to manage, without their roles. Raises "missing" for a group or account that is not there. Waits;
--- reads side by side.
---@param managed string[] a group's name or id, user names
---@return entra.account[]
function M.members(managed) return (read_managed_accounts(managed)) end

--- Find the accounts to manage, each with its admin roles. The member `unread` of the list has what could not be read
--- of their roles, and why: where there is any, an account may hold more than is listed. Waits; reads side by side.
---@param managed string[]? a group's name or id, user names
---@return entra.account[]
function M.find(managed)
  if not managed or #managed == 0 then return { unread = {} } end
  local found, held = task.all {
    function() return table.pack(read_managed_accounts(managed)) end,
    function() return role_holders.read_holders { eligible_for_groups = true } end,
  }
  role_holders.add_roles_to_accounts(held, found[2])
  found[1].unread = held.unread
  return found[1]
end

---------------------------------------------------------------------------
-- Printing who is out of reach

local MOST_LINES = 10

local function note_accounts_out_of_reach(run, accounts, text_of)
  for i, account in ipairs(accounts) do
    if i > MOST_LINES then return run:note("… and %d more", #accounts - MOST_LINES) end
    run:note("%s: %s", account.upn, text_of(account))
  end
end

-- The accounts as one text, because a warning is printed apart from the notes.
local function unreached_accounts_text(accounts, text_of)
  local words = {}
  for i, account in ipairs(accounts) do
    words[#words + 1] = i > MOST_LINES and ("and %d more"):format(#accounts - MOST_LINES)
      or ("%s (%s)"):format(account.upn, text_of(account))
    if i > MOST_LINES then break end
  end
  return table.concat(words, ", ")
end

--- Note which roles reset the passwords of these accounts, and why; return the roles.
---@param run workflow.Run
---@param accounts entra.account[] of M.find
---@param managed string[]?
---@return string[] roles
function M.explain(run, accounts, managed)
  local roles, privileged = M.roles_for(accounts)
  if not managed or #managed == 0 then
    run:note "--managed is not given: Helpdesk Administrator alone resets hardly anybody who holds an admin role"
  elseif #privileged > 0 then
    run:note("%s of %d can only be reset by a Privileged Authentication Administrator:",
      layout.count(#privileged, "account"), #accounts)
    note_accounts_out_of_reach(run, privileged, function(account)
      return select(2, M.judge(account, { "Helpdesk Administrator" }))
    end)
  else
    run:note("%s to manage, none beyond the reach of Helpdesk Administrator", layout.count(#accounts, "account"))
  end
  for _, unread in ipairs(accounts.unread or {}) do
    run:warn("the accounts may hold more roles than are listed, as this could not be read: %s", unread)
  end
  return roles
end

local UNSETTLED = "whether an application needs a permission besides the role, Microsoft's pages do not agree: "
  .. "unknown until a first reset"

--- Report for each account whether these roles can reset it, as far as that is known.
---@param run workflow.Run
---@param accounts entra.account[]
---@param roles string[]
function M.report(run, accounts, roles)
  if run.mode == "destroy" or #accounts == 0 then return end
  local by = { yes = {}, no = {}, unknown = {} }
  for _, account in ipairs(accounts) do table.insert(by[M.judge(account, roles)], account) end
  if #by.yes > 0 then
    run:note("%s within reach of these roles by Microsoft's table", layout.count(#by.yes, "account"))
    run:note(UNSETTLED)
  end
  local function why(account) return select(2, M.judge(account, roles)) end
  if #by.unknown > 0 then
    run:note("%s unknown until a first reset:", layout.count(#by.unknown, "account"))
    note_accounts_out_of_reach(run, by.unknown, why)
  end
  if #by.no > 0 then
    run:warn("%s cannot be reset: %s", layout.count(#by.no, "account"), unreached_accounts_text(by.no, why))
  end
end

return M
