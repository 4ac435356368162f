--- Proof that something is ours. An application carries marks; what belongs to an application is ours with it; on an
--- application that was adopted, the journal must say that we added the thing. Anything else is listed, and never
--- removed.

local time = require "time"

local M = {}

--- The line in an application's notes that marks it as ours.
---@param workflow string id
---@return string
function M.mark(workflow)
  return "Made by Moonlatch, workflow " .. workflow .. "."
end

--- Do the notes of an application contain such a line, of any workflow?
---@param application table
---@return boolean
function M.is_marked(application)
  return type(application.notes) == "string" and application.notes:find("Made by Moonlatch, workflow %S+%.") ~= nil
end

--- The tag of entries in Devolutions: letters, digits and dashes only.
---@param workflow string id
---@return string
function M.tag(workflow)
  return "moonlatch-" .. workflow:lower():gsub("[^%w]+", "-")
end

local function union(a, b)
  local all, there = {}, {}
  for _, list in ipairs { a or {}, b or {} } do
    for _, entry in ipairs(list) do
      if not there[entry] then all[#all + 1] = entry end
      there[entry] = true
    end
  end
  return all
end

--- Put on record, before the request is sent, that this is added to something that was adopted.
---@param run workflow.Run
---@param thing resource.Resource
---@param changes resource.change[]?
function M.adding(run, thing, changes)
  if not thing.host or not thing.host.adopted or not run.journal then return end
  local before = M.added(run, thing)
  local entries = thing.entries and union(before and before.entries, thing:entries(changes))
  run.journal:put("added", thing:key(), "added", {
    workflow = run.id, kind = thing.kind, name = thing.name, to = thing.host.id, entries = entries,
  }, time.now())
end

--- The record that we added it; nil when there is none.
---@param run workflow.Run
---@param thing resource.Resource
---@return table?
function M.added(run, thing)
  local row = run.journal and run.journal:get("added", thing:key())
  return row and row.state == "added" and row.body or nil
end

--- Put on record that it was removed again.
---@param run workflow.Run
---@param thing resource.Resource
function M.removed(run, thing)
  if not thing.host or not thing.host.adopted then return end
  local body = M.added(run, thing)
  if body then run.journal:put("added", thing:key(), "removed", body, time.now()) end
end

--- Is something on an application ours? Yes when the application is, or when the journal says that we added it.
---@param run workflow.Run
---@param thing resource.Resource
---@return boolean, string?
function M.through(run, thing)
  local host = thing.host
  if host.ours then return true end
  if not host.adopted then return false, "the application cannot be proven ours" end
  if M.added(run, thing) then return true, "the journal says it was added here" end
  return false, "the application was adopted, and the journal does not say that this was added here"
end

return M
