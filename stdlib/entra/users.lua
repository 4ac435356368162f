--- Users as a rotation sees them: identity, whether Entra keeps the password, and when the password last changed.

local fail = require "fail"
local graph = require "graph"
local groups = require "entra.groups"
local microsoft_ids = require "base.microsoft_ids"
local sets = require "base.sets"
local task = require "task"
local time = require "time"

local M = {}

local AT_ONCE = 16 -- reads side by side
local COLUMNS = {
  "id", "userPrincipalName", "accountEnabled", "userType", "onPremisesSyncEnabled", "isManagementRestricted",
  "lastPasswordChangeDateTime",
}
local NAMES = { "displayName", "givenName", "surname", "mailNickname" }

---@class entra.user: entra.account
---@field disabled boolean?
---@field federated boolean? does its domain sign people in at another identity provider?
---@field changed number? when its password last changed, in server time

--- Does another identity provider sign this account in?
---@param upn string
---@param federated table<string, boolean> as `federated_domains` gives it
---@return boolean
function M.is_federated(upn, federated)
  return federated[(upn:match("@(.*)$") or ""):lower()] == true
end

-- The properties of a user that a rotation needs. A property that is false is left out, because ten thousand users have
-- to fit into memory.
local function rotation_account(user, federated)
  local changed = user.lastPasswordChangeDateTime
  local account = {
    id = user.id, upn = user.userPrincipalName, roles = {},
    changed = type(changed) == "string" and time.parse(changed) or nil,
  }
  if user.accountEnabled == false then account.disabled = true end
  if user.isManagementRestricted == true then account.restricted = true end
  if user.onPremisesSyncEnabled == true then account.synced = true end
  if user.userType == "Guest" then account.guest = true end
  if M.is_federated(account.upn, federated) then account.federated = true end
  return account
end

--- The domains whose users sign in at another identity provider. Waits.
---@return table<string, boolean> names in lower case
function M.federated_domains()
  local company = graph.first("/organization", {
    select = { "id", "verifiedDomains" }, what = "read which of the tenant's domains are federated",
  })
  local domains = {}
  for _, domain in ipairs(company and company.verifiedDomains or {}) do
    if type(domain.type) == "string" and domain.type ~= "Managed" then domains[domain.name:lower()] = true end
  end
  return domains
end

local function raise_selected_missing(what, why, fix)
  fail.raise { kind = "missing", what = what, why = why, fix = fix }
end

local function find_selected_group_id(name)
  if microsoft_ids.is_id(name) then return name end
  local group, count = groups.find_by_name(name)
  if group then return group.id end
  local what = ("find the group '%s'"):format(name)
  if count == 0 then
    raise_selected_missing(what, "there is no group of that name", "Give a group's name or its id.")
  end
  raise_selected_missing(what, ("there are %d groups of that name"):format(count),
    "Name the group by its Object ID: Entra admin center > Groups > the group > Overview.")
end

---@class entra.users.reader what a selection needs in order to read users
---@field federated table<string, boolean>
---@field holders fun(): entra.holders

--- The users in a group, including nested groups. Waits.
---@param reader entra.users.reader
---@param name string its name or id
---@return entra.user[]
function M.in_group(reader, name)
  local list = {}
  for user in groups.list_users(find_selected_group_id(name), COLUMNS) do
    list[#list + 1] = rotation_account(user, reader.federated)
  end
  return list
end

local function read_user(key, columns, what)
  return graph.get(graph.path("/users/{id}", key), { select = columns, missing = "nil", what = what })
end

--- The user of this name or id. Waits.
---@param reader entra.users.reader
---@param name string
---@return entra.user[] one
function M.by_name(reader, name)
  local what = ("find the user '%s'"):format(name)
  local user = read_user(name, COLUMNS, what)
    or raise_selected_missing(what, "there is no such user", "Copy the user principal name, which has an @: Entra "
      .. "admin center > Users > the user.")
  return { rotation_account(user, reader.federated) }
end

local function find_selected_role_id(holders, name)
  if microsoft_ids.is_id(name) then return name end
  for id, other in pairs(holders.named) do
    if other:lower() == name:lower() then return id end
  end
  raise_selected_missing(("find the directory role '%s'"):format(name), "there is no role of that name",
    "Give it as the Entra admin center does: User Administrator.")
end

local function principals_with_role(holders, id)
  local wanted, seen = {}, {}
  for _, list in ipairs { holders.active, holders.eligible } do
    for _, assignment in ipairs(list) do
      if assignment.roleDefinitionId == id and not seen[assignment.principalId] then
        seen[assignment.principalId] = true
        wanted[#wanted + 1] = assignment.principalId
      end
    end
  end
  return wanted
end

--- The users who hold a directory role or are eligible for it, through groups too. Waits.
---@param reader entra.users.reader
---@param name string
---@return entra.user[]
function M.with_role(reader, name)
  local holders = reader.holders()
  local by_group, list, plain = {}, {}, {}
  for _, group in ipairs(holders.groups) do by_group[group.id] = group end
  for _, id in ipairs(principals_with_role(holders, find_selected_role_id(holders, name))) do
    if not by_group[id] then
      plain[#plain + 1] = id
    else
      for user in groups.list_users(id, COLUMNS) do list[#list + 1] = rotation_account(user, reader.federated) end
      for _, one in ipairs(by_group[id].eligible) do
        if one.access == "member" then plain[#plain + 1] = one.id end
      end
    end
  end
  local holding = task.map(plain, AT_ONCE, function(id)
    return read_user(id, COLUMNS, "read a holder of the role") or false
  end)
  for _, user in ipairs(holding) do
    if user then list[#list + 1] = rotation_account(user, reader.federated) end -- else the holder is an application
  end
  return list
end

-- The value of an attribute: "department", "onPremisesExtensionAttributes/extensionAttribute1".
local function attribute_of(user, name)
  local value = user
  for part in name:gmatch "[^/]+" do
    if type(value) ~= "table" then return nil end
    value = value[part]
  end
  return value
end

-- Is the value one of those wanted? As for Graph, capitals of a text do not count.
local function is_wanted_value(value, wanted)
  for _, one in ipairs(type(wanted) == "table" and wanted or { wanted }) do
    if value == one or type(value) == "string" and type(one) == "string" and value:lower() == one:lower() then
      return true
    end
  end
  return false
end

local function has_attributes(user, where)
  for name, wanted in pairs(where) do
    if not is_wanted_value(attribute_of(user, name), wanted) then return false end
  end
  return true
end

-- COLUMNS, with the attributes.
local function columns_with(where)
  local columns, seen = table.move(COLUMNS, 1, #COLUMNS, 1, {}), sets.of(COLUMNS)
  for _, name in ipairs(sets.sorted(where)) do
    name = name:match "^[^/]+"
    if not seen[name] then columns[#columns + 1] = name end
    seen[name] = true
  end
  return columns
end

--- The users who have these attributes. Graph filters them; what it answers is held against the attributes once more.
--- Waits.
---@param reader entra.users.reader
---@param where table<string, any> attribute -> value, or list of values
---@param text string the attributes, for messages
---@return entra.user[]
function M.with_attributes(reader, where, text)
  local list = {}
  for user in graph.list("/users", {
    filter = where, select = columns_with(where), advanced = true, what = "find the users " .. text,
  }) do
    if has_attributes(user, where) then list[#list + 1] = rotation_account(user, reader.federated) end
  end
  return list
end

--- Read the user again, with the names that the user's password must not contain. Waits.
---@param reader { federated: table<string, boolean> }
---@param id string
---@return entra.user? account, string[] names
function M.read_with_names(reader, id)
  local columns = table.move(NAMES, 1, #NAMES, #COLUMNS + 1, table.move(COLUMNS, 1, #COLUMNS, 1, {}))
  local user = read_user(id, columns, "read the account")
  if not user then return nil, {} end
  local called = {}
  for _, name in ipairs(NAMES) do
    if type(user[name]) == "string" then called[#called + 1] = user[name] end
  end
  return rotation_account(user, reader.federated), called
end

--- Must the user change the password at the next sign-in? A person who resets a password in the portal usually sets
--- that. Nil when Entra does not say. Also returns when the password last changed, as the same reading shows it. Waits.
---@param id string
---@return boolean?
---@return number? moment
function M.must_change_password(id)
  local what = "read whether the password has to be changed at the next sign-in"
  local user = read_user(id, { "id", "passwordProfile", "lastPasswordChangeDateTime" }, what)
  local profile, text = user and user.passwordProfile, user and user.lastPasswordChangeDateTime
  return type(profile) == "table" and profile.forceChangePasswordNextSignIn or nil,
    type(text) == "string" and time.parse(text) or nil
end

--- When the user's password last changed, as Entra says; nil when the user is gone or Entra does not say. Waits.
---@param id string
---@return number? moment
function M.password_changed_at(id)
  local user = read_user(id, { "id", "lastPasswordChangeDateTime" }, "read when the password was changed")
  local text = user and user.lastPasswordChangeDateTime
  return type(text) == "string" and time.parse(text) or nil
end

return M
