--- The changes that a person agreed to: those of a plan that was shown, or saved. Apply and destroy make these changes
--- and no others, although they read everything again.

local fail = require "fail"
local hint = require "log.hint"
local resource = require "resource.new"
local sets = require "base.sets"
local workflow_print = require "workflow.print"

local M = {}

---@class workflow.agreed.change
---@field kind string
---@field name string
---@field action "create"|"update"|"delete"
---@field made boolean? was it made in this run? It is agreed to once
---@field members table<string, string> the line of the plan for each member that changes; "" where the plan does not
--- know the value

---@alias workflow.agreed workflow.agreed.change[]

-- The lines of an item's changes, by member.
local function lines_by_member(item)
  local lines = {}
  for _, change in ipairs(item.changes or {}) do
    local is_known = change.text or resource.known(change.to)
    lines[change.member or change.text] = is_known and workflow_print.change_line(change) or ""
  end
  return lines
end

--- The changes of a plan, in its order.
---@param result workflow.result of a plan, or of a dry destroy
---@return workflow.agreed
function M.of(result)
  local list = {}
  for _, step in ipairs(result.steps) do
    for _, item in ipairs(step.items) do
      if item.action ~= "none" then
        list[#list + 1] = { kind = item.kind, name = item.name, action = item.action, members = lines_by_member(item) }
      end
    end
  end
  return list
end

local function find_change(agreed, kind, name)
  for _, change in ipairs(agreed) do
    if change.kind == kind and change.name == name and not change.made then return change end
  end
end

-- Does the plan have these lines, or did it not know the value?
local function covers(planned, members)
  for member, line in pairs(members) do
    if planned[member] ~= "" and planned[member] ~= line then return false end
  end
  return true
end

--- Raise "conflict" when this change is not among those that were agreed to, or was made already. The change has not
--- begun then.
---@param agreed workflow.agreed
---@param item workflow.item
---@param script string its id, for the fix
function M.check(agreed, item, script)
  local planned = find_change(agreed, item.kind, item.name)
  if planned and planned.action == item.action and covers(planned.members, lines_by_member(item)) then
    planned.made = true
    return
  end
  fail.raise {
    kind = "conflict", code = "not_planned", what = ("%s %s '%s'"):format(item.action, item.kind, item.name),
    why = "the tenant has changed since the plan was made, which has no such change",
    fix = hint.text("This change was not made. Look at the plan anew: {moonlatch} plan %s", script),
  }
end

local function members_text(members)
  local lines = {}
  for _, member in ipairs(sets.sorted(members)) do
    lines[#lines + 1] = members[member] ~= "" and members[member] or member .. ": known after apply"
  end
  return #lines > 0 and " (" .. table.concat(lines, "; ") .. ")" or ""
end

local function change_text(change)
  return ("%s %s '%s'%s"):format(change.action, change.kind, change.name, members_text(change.members))
end

--- What differs between two plans: a line for each change that only one of them has. Empty when they are the same.
---@param before workflow.agreed
---@param now workflow.agreed
---@return string[]
function M.differences(before, now)
  local of_before, of_now, lines = {}, {}, {}
  for _, change in ipairs(before) do of_before[change_text(change)] = true end
  for _, change in ipairs(now) do of_now[change_text(change)] = true end
  for _, text in ipairs(sets.sorted(of_before)) do
    if not of_now[text] then lines[#lines + 1] = "no longer: " .. text end
  end
  for _, text in ipairs(sets.sorted(of_now)) do
    if not of_before[text] then lines[#lines + 1] = "new: " .. text end
  end
  return lines
end

return M
