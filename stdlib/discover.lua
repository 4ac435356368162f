--- Privileged accounts as rows: who, by what, how old, how long without a new
--- password, and whether somebody manages it.

local managed = require "discover.managed"
local privileged = require "entra.privileged"
local profile = require "profile"
local task = require "task"
local time = require "time"
local writer = require "discover.writer"

local M = {}

---@type report.column[]
M.COLUMNS = {
  { key = "account" }, { key = "enabled" }, { key = "synced" }, { key = "guest" },
  { key = "password_days", title = "password age" }, { key = "account_days", title = "account age" },
  { key = "managed" }, { key = "privileges" },
}

local function days_since(text)
  local at = type(text) == "string" and time.parse(text)
  return at and math.max(0, math.floor((time.now() - at) / 86400)) or nil
end

local function texts(list)
  local all = {}
  for place, one in ipairs(list or {}) do all[place] = ("%s (%s)"):format(one.role, one.how) end
  table.sort(all)
  return table.concat(all, "; ")
end

local function yes(value) return value and "yes" or "no" end

--- The row of a user.
---@param user table with privileged.SELECT
---@param held table<string, entra.privilege[]>
---@param names table<string, boolean>?
---@return table
function M.row(user, held, names)
  local upn = user.userPrincipalName
  return {
    account = upn, enabled = yes(user.accountEnabled ~= false), synced = yes(user.onPremisesSyncEnabled == true),
    guest = yes(user.userType == "Guest"), password_days = days_since(user.lastPasswordChangeDateTime),
    account_days = days_since(user.createdDateTime), privileges = texts(held[user.id]),
    managed = not names and "unknown" or yes(names[upn:lower()]),
  }
end

local function list_iterator(list)
  local place = 0
  return function()
    place = place + 1
    return list[place]
  end
end

-- Those asked for, one by one; by pages where they may be many.
local function users_of(args, held)
  if args.group then return privileged.in_group(args.group) end
  if args.unit then return list_iterator(privileged.in_unit(args.unit)) end
  if args.all then return privileged.everybody() end
  return list_iterator(privileged.users(held))
end

---@class discover.args
---@field group string?
---@field unit string?
---@field all boolean?
---@field unmanaged boolean?
---@field format "table"|"csv"|"json"

--- Write the accounts asked for as they come. Waits.
---@param args discover.args
---@return integer count
function M.run(args)
  local held, names = task.all {
    privileged.holders, function() return managed.names(profile.current()) or false end,
  }
  local out = writer.new(args.format, M.COLUMNS)
  for user in users_of(args, held) do
    local row = M.row(user, held, names or nil)
    if not args.unmanaged or row.managed ~= "yes" then out:row(row) end
  end
  out:close()
  return out.count
end

return M
