--- Prove that a workflow made an object. An application carries a mark. An object that belongs to such an application
--- is ours, too. An object on an adopted application is ours when the journal says that we added it. Any other object
--- is listed, and never removed.

local time = require "time"

local M = {}

--- The line in an application's notes that marks it as ours.
---@param workflow string id
---@return string
function M.mark(workflow)
  return "Made by Moonlatch, workflow " .. workflow .. "."
end

--- Do the notes of an application contain the mark of any workflow?
---@param application table
---@return boolean
function M.is_marked(application)
  return type(application.notes) == "string" and application.notes:find("Made by Moonlatch, workflow %S+%.") ~= nil
end

--- The tag that marks entries in Devolutions as ours: letters, digits and dashes only.
---@param workflow string id
---@return string
function M.tag(workflow)
  return "moonlatch-" .. workflow:lower():gsub("[^%w]+", "-")
end

local function union_of_lists(a, b)
  local all, is_listed = {}, {}
  for _, list in ipairs { a or {}, b or {} } do
    for _, entry in ipairs(list) do
      if not is_listed[entry] then all[#all + 1] = entry end
      is_listed[entry] = true
    end
  end
  return all
end

--- Put on record, before the request is sent, that a resource is added to an adopted application. A resource on any
--- other application needs no record.
---@param run workflow.Run
---@param resource resource.Resource
---@param changes resource.change[]?
function M.record_adding(run, resource, changes)
  if not resource.host or not resource.host.adopted or not run.journal then return end
  local before = M.added_record(run, resource)
  local entries = resource.entries and union_of_lists(before and before.entries, resource:entries(changes))
  run.journal:put("added", resource:key(), "added", {
    workflow = run.id, kind = resource.kind, name = resource.name, to = resource.host.id, entries = entries,
  }, time.now())
end

--- The record that we added the resource; nil when the journal has none.
---@param run workflow.Run
---@param resource resource.Resource
---@return table?
function M.added_record(run, resource)
  local row = run.journal and run.journal:get("added", resource:key())
  return row and row.state == "added" and row.body or nil
end

--- Put on record that a resource was removed from an adopted application.
---@param run workflow.Run
---@param resource resource.Resource
function M.record_removal(run, resource)
  if not resource.host or not resource.host.adopted then return end
  local body = M.added_record(run, resource)
  if body then run.journal:put("added", resource:key(), "removed", body, time.now()) end
end

--- Is a resource on an application ours? Yes when the application is ours, or when the journal says that we added the
--- resource.
---@param run workflow.Run
---@param resource resource.Resource
---@return boolean is_ours, string? why
function M.is_ours_on_host(run, resource)
  local host = resource.host
  if host.ours then return true end
  if not host.adopted then return false, "the application cannot be proven ours" end
  if M.added_record(run, resource) then return true, "the journal says it was added here" end
  return false, "the application was adopted, and the journal does not say that this was added here"
end

return M
