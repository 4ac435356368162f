--- Selections: the users or applications of a policy. users{…} and applications{…} are added with + and taken away with
--- -; guests() and other properties of accounts can only be taken away. Writing a selection sends no request; `find_…`
--- does.

local class = require "base.class"
local copy = require "base.copy"
local options_of = require("base.options").of
local role_holders = require "entra.role_holders"
local schema = require "base.schema"
local sets = require "base.sets"
local users = require "entra.users"

local M = {}

---@class policy.selection
---@field kind "users"|"applications"
---@field operator "+"|"-"|nil of two selections
---@field left policy.selection?
---@field right policy.selection?
---@field fields table<string, string[]>? of a selection without an operator
---@field property "guest"|"synced"|"disabled"|"federated"|nil a property of accounts, instead of fields
local Selection = class "policy.selection"

---@class policy.select.users
---@field group string|string[]|nil name or id of a group
---@field upn string|string[]|nil user principal name
---@field role string|string[]|nil name or id of a directory role
---@field where table<string, any>? attributes that a user has to have, all of them: { department = "IT" }; of several
--- values, { jobTitle = { "Admin", "Operator" } }, one

local function check_same_kind(left, right)
  if not M.is(left) or not M.is(right) then error("a selection is added to, or taken from, a selection", 3) end
  if left.kind ~= right.kind then
    error(("%s cannot be mixed with %s: write two policies"):format(left.kind, right.kind), 3)
  end
end

local function is_property(selection)
  return selection.property ~= nil or selection.operator ~= nil and is_property(selection.left)
end

-- Raise an error unless properties stand only after -, alone or added to each other.
local function check_properties(operator, left, right)
  local is_left, is_right = is_property(left), is_property(right)
  if not is_left and (not is_right or operator == "-") or is_left and is_right and operator == "+" then return end
  error(("%s only says what accounts are, and selects none: select some accounts, and take these away with -")
    :format(tostring(is_left and left or right)), 3)
end

local function selection_operator(operator)
  return function(left, right)
    check_same_kind(left, right)
    check_properties(operator, left, right)
    return Selection { kind = left.kind, operator = operator, left = left, right = right }
  end
end

Selection.__add, Selection.__sub = selection_operator "+", selection_operator "-"

--- Is the value a selection?
---@param value any
---@return boolean
function M.is(value) return class.is(value, Selection) end

local function selection_values(value)
  return type(value) == "table" and value or { value }
end

local READERS = {
  users = options_of("policy.users", {
    group = "string|table", upn = "string|table", role = "string|table", where = "table",
  }),
  applications = options_of("policy.applications", {
    client_id = "string|table", provider = "string|table", owned = "boolean",
  }),
}

local strings = { type = "table", each = { type = "string" } }

local function check_attribute_values(values)
  if #values == 0 then return "it is an empty list", 'Write a value, "IT", or several, { "IT", "HR" }.' end
  for _, value in ipairs(values) do
    if type(value) ~= "string" and type(value) ~= "boolean" and not math.tointeger(value) then
      return "it is no text, no whole number, and neither true nor false", 'Write a value such as "IT" or true.'
    end
  end
end

-- Check where = { department = "IT", jobTitle = { "Admin", "Operator" } }.
local function check_where(where)
  if next(where) == nil then
    return "it has no attribute, so it would select everybody", 'Write where = { department = "IT" }.'
  end
  for name, value in pairs(where) do
    if type(name) ~= "string" or not name:find "^%l[%w_]*$" and not name:find "^%l[%w_]*/%l[%w_]*$" then
      return ("'%s' is no attribute of a user"):format(tostring(name)), "Write it as Graph does: department, jobTitle."
    end
    local wrong, fix = check_attribute_values(selection_values(value))
    if wrong then return ("%s: %s"):format(name, wrong), fix end
  end
end

local LIST_RULES = {
  owned = { type = "table" }, where = { type = "table", each = { type = "table", check = check_where } },
}

-- A selection with these fields. Its lists are copies, so that a policy cannot change them after they were checked.
local function new_selection(kind, fields)
  local lists = READERS[kind](fields)
  if lists.owned == false then lists.owned = nil end
  if next(lists) == nil then error(("%s{} selects nobody: say whom"):format(kind), 3) end
  for name, value in pairs(lists) do
    lists[name] = name == "where" and { copy(value) } or schema.copy_fields(selection_values(value))
    local ok, failure = pcall(schema.check, kind, name, lists[name], LIST_RULES[name] or strings)
    if not ok then error(("%s: %s"):format(failure.what, failure.why), 3) end
  end
  return Selection { kind = kind, fields = lists }
end

--- Users: in a group (with the groups within it), by name, by directory role (active or eligible), by attributes.
---@param fields policy.select.users
---@return policy.selection
function M.users(fields) return new_selection("users", fields) end

--- Applications: by client id, those we own, or the provider that setup made, by its name.
---@param fields { client_id: string|string[]|nil, provider: string|string[]|nil, owned: boolean? }
---@return policy.selection
function M.applications(fields) return new_selection("applications", fields) end

local PROPERTIES = {
  guest = "guests", synced = "accounts synced from on-premises", disabled = "disabled accounts",
  federated = "accounts of federated domains",
}

local function property_selection(name)
  return function() return Selection { kind = "users", fields = {}, property = name } end
end

--- Accounts that are guests: `users{…} - guests()`.
---@return policy.selection
M.guests = property_selection "guest"

--- Accounts synced from on-premises.
---@return policy.selection
M.synced = property_selection "synced"

--- Accounts that are disabled.
---@return policy.selection
M.disabled = property_selection "disabled"

--- Accounts whose domain is federated.
---@return policy.selection
M.federated = property_selection "federated"

local WORDS = { "group", "upn", "role", "where", "client_id", "provider", "owned" }

---------------------------------------------------------------------------
-- As text

-- "department 'IT', jobTitle 'Admin' or 'Operator'"
local function where_text(where)
  local parts = {}
  for _, name in ipairs(sets.sorted(where)) do
    local values = {}
    for i, value in ipairs(selection_values(where[name])) do
      values[i] = type(value) == "string" and ("'%s'"):format(value) or tostring(value)
    end
    parts[#parts + 1] = ("%s %s"):format(name, table.concat(values, " or "))
  end
  return "where " .. table.concat(parts, " and ")
end

local function field_text(name, value)
  if name == "where" then return where_text(value) end
  return value == true and "those we own" or ("%s '%s'"):format(name, value)
end

local function selection_text(selection)
  if selection.operator then
    local right = selection_text(selection.right)
    if selection.right.operator then right = ("(%s)"):format(right) end
    return ("%s %s %s"):format(selection_text(selection.left), selection.operator, right)
  end
  if selection.property then return PROPERTIES[selection.property] end
  local parts = {}
  for _, name in ipairs(WORDS) do
    for _, value in ipairs(selection.fields[name] or {}) do
      parts[#parts + 1] = field_text(name, value)
    end
  end
  return table.concat(parts, ", ")
end

Selection.__tostring = selection_text

---------------------------------------------------------------------------
-- Finding what is selected

-- Has any part of the selection, added or taken away, a field of this name?
local function does_selection_name(selection, name)
  if selection.operator then
    return does_selection_name(selection.left, name) or does_selection_name(selection.right, name)
  end
  return selection.fields[name] ~= nil
end

--- The members of all lists, each once.
---@generic T: { id: string }
---@param lists T[][]
---@return T[]
function M.union(lists)
  local all, seen = {}, {}
  for _, list in ipairs(lists) do
    for _, account in ipairs(list) do
      if not seen[account.id] then all[#all + 1] = account end
      seen[account.id] = true
    end
  end
  return all
end

local function selected_without(list, without)
  local gone, left = {}, {}
  for _, account in ipairs(without) do gone[account.id] = true end
  for _, account in ipairs(list) do
    if not gone[account.id] then left[#left + 1] = account end
  end
  return left
end

local function has_account_property(selection, account)
  if selection.property then return account[selection.property] == true end
  return has_account_property(selection.left, account) or has_account_property(selection.right, account)
end

local function leave_out_accounts_with(list, selection)
  local left = {}
  for _, account in ipairs(list) do
    if not has_account_property(selection, account) then left[#left + 1] = account end
  end
  return left
end

-- The accounts or applications of a selection. `leaf(fields)` returns lists for a selection without an operator.
local function evaluate_selection(selection, leaf)
  if not selection.operator then return M.union(leaf(selection.fields)) end
  local left = evaluate_selection(selection.left, leaf)
  if is_property(selection.right) then return leave_out_accounts_with(left, selection.right) end
  local right = evaluate_selection(selection.right, leaf)
  return selection.operator == "+" and M.union { left, right } or selected_without(left, right)
end

-- A `leaf` function: the value of each field is read by the function of that field's name.
local function selection_leaf_reader(readers)
  return function(fields)
    local lists = {}
    for _, name in ipairs(WORDS) do
      for _, value in ipairs(readers[name] and fields[name] or {}) do lists[#lists + 1] = readers[name](value) end
    end
    return lists
  end
end

---@class policy.found
---@field accounts entra.user[] in no particular order
---@field holders entra.holders
---@field federated table<string, boolean>

--- Find the users of a selection, each with its admin roles. Waits.
---@param selection policy.selection
---@param federated table<string, boolean>
---@param holders entra.holders
---@return policy.found
function M.find_accounts(selection, federated, holders)
  local reader, by_id = { federated = federated, holders = function() return holders end }, {}
  local accounts = evaluate_selection(selection, selection_leaf_reader {
    group = function(name) return users.in_group(reader, name) end,
    upn = function(name) return users.by_name(reader, name) end,
    role = function(name) return users.with_role(reader, name) end,
    where = function(where) return users.with_attributes(reader, where, where_text(where)) end,
  })
  for _, account in ipairs(accounts) do by_id[account.id] = account end
  role_holders.add_roles_to_accounts(holders, by_id)
  return { accounts = accounts, holders = holders, federated = federated }
end

local function application_readers(owned)
  return {
    client_id = function(id) return { owned.by_client_id(id) } end,
    provider = function(name) return { owned.of_provider(name) } end,
  }
end

--- Find the applications of a selection. Waits.
---@param selection policy.selection
---@param credential "secret"|"certificate"|nil owned applications without such a credential are left out
---@return entra.owned_application[]
function M.find_applications(selection, credential)
  local owned = require "entra.owned"
  local readers = application_readers(owned)
  readers.owned = function() return owned.all(credential) end
  return evaluate_selection(selection, selection_leaf_reader(readers))
end

--- Find the applications that a selection names by client id or provider. `owned` is left out, because it means the
--- applications of the principal that runs the policy, which is not the one that is signed in. Waits.
---@param selection policy.selection
---@return entra.owned_application[]
function M.find_named_applications(selection)
  return evaluate_selection(selection, selection_leaf_reader(application_readers(require "entra.owned")))
end

---------------------------------------------------------------------------
-- Needs

--- Does the selection name holders of a role? Then it has to be known who is eligible for role-assignable groups.
---@param selection policy.selection
---@return boolean
function M.by_role(selection) return does_selection_name(selection, "role") end

-- Has a part that is added, or (`wants_away`) one that is taken away, one of these fields or properties?
local function has_part(selection, names, wants_away, is_away)
  if selection.operator then
    return has_part(selection.left, names, wants_away, is_away)
      or has_part(selection.right, names, wants_away, is_away or selection.operator == "-")
  end
  for name in pairs(is_away == wants_away and names or {}) do
    if selection.property == name or selection.fields[name] then return true end
  end
  return false
end

--- Is anybody selected by one of these fields ("role", "where")?
---@param selection policy.selection
---@param names table<string, boolean>
---@return boolean
function M.adds(selection, names) return has_part(selection, names, false, false) end

--- Is anybody taken away by one of these fields ("upn"), or by one of these properties ("guest")?
---@param selection policy.selection
---@param names table<string, boolean>
---@return boolean
function M.takes_away(selection, names) return has_part(selection, names, true, false) end

--- The calls and scopes that finding the users or applications takes.
---@param selection policy.selection
---@return string[] calls, string[] scopes
function M.needs(selection)
  if selection.kind == "applications" then
    local calls = { "GET /applications/{id}", "GET /applications(appId)", "GET /applications(uniqueName)" }
    local scopes = { "Application.Read.All" }
    if does_selection_name(selection, "owned") then
      calls[#calls + 1], calls[#calls + 2] = "GET /users/{id}/ownedObjects", "GET /servicePrincipals/{id}/ownedObjects"
      scopes[2] = "User.Read.All"
    end
    return calls, scopes
  end
  local calls = {
    "GET /organization", "GET /users/{id}", "GET /groups", "GET /groups/{id}/owners",
    "GET /groups/{id}/transitiveMembers/microsoft.graph.user", "GET /roleManagement/directory/roleAssignments",
    "GET /roleManagement/directory/roleDefinitions", "GET /roleManagement/directory/roleEligibilityScheduleInstances",
  }
  local scopes = { "User.Read.All", "GroupMember.Read.All", "RoleManagement.Read.Directory" }
  if does_selection_name(selection, "where") then calls[#calls + 1] = "GET /users" end
  if M.by_role(selection) then
    calls[#calls + 1] = "GET /identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"
    calls[#calls + 1] = "GET /groups/{id}"
    scopes[#scopes + 1] = "PrivilegedEligibilitySchedule.Read.AzureADGroup"
  end
  return calls, scopes
end

--- Why the value cannot be the selection of a policy; nil when it can.
---@param value any
---@return string? wrong
function M.check(value)
  if M.is(value) and is_property(value) then
    return ("%s only says what accounts are, and selects none"):format(tostring(value)),
      'Select some accounts, and take these away with -: policy.users{ group = "…" } - …'
  end
  if M.is(value) then return nil end
  return "it is not a selection", 'Write select = policy.users{ group = "…" } or policy.applications{ … }.'
end

return M
