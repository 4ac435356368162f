--- Users, groups and role holders that are computed from their number: nothing is stored, so a million cost nothing.

local directory = require "emulator.tenant.directory"
local json = require "json"
local random = require "emulator.random"
local time = require "time"

local M = {}

local GIVEN = { "Ada", "Bilal", "Chloe", "Dmitri", "Esther", "Farah", "Gustav", "Hana", "Ines", "Jonas", "Kofi", "Lena",
  "Marta", "Nils", "Oona", "Pavel", "Quentin", "Rosa", "Samir", "Tilda", "Umar", "Vera", "Wanda", "Yusuf" }
local FAMILY = { "Adler", "Bianchi", "Costa", "Dahl", "Eriksen", "Fischer", "Garcia", "Hansen", "Ibrahim", "Jansen",
  "Kovacs", "Lindqvist", "Mensah", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka", "Ueda", "Weber" }
local DEPARTMENTS = { "Finance", "Sales", "Engineering", "Support", "People", "Legal" }
local ROLES = { -- template ids from data/roles.tsv: the roles of a crowd's role holders
  "729827e3-9c14-49f7-bb1b-9608f156bbb8", -- Helpdesk Administrator
  "fe930be7-5e62-47db-91af-98c3a49a38b1", -- User Administrator
  "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", -- Directory Readers
  "4a5d8f65-41da-4de4-8968-e035b65339cf", -- Reports Reader
  "fdd7a751-b60b-444a-984c-02652fe8fa1c", -- Groups Administrator
  "29232cdf-9323-42fd-ade2-1d097af3e4de", -- Exchange Administrator
}
local EPOCH = 1577836800 -- 2020-01-01; the users of a crowd joined in the five years after
local YEARS = 5 * 365 * 86400

--- The function that makes row n, whose members are computed when they are read: of a million rows, most are only
--- passed over.
---@param members table<string, fun(row: table, n: integer): any>
---@return fun(n: integer): table
function M.lazily(members)
  local Row = {}
  function Row.__index(row, name)
    local make = members[name]
    local value = make and make(row, row._n)
    row[name] = value
    return value
  end
  function Row.__pairs(row)
    local whole = {}
    for name in pairs(members) do whole[name] = row[name] end
    return next, whole, nil
  end
  return function(n) return setmetatable({ _n = n }, Row) end
end

local function user_members(seed, domain)
  local function joined(n) return EPOCH + random.fraction(seed, "joined", n) * YEARS // 1 end
  return {
    id = function(_, n) return random.guid(seed, "user", n) end,
    givenName = function(_, n) return random.pick(GIVEN, seed, "given", n) end,
    surname = function(_, n) return random.pick(FAMILY, seed, "family", n) end,
    displayName = function(row) return row.givenName .. " " .. row.surname end,
    mailNickname = function(row, n) return ("%s.%s%d"):format(row.givenName:lower(), row.surname:lower(), n) end,
    userPrincipalName = function(row) return row.mailNickname .. "@" .. domain end,
    mail = function(row) return row.userPrincipalName end,
    department = function(_, n) return random.pick(DEPARTMENTS, seed, "department", n) end,
    accountEnabled = function(_, n) return random.fraction(seed, "enabled", n) >= 0.02 end,
    userType = function() return "Member" end,
    onPremisesSyncEnabled = function(_, n) return random.fraction(seed, "synced", n) < 0.1 or nil end,
    createdDateTime = function(_, n) return time.iso(joined(n)) end,
    lastPasswordChangeDateTime = function(_, n)
      return time.iso(joined(n) + random.fraction(seed, "password", n) * YEARS // 10)
    end,
    identities = function(row)
      return json.array {
        { signInType = "userPrincipalName", issuer = domain, issuerAssignedId = row.userPrincipalName },
      }
    end,
  }
end

--- Users, computed from their number.
---@param options {seed: integer, domain: string, users: integer}
---@return emulator.lag.crowd
function M.users(options)
  local seed, domain = options.seed, options.domain
  local crowd = { size = options.users }
  function crowd.id(n) return random.guid(seed, "user", n) end
  function crowd.number(id) return random.number(seed, "user", id) end
  crowd.row = M.lazily(user_members(seed, domain))
  function crowd.find(property, value)
    local n
    if property == "id" then
      n = crowd.number(value)
    elseif property == "userPrincipalName" or property == "mail" then
      n = math.tointeger(tonumber(tostring(value):match("(%d+)@")))
    else
      return nil
    end
    return n and n >= 1 and n <= crowd.size and { n } or {}
  end
  return crowd
end

--- Security groups, computed from their number.
---@param options {seed: integer, groups: integer}
---@return emulator.lag.crowd
function M.groups(options)
  local seed = options.seed
  local crowd = { size = options.groups }
  function crowd.id(n) return random.guid(seed, "group", n) end
  function crowd.number(id) return random.number(seed, "group", id) end
  function crowd.row(n)
    return directory.group_row {
      id = crowd.id(n),
      displayName = ("Team %d"):format(n),
      mailNickname = ("team%d"):format(n),
      mailEnabled = false,
      securityEnabled = true,
      groupTypes = json.array {},
      createdDateTime = time.iso(EPOCH + random.fraction(seed, "founded", n) * YEARS // 1),
    }
  end
  return crowd
end

--- Active role assignments, computed from their number: holder n is user n * stride.
---@param options {seed: integer, users: integer, holders: integer}
---@return emulator.lag.crowd
function M.holders(options)
  local seed = options.seed
  local size = math.min(options.holders, options.users)
  local stride = size > 0 and options.users // size or 1
  local crowd = { size = size }
  function crowd.id(n) return random.long_id(seed, "holder", n) .. "-1" end
  function crowd.number(id)
    return random.long_number(seed, "holder", tostring(id):match("^(.+)%-1$"))
  end
  function crowd.row(n)
    return {
      id = crowd.id(n),
      principalId = random.guid(seed, "user", n * stride),
      roleDefinitionId = random.pick(ROLES, seed, "role", n),
      directoryScopeId = "/",
    }
  end
  function crowd.find(property, value)
    if property ~= "principalId" then return nil end
    local user = random.number(seed, "user", value)
    local n = user and user % stride == 0 and user // stride
    return n and n >= 1 and n <= size and { n } or {}
  end
  return crowd
end

return M
