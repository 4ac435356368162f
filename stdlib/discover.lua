--- Privileged accounts as rows: their roles, the age of the account and of the password, who changed the password last,
--- and who manages them.

local fail = require "fail"
local hint = require "log.hint"
local last_changes = require "discover.last_changes"
local layout = require "terminal.layout"
local log = require "log"
local managed = require "discover.managed"
local nearest = require "base.nearest"
local options_of = require("base.options").of
local privileged = require "entra.privileged"
local profiles = require "profile.current"
local risk = require "discover.risk"
local task = require "task"
local time = require "time"
local writer = require "report.writer"

local M = {}

-- The columns of CSV and JSON.
---@type report.column[]
local COLUMNS = {
  { key = "account" }, { key = "enabled" }, { key = "synced" }, { key = "guest" }, { key = "password_days" },
  { key = "account_days" }, { key = "managed" }, { key = "privileges" }, { key = "password_by" }, { key = "overdue" },
}

-- The columns for a terminal, which has 80.
---@type report.column[]
local FOR_PEOPLE = {
  { key = "account" }, { key = "managed" }, { key = "password", align = "right" }, { key = "by" },
  { key = "age", align = "right" }, { key = "privileges" },
}

local function age(days) return days and layout.age(days) end

-- The account, with what is particular about it: "sven@contoso.com (synced)".
local function account_with_state(row)
  local list = {}
  if row.enabled ~= "yes" then list[1] = "disabled" end
  if row.synced == "yes" then list[#list + 1] = "synced" end
  if row.guest == "yes" then list[#list + 1] = "guest" end
  return list[1] and ("%s (%s)"):format(row.account, table.concat(list, ", ")) or row.account
end

local function for_people(row)
  local password = age(row.password_days)
  return {
    account = account_with_state(row), managed = row.managed,
    password = row.overdue == "yes" and "overdue, " .. (password or "never") or password, by = row.password_by,
    age = age(row.account_days), privileges = row.privileges,
  }
end

local function moment(text) return type(text) == "string" and time.parse(text) or nil end

local function days_since(at) return at and math.max(0, math.floor((time.now() - at) / 86400)) or nil end

local function texts(list)
  local all = {}
  for place, one in ipairs(list or {}) do all[place] = ("%s (%s)"):format(one.role, one.how) end
  table.sort(all)
  return table.concat(all, "; ")
end

local function yes(value) return value and "yes" or "no" end

-- The row of a user, which is read with privileged.SELECT.
local function row_of(user, held, names, changes)
  local upn, changed = user.userPrincipalName, moment(user.lastPasswordChangeDateTime)
  local who, is_overdue = last_changes.of(changes, user, changed)
  return {
    id = user.id, held = held[user.id] or {}, account = upn,
    enabled = yes(user.accountEnabled ~= false), synced = yes(user.onPremisesSyncEnabled == true),
    guest = yes(user.userType == "Guest"), password_days = days_since(changed),
    account_days = days_since(moment(user.createdDateTime)), privileges = texts(held[user.id]),
    managed = not names and "unknown" or yes(names[upn:lower()]),
    password_by = who, overdue = is_overdue ~= nil and yes(is_overdue) or nil,
  }
end

local function list_iterator(list)
  local place = 0
  return function()
    place = place + 1
    return list[place]
  end
end

-- Only the privileges by this role. Raises a failure, with a suggestion, when nobody holds a role of that name.
local function of_role(held, role)
  local some, known = {}, {}
  for id, list in pairs(held) do
    for _, one in ipairs(list) do
      known[one.role] = true
      if one.role:lower() == role:lower() then
        some[id] = some[id] or {}
        table.insert(some[id], one)
      end
    end
  end
  if next(some) then return some end
  local meant = nearest(role, known)
  fail.raise {
    kind = "missing", what = ("find who holds the role '%s'"):format(role), why = "nobody does",
    fix = meant and ("Did you mean '%s'?"):format(meant) or hint.text("Name a role of those that `{moonlatch} "
      .. "discover` lists."),
  }
end

-- The accounts that were asked for, one by one; page by page where they may be many.
local function users_of(args, held)
  if args.group then return privileged.in_group(args.group) end
  if args.unit then return list_iterator(privileged.in_unit(args.unit)) end
  if args.all then return privileged.everybody() end
  return list_iterator(privileged.users(held))
end

---@class discover.args
---@field role string?
---@field group string?
---@field unit string?
---@field all boolean?
---@field unmanaged boolean?
---@field evidence boolean? false: do not read who changed the passwords

local read_list_args = options_of("discover.list", {
  role = "string", group = "string", unit = "string", all = "boolean", unmanaged = "boolean", evidence = "boolean",
})

---@class discover.known what is read before the accounts
---@field held table<string, entra.privilege[]>
---@field unread string[]
---@field names table<string, boolean>? of entries; nil: not known
---@field no_names Failure? why the names could not be read
---@field changes discover.last_changes

local function read_known(args)
  local found, entries, changes = task.all {
    function() return table.pack(privileged.holders()) end,
    function() return table.pack(managed.names(profiles.current())) end,
    function() return table.pack(last_changes.read(args.evidence == false)) end,
  }
  table.move(changes[2], 1, #changes[2], #found[2] + 1, found[2])
  return { held = args.role and of_role(found[1], args.role) or found[1], unread = found[2], names = entries[1],
    no_names = entries[2], changes = changes[1] }
end

-- Call `fn` with the row of each account that was asked for: those with a privilege in the order of their risk, other
-- lists as they come.
local function for_each_account(args, known, fn)
  local sorted = not (args.group or args.unit or args.all) and {}
  for user in users_of(args, known.held) do
    local row = row_of(user, known.held, known.names, known.changes)
    if not args.unmanaged or row.managed ~= "yes" then
      if sorted then sorted[#sorted + 1] = row else fn(row) end
    end
  end
  for _, row in ipairs(sorted and risk.sort(sorted) or {}) do fn(row) end
end

---@class discover.row
---@field id string object id
---@field account string user principal name
---@field enabled "yes"|"no"
---@field synced "yes"|"no"
---@field guest "yes"|"no"
---@field password_days integer? days since the password was changed; nil: not known
---@field account_days integer?
---@field managed "yes"|"no"|"unknown" is there an entry of that name in Devolutions Server?
---@field held entra.privilege[]
---@field privileges string `held`, in words
---@field password_by string who changed the password last, in words
---@field overdue "yes"|"no"|nil did PAM not change it as often as `managed.every` of the profile says? nil: it is no
--- managed account, or that is not known

--- The accounts asked for, privileged ones by default: those in the order of their risk. Waits.
---@param args discover.args?
---@return discover.row[] rows
---@return string[] unread what could not be read, and why: where there is any, accounts or privileges may be missing
---@return Failure? no_names why it could not be read which accounts are managed
function M.list(args)
  args = read_list_args(args or {})
  local known, rows = read_known(args), {}
  for_each_account(args, known, function(row) rows[#rows + 1] = row end)
  return rows, known.unread, known.no_names
end

---@class discover.run_args: discover.args
---@field format "table"|"csv"|"json"

local read_run_args = options_of("discover.run", {
  role = "string", group = "string", unit = "string", all = "boolean", unmanaged = "boolean", evidence = "boolean",
  format = "string",
})

--- Write the accounts asked for to standard output: privileged ones in the order of their risk, other lists as they
--- come; for people with their number at the end. Warns of what could not be read. Waits.
---@param args discover.run_args
---@return integer count of the accounts written
---@return boolean whole was everything read?
function M.run(args)
  args = read_run_args(args)
  local known = read_known(args)
  if known.no_names then log.warn("whether accounts are managed is not known: " .. tostring(known.no_names)) end
  local people = args.format == "table"
  local out = writer.new(args.format, people and FOR_PEOPLE or COLUMNS)
  for_each_account(args, known, function(row) out:row(people and for_people(row) or row) end)
  out:close()
  if people then log.note(layout.count(out.count, "account")) end
  for _, one in ipairs(known.unread) do log.warn("the list is not whole, as this could not be read: " .. one) end
  return out.count, #known.unread == 0
end

return M
