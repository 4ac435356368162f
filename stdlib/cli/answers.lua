--- What a person decides once: arguments of a script that say how to ask for them (`ask`). The first apply on a
--- terminal asks; what counted at the last apply is on record, and counts for plan, verify and the next apply until an
--- argument says otherwise.

local arguments = require "script.arguments"
local fail = require "fail"
local json = require "host.json"
local log = require "log"
local output = require "log.output"
local sets = require "base.sets"
local term = require "host.term"
local time = require "time"

local M = {}

local KIND = "answer" -- of the journal's rows

--- How to ask; tests bring their own.
M.read_line = term.read_line

-- The names of what is asked for, in order.
local function names_of(job)
  local asked = {}
  for name, argument in pairs(job.declaration.args) do
    if argument.ask then asked[name] = true end
  end
  return sets.sorted(asked)
end

-- Of which application: a script may be run for several.
local function id_of(job, name)
  return ("%s/%s/%s"):format(job.declaration.id, job.args.client_id or job.args.name or "", name)
end

local function text_of(value) return json.encode(value == nil and json.null or value) end

-- "--managed a,b", "--no-jit-elevation"
local function option_of(name, value)
  local option = name:gsub("_", "-")
  if value == true then return "--" .. option end
  if value == false then return "--no-" .. option end
  return ("--%s %s"):format(option, type(value) == "table" and table.concat(value, ",") or tostring(value))
end

--- Take what counted at the last apply for what is not given now, and say so.
---@param job cli.job
---@param journal host.journal.journal?
function M.recall(job, journal)
  for _, name in ipairs(names_of(job)) do
    local row = journal and not job.given[name] and journal:get(KIND, id_of(job, name))
    if row then
      job.given[name] = true
      local value = row.body.value
      if text_of(value) ~= text_of(job.args[name]) then
        job.args[name] = value
        log.note(("  · %s, as at the last apply (%s)"):format(option_of(name, value), time.day(row.updated)))
      end
    end
  end
end

-- Until there is an answer that can be read. Enter takes what is there.
local function answer(name, argument, default)
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
    log.say(value.why)
  end
end

--- Ask for what is neither given nor on record.
---@param job cli.job
function M.ask(job)
  for _, name in ipairs(names_of(job)) do
    if not job.given[name] then
      job.args[name] = answer(name, job.declaration.args[name], job.args[name])
      job.given[name] = true
    end
  end
end

--- Put on record what counts for this apply; durable with the next commit.
---@param job cli.job
---@param journal host.journal.journal?
function M.keep(job, journal)
  if not journal then return end
  for _, name in ipairs(names_of(job)) do
    journal:put(KIND, id_of(job, name), "given", { workflow = job.declaration.id, value = job.args[name] }, time.now())
  end
end

return M
