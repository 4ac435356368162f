--- Print what a run found, would do, or did: as lines for a person, and as one table for --json.

local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local resource = require "resource.new"
local secret = require "host.secret"

local M = {}

local SIGN_OF_ACTION = { create = "+", update = "~", delete = "-", none = "=" }
local STYLE_OF_ACTION = { create = "green", update = "yellow", delete = "red", none = "dim" }

---------------------------------------------------------------------------
-- Values and lines

-- Replace control characters. A line break in a name or value of the tenant would look like a further line of the plan.
local function without_control_characters(text) return (tostring(text):gsub("%c", " ")) end

--- Fill values into a text. A value may be a name in the tenant: control characters in it become blanks.
---@param text string for string.format, if there are values
---@param ... any
---@return string
function M.filled(text, ...)
  local values = table.pack(...)
  if values.n == 0 then return text end
  for i, value in ipairs(values) do
    values[i] = type(value) == "string" and without_control_characters(value) or value
  end
  return text:format(table.unpack(values, 1, values.n))
end

--- Join lines to one text for a note: each is a line of its own, and control characters in it become blanks.
---@param lines string[]
---@return string
function M.joined(lines)
  local list = {}
  for i, line in ipairs(lines) do list[i] = without_control_characters(line) end
  return table.concat(list, "\n    ")
end

local function changed_value_text(value)
  if value == nil then return "nothing" end
  if rawequal(value, resource.unknown) then return tostring(value) end
  if secret.is(value) then return "[secret]" end
  if type(value) == "string" then return '"' .. without_control_characters(value) .. '"' end
  if type(value) ~= "table" then return tostring(value) end
  return resource.known(value) and json.encode(value) or tostring(resource.unknown)
end

local function plain(_, text) return text end

--- The line of one change of an item: 'displayName: "A" -> "B"'. A secret is "[secret]".
---@param change resource.change
---@param style nil|fun(style: string, text: string): string for the values; nil: plain text
---@return string
function M.change_line(change, style)
  style = style or plain
  if change.text then return change.text end
  local to = style("green", changed_value_text(change.to))
  if change.from == nil then return ("%s: %s"):format(change.member, to) end
  return ("%s: %s -> %s"):format(change.member, style("red", changed_value_text(change.from)), to)
end

--- The line of an item in a plan: "+ application 'Devolutions PAM'  single tenant".
---@param item workflow.item
---@return string
function M.item_line(item)
  local line = ("%s %s '%s'"):format(log.style(STYLE_OF_ACTION[item.action], SIGN_OF_ACTION[item.action]), item.kind,
    without_control_characters(item.name))
  return item.made and line .. "  " .. without_control_characters(item.made) or line
end

--- Return the action of a change. Raises an error for any other word, because the sums of a plan would leave it out.
---@param action string
---@return "create"|"update"|"delete"
function M.check_action(action)
  if action == "none" or not SIGN_OF_ACTION[action] then
    error(("'%s' is no change: give create, update or delete"):format(action), 0)
  end
  return action
end

local function add_plan_line(lines, text, ...)
  lines[#lines + 1] = select("#", ...) > 0 and text:format(...) or text
end

-- Add the lines of a step: what it found or would do. `brief` leaves out notes, and items without a change.
local function add_step_lines(lines, step, brief)
  local step_lines = {}
  local warning, unseen = log.style("yellow", "!"), log.style("cyan", "?")
  for _, text in ipairs(step.warnings) do add_plan_line(step_lines, "  %s %s", warning, text) end
  for _, text in ipairs(step.unseen) do add_plan_line(step_lines, "  %s %s", unseen, text) end
  for _, text in ipairs(brief and {} or step.notes) do add_plan_line(step_lines, "  · " .. text) end
  for _, item in ipairs(step.items) do
    if not brief or item.action ~= "none" then add_plan_line(step_lines, "  " .. M.item_line(item)) end
    for _, change in ipairs(item.changes or {}) do
      add_plan_line(step_lines, "      %s", M.change_line(change, log.style))
    end
  end
  if #step_lines == 0 then return end
  add_plan_line(lines, "\n%s", log.style("bold", step.name))
  table.move(step_lines, 1, #step_lines, #lines + 1, lines)
end

--- Add what a person has to do: the task, the way to do it, and the form to fill in.
---@param lines string[]
---@param who string the step or the object that waits
---@param wait workflow.waiting
function M.add_wait(lines, who, wait)
  add_plan_line(lines, "  %s %s: %s", log.style("yellow", "!"), who, wait.what)
  if wait.why then add_plan_line(lines, "      " .. wait.why) end
  for i, line in ipairs(wait.how or {}) do add_plan_line(lines, "      %d. %s", i, line) end
  local width = 0
  for _, field in ipairs(wait.form or {}) do width = math.max(width, #field.field) end
  for _, field in ipairs(wait.form or {}) do
    add_plan_line(lines, "      %s  %s", layout.pad(field.field, width), field.value or field.note or "")
  end
end

local function add_waiting(lines, waiting)
  if #waiting == 0 then return end
  add_plan_line(lines, "\n%s", log.style("bold", "Waiting for a person:"))
  for _, wait in ipairs(waiting) do M.add_wait(lines, wait.step, wait) end
end

local function add_left_alone(lines, left)
  if #left == 0 then return end
  add_plan_line(lines, "\n%s", log.style("bold", "Left alone:"))
  for _, thing in ipairs(left) do add_plan_line(lines, "  · %s '%s': %s", thing.kind, thing.name, thing.why) end
end

---------------------------------------------------------------------------
-- Sums

local WORDS = {
  plan = {
    title = "Plan", nothing = "Nothing to do: all is as it should be.",
    unknown = "Nothing to do, as far as could be looked at; what could not be is marked with ? above.",
    waiting = "Nothing to do here: what is left waits for a person, as said above.",
    create = "to create", update = "to change", delete = "to remove",
  },
  verify = {
    title = "Drift", nothing = "No drift: all is as it should be.",
    unknown = "No drift in what could be looked at; what could not be is marked with ? above.",
    word = "No drift in what can be looked at; which client secret %s has is known by a person's word only.",
    waiting = "No drift, but something waits for a person, as said above.",
    create = "missing", update = "different", delete = "to remove",
  },
  apply = {
    title = "Done", nothing = "Nothing to do: all was as it should be.",
    waiting = "Nothing was left to do here; the rest waits for a person, as said below.",
    create = "created", update = "changed", delete = "removed",
  },
  destroy = {
    title = "Done", nothing = "Nothing of ours is left to remove.",
    waiting = "Nothing of ours is left to remove here; the rest waits for a person, as said below.", delete = "removed",
  },
  dry = {
    waiting = "Nothing of ours is there to remove here; the rest waits for a person, as said above.",
    delete = "to remove", nothing = "Nothing of ours is there to remove.", left = "Nothing here can be proven ours.",
    title = "Plan",
  },
}

local function words_for_mode(result)
  return result.dry and WORDS.dry or WORDS[result.mode]
end

--- The last line of a result: "Plan: 9 to create, 1 to change."
---@param result workflow.result
---@return string
function M.summary_line(result)
  if result.mode == "verify" and result.alarms[1] then return "Out of order: " .. result.alarms[1] .. "." end
  local words, parts = words_for_mode(result), {}
  for _, action in ipairs { "create", "update", "delete" } do
    local count = result.changes[action]
    if count > 0 and words[action] then parts[#parts + 1] = count .. " " .. words[action] end
  end
  if #parts == 0 and not result.failure then
    return #result.waiting > 0 and words.waiting or #result.left > 0 and words.left
      or #result.unknown > 0 and words.unknown or result.on_word and words.word and words.word:format(result.on_word)
      or words.nothing
  end
  if #parts == 0 then parts[1] = "no changes" end
  if (result.mode == "apply" or result.mode == "destroy" and not result.dry) and #result.waiting > 0 then
    return ("Not done yet, it waits for a person; so far: %s."):format(table.concat(parts, ", "))
  end
  return words.title .. ": " .. table.concat(parts, ", ") .. "."
end

--- The text of a result: the steps (for plan, verify, and a destroy that asks first), the objects left alone, what
--- waits for a person, and the summary. When changes were made, what a person does next comes last.
---@param result workflow.result
---@param brief boolean? only changes, and what waits for a person
---@return string
function M.text(result, brief)
  local lines, only_reads = {}, result.mode == "plan" or result.mode == "verify" or result.dry
  for _, step in ipairs(only_reads and result.steps or {}) do add_step_lines(lines, step, brief) end
  add_left_alone(lines, result.left)
  if only_reads then add_waiting(lines, result.waiting) end
  if not result.failure then add_plan_line(lines, "\n%s", log.style("bold", M.summary_line(result))) end
  if not only_reads then add_waiting(lines, result.waiting) end
  return (table.concat(lines, "\n"):gsub("^\n", ""))
end

---------------------------------------------------------------------------
-- As a table

-- A copy of a value with JSON's types only.
local function json_value(value)
  if rawequal(value, resource.unknown) then return "known after apply" end
  if type(value) ~= "table" then return value end
  if getmetatable(value) ~= nil and not json.is_array(value) then return tostring(value) end
  local copy = json.is_array(value) and json.array {} or {}
  for name, member in next, value do copy[name] = json_value(member) end
  return copy
end

local function map_to_array(list, fn)
  local copy = json.array {}
  for i, value in ipairs(list) do copy[i] = fn(value) end
  return copy
end

local function item_as_json(item)
  return {
    kind = item.kind, name = item.name, action = item.action, done = item.done, about = item.made,
    changes = item.changes and map_to_array(item.changes, function(change)
      return { member = change.member, from = json_value(change.from), to = json_value(change.to) }
    end),
  }
end

local function step_as_json(step)
  return {
    name = step.name, state = step.state, items = map_to_array(step.items, item_as_json),
    notes = json.array(step.notes), warnings = json.array(step.warnings), unknown = json.array(step.unseen),
  }
end

local function failure_as_json(failure)
  if not failure then return nil end
  return {
    kind = failure.kind, what = failure.what, why = failure.why, fix = failure.fix, step = failure.step,
    status = failure.status, code = failure.code, request_id = failure.request_id,
  }
end

--- The result for --json. It contains no secret.
---@param result workflow.result
---@return table
function M.json(result)
  return {
    script = result.script, mode = result.mode, dry = result.dry, profile = result.profile, status = result.status,
    changes = result.changes, steps = map_to_array(result.steps, step_as_json),
    waiting = map_to_array(result.waiting, json_value), left = map_to_array(result.left, json_value),
    alarms = json.array(result.alarms), unknown = json.array(result.unknown),
    failure = failure_as_json(result.failure),
  }
end

return M
