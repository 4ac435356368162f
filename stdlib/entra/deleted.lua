--- Deleted applications. For 30 days a deleted application keeps its uniqueName and can be restored with its
--- credentials and permissions (Microsoft Learn: directory-deleteditems-list, -restore, -delete). Its service principal
--- is a deleted item of its own.

local fail = require "fail"
local graph = require "graph"
local hint = require "log.hint"
local rotations = require "journal.rotations"
local task = require "task"
local time = require "time"

local M = {}

local KIND = "deleted" -- the kind of the journal's rows for deletions; the id of such a row is the client id
local PATIENCE, PAUSE = 120, 5 -- seconds until a deleted application is listed as deleted

local MEMBERS = { "id", "appId", "displayName", "uniqueName", "notes", "signInAudience", "createdDateTime",
  "requiredResourceAccess", "deletedDateTime" }

---@class entra.deleted_application
---@field id string
---@field appId string
---@field displayName string
---@field notes string?
---@field deletedDateTime string

local function find_deleted_item(type_name, members, fits)
  for item in graph.list("/directory/deletedItems/microsoft.graph." .. type_name, {
    select = members, top = 999, what = "look among the deleted applications",
  }) do
    if fits(item) then return item end
  end
end

--- Find the deleted application that holds a uniqueName. Waits.
---@param unique_name string
---@return entra.deleted_application?
function M.find_by_unique_name(unique_name)
  return find_deleted_item("application", MEMBERS, function(item) return item.uniqueName == unique_name end)
end

--- The day of the deletion: "2026-01-31"
---@param item entra.deleted_application
---@return string
function M.deletion_day(item) return tostring(item.deletedDateTime):sub(1, 10) end

---------------------------------------------------------------------------
-- Is the deleted application ours?

--- Put on record, before the request leaves, that this application of ours is being deleted.
---@param run workflow.Run
---@param application table
function M.record_deletion(run, application)
  if not run.journal then return end
  run.journal:put(KIND, application.appId, "deleted", {
    workflow = run.id, id = application.id, name = application.displayName,
  }, time.now())
end

local function credential_rotations() return { rotations.client_secrets, rotations.certificates } end

-- Does the journal have a record of the application: its deletion, or a credential that was made for it?
local function journal_knows_application(journal, app_id)
  if not journal then return false end
  if journal:get(KIND, app_id) then return true end
  for _, rows in ipairs(credential_rotations()) do
    if rows:all(journal, app_id)[1] then return true end
  end
  return false
end

local BY_HAND = "In the Entra admin center under App registrations > Deleted applications: either restore it, "
  .. "and it is used again, or delete it permanently. (Or choose another --name.)"

--- Raise "conflict" when the deleted application that holds the uniqueName is not proven ours. Its notes and this
--- journal together are the proof, because restoring the application brings its credentials back.
---@param wanted entra.application
---@param item entra.deleted_application
---@param journal host.journal.journal?
function M.require_ours(wanted, item, journal)
  local marked = wanted:is_marked(item)
  if marked and journal_knows_application(journal, item.appId) then return end
  fail.raise {
    kind = "conflict", what = "create " .. tostring(wanted),
    why = ("the uniqueName '%s' is still held by the application deleted on %s (client id %s), and %s")
      :format(wanted.unique_name, M.deletion_day(item), item.appId, marked
        and "this journal does not know it: restored, it would bring back credentials that nobody here knows"
        or ("its notes do not carry the line '%s'"):format(wanted.mark)),
    fix = (marked and hint.text("`{moonlatch} destroy %s --purge` deletes it for good; then apply makes a new one. "
      .. "Or: ", wanted.workflow) or "") .. BY_HAND,
  }
end

---------------------------------------------------------------------------
-- Restoring

local function restore_deleted_item(id, what)
  return graph.post(graph.path("/directory/deletedItems/{id}/restore", id), {}, {
    repeatable = true, missing = "nil", what = what,
  })
end

--- Restore a deleted application. No failure when it was restored already. Waits.
---@param item { id: string }
---@param what string what is being done
function M.restore(item, what) restore_deleted_item(item.id, what) end

--- Restore the service principal of an application. Graph does not restore it with the application. Waits.
---@param app_id string client id
---@return boolean restored false when there is no deleted one
function M.restore_principal(app_id)
  local item = find_deleted_item("servicePrincipal", { "id", "appId" }, function(one) return one.appId == app_id end)
  local what = "restore the service principal of the application " .. app_id
  return item ~= nil and restore_deleted_item(item.id, what) ~= nil
end

---------------------------------------------------------------------------
-- Deleting for good

-- Close the application's rotations in the journal: a purged application cannot be restored, so none of its
-- credentials can be used again.
local function close_rotations_of_purged(run, item)
  if not run.journal then return end
  for _, rows in ipairs(credential_rotations()) do
    for _, row in ipairs(rows:all(run.journal, item.appId)) do
      if rows:is_application_deleted(row) then rows:close(run.journal, row, "its application was deleted for good") end
    end
  end
end

local function purge_deleted_item(item, what)
  for waited = 0, PATIENCE, PAUSE do
    local path = graph.path("/directory/deletedItems/{id}", item.id)
    if graph.delete(path, { missing = "nil", what = what }) then return end
    if waited < PATIENCE then task.sleep(PAUSE) end
  end
  fail.raise {
    kind = "transient", resumes = true, what = what, why = "it is not among the deleted applications",
    fix = "It is gone already, or not shown there yet. Run the same command again in a few minutes.",
  }
end

--- Make `destroy` delete the application for good, also when it is deleted already. An application that is not marked
--- as ours is left alone. Call this in a step before the step that ensures the application, because `destroy` goes
--- through the steps backwards.
---@param wanted entra.application
---@param item table? the application, or the deleted one
function M.purge_on_destroy(run, wanted, item)
  if not item or not wanted:is_marked(item) then return end
  local name = item.displayName
  run:add_removal({
    kind = "deleted application", name = name,
    ours = function() return true, "deleted for good: neither it nor its credentials can be restored" end,
    delete = function()
      purge_deleted_item(item, ("delete the application '%s' for good"):format(name))
      close_rotations_of_purged(run, item)
    end,
    gone = function()
      return find_deleted_item("application", { "id" }, function(one) return one.id == item.id end) == nil
    end,
  }, item)
end

return M
