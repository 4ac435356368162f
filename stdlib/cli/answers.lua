--- Ask a person once for the arguments of a script that have a question (`ask`). The first apply on a terminal asks.
--- The values of the last apply are on record, and are used for plan, verify and the next apply, unless the command
--- line gives other values.

local arguments = require "script.arguments"
local fail = require "fail"
local json = require "host.json"
local log = require "log"
local name_list = require "base.name_list"
local output = require "log.output"
local sets = require "base.sets"
local term = require "host.term"
local time = require "time"

local M = {}

local ROW_KIND = "answer" -- the kind of the rows in the journal

--- Print a question and read a line. Tests replace this function.
M.read_line = term.read_line

-- The names of the arguments that have a question, sorted.
local function names_to_ask(invocation)
  local asked = {}
  for name, argument in pairs(invocation.declaration.args) do
    if argument.ask then asked[name] = true end
  end
  return sets.sorted(asked)
end

-- The id of the record of an answer. It names the application, because a script may be run for several applications.
local function answer_record_id(invocation, name)
  return ("%s/%s/%s"):format(invocation.declaration.id, invocation.args.client_id or invocation.args.name or "", name)
end

local function answer_as_json(value) return json.encode(value == nil and json.null or value) end

-- An argument with its value, as on the command line: "--managed a,b", "--no-jit-elevation".
local function answer_as_option(name, value)
  local option = name:gsub("_", "-")
  if value == true then return "--" .. option end
  if value == false then return "--no-" .. option end
  return ("--%s %s"):format(option, type(value) == "table" and name_list.text(value) or tostring(value))
end

--- Use the values of the last apply for the arguments that are not on the command line, and print them.
---@param invocation cli.invocation
---@param journal host.journal.journal?
function M.recall_last_apply(invocation, journal)
  for _, name in ipairs(names_to_ask(invocation)) do
    local row = journal and not invocation.given[name] and journal:get(ROW_KIND, answer_record_id(invocation, name))
    if row then
      invocation.given[name] = true
      local value = row.body.value
      if answer_as_json(value) ~= answer_as_json(invocation.args[name]) then
        invocation.args[name] = value
        log.note(("  · %s, as at the last apply (%s)"):format(answer_as_option(name, value), time.day(row.updated)))
      end
    end
  end
end

-- Ask until the answer is a valid value of the argument. Enter alone means the default.
local function ask_for_argument_value(name, argument, default)
  local is_choice = argument.type == "boolean"
  local hint = is_choice and (default and " [Y/n] " or " [y/N] ") or " (Enter for none): "
  while true do
    output.end_progress()
    local text = (M.read_line(output.wrap_question(argument.ask .. hint)) or ""):match("^%s*(.-)%s*$")
    if text == "" then return default end
    if is_choice then text = text:lower():gsub("^y$", "yes"):gsub("^n$", "no") end
    local ok, value = pcall(arguments.value, name, argument, text)
    if ok then return value end
    if not fail.is(value) then error(value, 0) end
    log.prose(value.why)
  end
end

--- Ask for the arguments that are neither on the command line nor on record.
---@param invocation cli.invocation
function M.ask_for_missing(invocation)
  for _, name in ipairs(names_to_ask(invocation)) do
    if not invocation.given[name] then
      invocation.args[name] = ask_for_argument_value(name, invocation.declaration.args[name], invocation.args[name])
      invocation.given[name] = true
    end
  end
end

--- Stage the values of this apply in the journal; they are durable with the next commit.
---@param invocation cli.invocation
---@param journal host.journal.journal?
function M.record_answers(invocation, journal)
  if not journal then return end
  for _, name in ipairs(names_to_ask(invocation)) do
    local body = { workflow = invocation.declaration.id, value = invocation.args[name] }
    journal:put(ROW_KIND, answer_record_id(invocation, name), "given", body, time.now())
  end
end

return M
