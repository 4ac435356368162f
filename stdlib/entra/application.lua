--- An application registration. It is found by its uniqueName, which Entra keeps unique and immutable, or adopted by
--- its client id.

local check_answer = require "entra.check_answer"
local deleted = require "entra.deleted"
local fail = require "fail"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"
local options_of = require("base.options").of
local ownership = require "resource.ownership"
local resource = require "resource.new"
local time = require "time"

---@class entra.application: resource.Resource
---@field workflow string id of the workflow it is marked with
---@field client_id string? of an existing application, to be adopted
---@field prefix string of the uniqueName of every application that this workflow makes
---@field unique_name string
---@field mark string the line in the notes that marks the application as ours
---@field returning table? the deleted application that will be restored, as it will be
---@field deleted boolean? did this run delete it?
local Application = resource.kind "application"
Application.once = "its uniqueName"

local MEMBERS = {
  "id", "appId", "displayName", "uniqueName", "notes", "signInAudience", "createdDateTime",
  "passwordCredentials", "keyCredentials", "requiredResourceAccess",
}

local read_fields = options_of("entra.application", { name = "string", workflow = "string", client_id = "string" })

--- The application of this name, or the one with this client id.
---@param fields { name: string, workflow: string, client_id: string? }
---@return entra.application
local function application(fields)
  local self = Application(read_fields(fields))
  self.prefix = ("moonlatch-%s-"):format(microsoft_ids.slug(self.workflow))
  self.unique_name = self.prefix .. microsoft_ids.slug(self.name)
  self.mark = ownership.mark(self.workflow)
  self.made = "single tenant, uniqueName " .. self.unique_name
  self.wanted = self.client_id and {} or { displayName = self.name, signInAudience = "AzureADMyOrg" }
  return self
end

local function application_path(self)
  if self.client_id then return graph.path("/applications(appId={appId})", self.client_id) end
  return graph.path("/applications(uniqueName={uniqueName})", self.unique_name)
end

local function raise_not_our_application(self, actual)
  fail.raise {
    kind = "not_ours", what = ("look for %s"):format(tostring(self)),
    why = ("the uniqueName '%s' belongs to an application (client id %s) whose notes do not carry the line '%s'")
      :format(self.unique_name, actual.appId, self.mark),
    fix = ("If it is yours to use, add --client-id %s to the same command; otherwise choose another name: --name NAME.")
      :format(actual.appId),
  }
end

local function raise_application_missing(self)
  fail.raise {
    kind = "missing", what = ("adopt the application with the client id %s"):format(self.client_id),
    why = "there is no such application registration in this tenant",
    fix = "Copy the Application (client) ID: Entra admin center > App registrations > the application > Overview. "
      .. "An enterprise application of another tenant cannot be adopted.",
  }
end

--- Is the application marked as ours? Its notes carry our line. When it was found by its client id, its uniqueName must
--- be ours too: notes are copied along with a manifest, and a uniqueName is not.
---@param actual table
---@return boolean
function Application:is_marked(actual)
  if not tostring(actual.notes):find(self.mark, 1, true) then return false end
  return not self.client_id or tostring(actual.uniqueName):sub(1, #self.prefix) == self.prefix
end

-- Set `actual.ours` when the application carries our marks, else `actual.adopted`. Raises when the application was
-- found by its uniqueName and does not carry our marks.
local function check_application_marks(self, actual)
  check_answer.require_members(actual, "read " .. tostring(self), "id", "appId")
  local marked = self:is_marked(actual)
  if not marked and not self.client_id then raise_not_our_application(self, actual) end
  actual.ours, actual.adopted = marked, not marked
  return actual
end

function Application:read()
  local actual = graph.get(application_path(self), {
    select = MEMBERS, missing = "nil", what = "look for " .. tostring(self),
  })
  if actual then return check_application_marks(self, actual) end
  if self.client_id and not self.deleted then raise_application_missing(self) end
end

--- Make `create` restore this deleted application, which is ours and holds the uniqueName, instead of creating a new
--- application.
---@param item entra.deleted_application
function Application:restore_instead(item)
  self.returning = check_application_marks(self, item)
  item.restored, item.in_bin = true, true
  self.made = ("restored from the deleted ones (deleted on %s)"):format(deleted.deletion_day(item))
end

local function reread_application(self, path)
  return graph.get(path, { select = MEMBERS, fresh_write = true, what = "read " .. tostring(self) })
end

local function restore_application(self)
  deleted.restore(self.returning, "restore " .. tostring(self))
  local actual = reread_application(self, graph.path("/applications/{id}", self.returning.id))
  check_application_marks(self, actual)
  actual.restored = true
  return actual
end

-- Graph creates the application, or answers that an application with this uniqueName exists. Either way there is just
-- one afterwards.
function Application:create()
  if self.returning then return restore_application(self) end
  local actual = graph.patch(application_path(self), {
    displayName = self.name, signInAudience = "AzureADMyOrg",
    notes = self.mark .. " This line is how it is recognised.",
  }, { prefer = "create-if-missing", repeatable = true, what = "create " .. tostring(self) })
  if actual.appId then
    actual.fresh, actual.made_now = true, true -- nothing depends on it yet
  else -- it existed already, and our earlier read was stale
    actual = reread_application(self, application_path(self))
  end
  return check_application_marks(self, actual)
end

function Application:update(actual, changes)
  local body = {}
  for _, change in ipairs(changes) do body[change.member] = change.to end
  graph.patch(graph.path("/applications/{id}", actual.id), body, { what = "change " .. tostring(self) })
end

function Application.ours(_, actual)
  if actual.ours then return true, "its notes carry our line; it can be restored for 30 days" end
  return false, "it was adopted, not made here"
end

function Application:delete(actual, run)
  deleted.record_deletion(run, actual)
  self.deleted = true
  graph.delete(graph.path("/applications/{id}", actual.id), { missing = "nil", what = "delete " .. tostring(self) })
end

--- Put on record that the application existed before this workflow. The workflow calls this when acting.
function Application.adopt(_, run, actual)
  if not actual.adopted then return end
  local id = "application/" .. actual.appId
  if run.journal and not run.journal:get("adopted", id) then
    run.journal:put("adopted", id, "adopted", { workflow = run.id, id = actual.id, name = actual.displayName },
      time.now())
  end
end

return application
