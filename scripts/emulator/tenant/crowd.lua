--- Users, groups and role holders by number: nobody stores them, so a million
--- cost nothing.

local json = require "json"
local random = require "emulator.random"
local time = require "time"

local M = {}

local GIVEN = { "Ada", "Bilal", "Chloe", "Dmitri", "Esther", "Farah", "Gustav", "Hana", "Ines", "Jonas", "Kofi", "Lena",
  "Marta", "Nils", "Oona", "Pavel", "Quentin", "Rosa", "Samir", "Tilda", "Umar", "Vera", "Wanda", "Yusuf" }
local FAMILY = { "Adler", "Bianchi", "Costa", "Dahl", "Eriksen", "Fischer", "Garcia", "Hansen", "Ibrahim", "Jansen",
  "Kovacs", "Lindqvist", "Mensah", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka", "Ueda", "Weber" }
local DEPARTMENTS = { "Finance", "Sales", "Engineering", "Support", "People", "Legal" }
local ROLES = { -- template ids of data/roles.tsv that a crowd's role holders have
  "729827e3-9c14-49f7-bb1b-9608f156bbb8", -- Helpdesk Administrator
  "fe930be7-5e62-47db-91af-98c3a49a38b1", -- User Administrator
  "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", -- Directory Readers
  "4a5d8f65-41da-4de4-8968-e035b65339cf", -- Reports Reader
  "fdd7a751-b60b-444a-984c-02652fe8fa1c", -- Groups Administrator
  "29232cdf-9323-42fd-ade2-1d097af3e4de", -- Exchange Administrator
}
local EPOCH = 1577836800 -- 2020-01-01; a crowd joined in the five years after
local YEARS = 5 * 365 * 86400

local function user_row(seed, domain, n)
  local given, family = random.pick(GIVEN, seed, "given", n), random.pick(FAMILY, seed, "family", n)
  local nickname = ("%s.%s%d"):format(given:lower(), family:lower(), n)
  local name = nickname .. "@" .. domain
  local joined = EPOCH + random.fraction(seed, "joined", n) * YEARS // 1
  return {
    id = random.guid(seed, "user", n),
    displayName = given .. " " .. family,
    givenName = given,
    surname = family,
    userPrincipalName = name,
    mail = name,
    mailNickname = nickname,
    department = random.pick(DEPARTMENTS, seed, "department", n),
    accountEnabled = random.fraction(seed, "enabled", n) >= 0.02,
    userType = "Member",
    onPremisesSyncEnabled = random.fraction(seed, "synced", n) < 0.1 or nil,
    createdDateTime = time.iso(joined),
    lastPasswordChangeDateTime = time.iso(joined + random.fraction(seed, "password", n) * YEARS // 10),
    identities = json.array { { signInType = "userPrincipalName", issuer = domain, issuerAssignedId = name } },
  }
end

--- Users by number.
---@param options {seed: integer, domain: string, users: integer}
---@return emulator.lag.crowd
function M.users(options)
  local seed, domain = options.seed, options.domain
  local crowd = { size = options.users }
  function crowd.id(n) return random.guid(seed, "user", n) end
  function crowd.number(id) return random.number(seed, "user", id) end
  function crowd.row(n) return user_row(seed, domain, n) end
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

--- Security groups by number.
---@param options {seed: integer, groups: integer}
---@return emulator.lag.crowd
function M.groups(options)
  local seed = options.seed
  local crowd = { size = options.groups }
  function crowd.id(n) return random.guid(seed, "group", n) end
  function crowd.number(id) return random.number(seed, "group", id) end
  function crowd.row(n)
    return {
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

--- Active role assignments by number: holder n is user n * stride.
---@param options {seed: integer, users: integer, holders: integer}
---@return emulator.lag.crowd
function M.holders(options)
  local seed = options.seed
  local size = math.min(options.holders, options.users)
  local stride = size > 0 and options.users // size or 1
  local crowd = { size = size }
  function crowd.id(n) return random.guid(seed, "holder", n):gsub("-", "") .. "-1" end
  function crowd.number(id)
    local digits = tostring(id):match("^(%x+)%-1$")
    if not digits or #digits ~= 32 then return nil end
    local guid = ("%s-%s-%s-%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(13, 16), digits:sub(17, 20),
      digits:sub(21))
    return random.number(seed, "holder", guid)
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
