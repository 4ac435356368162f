--- Whose activity is listed: one application, one account, or the applications on record and the whole directory.

local fail = require "fail"
local graph = require "graph"
local hint = require "log.hint"
local rotations = require "journal.rotations"

local M = {}

---@class activity.application
---@field app_id string client id, in lower case
---@field name string

---@class activity.subjects
---@field applications activity.application[] whose sign-ins are listed
---@field objects { id: string, name: string }[]? whose changes are listed; nil: those of everything

local SELECT = { "id", "appId", "displayName" }

local function is_guid(text) return #text == 36 and text:match "^%x+%-%x+%-%x+%-%x+%-%x+$" ~= nil end

local function principals_of(name)
  local filter = is_guid(name) and { "appId eq %s", name:lower() } or { "displayName eq %s", name }
  return graph.all("/servicePrincipals", { select = SELECT, filter = filter, what = ("find the application '%s'")
    :format(name) })
end

local function raise_not_one(name, list)
  local what = ("find the application '%s'"):format(name)
  if #list == 0 then
    fail.raise { kind = "missing", what = what, why = "the tenant has no service principal of that name or client id",
      fix = hint.text "Copy a name or a client id from what `{moonlatch} applications` lists." }
  end
  local ids = {}
  for i, one in ipairs(list) do ids[i] = one.appId end
  fail.raise { kind = "conflict", what = what, why = ("%d applications have that name"):format(#list),
    fix = "Name one by its client id: " .. table.concat(ids, ", ") }
end

--- The application of this name or client id: its sign-ins, and the changes of its two objects. Raises "missing" for
--- none, and "conflict" for several of that name. Waits.
---@param name string
---@return activity.subjects
function M.of_application(name)
  local list = principals_of(name)
  if #list ~= 1 then raise_not_one(name, list) end
  local principal = list[1]
  local objects = { { id = principal.id, name = principal.displayName } }
  local registration = graph.get(graph.path("/applications(appId={id})", principal.appId),
    { select = SELECT, missing = "nil", what = ("read the application '%s'"):format(name) })
  if registration then table.insert(objects, 1, { id = registration.id, name = registration.displayName }) end
  return { applications = { { app_id = principal.appId:lower(), name = principal.displayName } }, objects = objects }
end

--- The account of this user name or object id. An object id may be that of a deleted account. Waits.
---@param name string
---@return activity.subjects
function M.of_user(name)
  local user = graph.get(graph.path("/users/{id}", name), { select = { "id", "userPrincipalName" },
    missing = is_guid(name) and "nil" or nil, what = ("find the account '%s'"):format(name) })
  return { applications = {}, objects = { { id = user and user.id or name, name = user and user.userPrincipalName
    or name } } }
end

-- The applications with a credential on record.
local function applications_on_record(journal)
  local list, seen = {}, {}
  for _, rows in ipairs { rotations.client_secrets, rotations.certificates } do
    for _, row in ipairs(rows:all(journal)) do
      local app_id = tostring(row.body.app_id):lower()
      if not seen[app_id] then list[#list + 1] = { app_id = app_id, name = row.body.name } end
      seen[app_id] = true
    end
  end
  return list
end

--- The applications on record, and everything in the directory.
---@param journal host.journal.journal?
---@return activity.subjects
function M.of_everything(journal) return { applications = applications_on_record(journal) } end

return M
