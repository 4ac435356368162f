--- Print a failed command's error: what failed, why, and what to do.

local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local kinds = require "fail.kinds"
local log = require "log"
local output = require "log.output"
local term = require "host.term"

local M = {}

local USAGE, FAILED = 2, 1

local function status_of(failure)
  return failure.kind == "usage" and USAGE or FAILED
end

local function ids_of(failure)
  local parts = {}
  if failure.status then parts[#parts + 1] = tostring(failure.status) end
  if failure.code and failure.code ~= "" then parts[#parts + 1] = tostring(failure.code) end
  if failure.request_id then parts[#parts + 1] = "request-id " .. failure.request_id end
  return #parts > 0 and (" (%s)"):format(table.concat(parts, ", ")) or ""
end

-- Where the reason has the far side's words, it has the ids, too.
local function why_of(failure)
  return failure.said and failure.request_id and failure.why or failure.why .. ids_of(failure)
end

local function indent(text) return (text:gsub("\n", "\n       ")) end

--- The three lines of a failure.
---@param failure Failure
---@param fix string? where it names none
---@return string
function M.text(failure, fix)
  local place = failure.step and ("%s, step '%s': "):format(failure.script or "?", failure.step) or ""
  local lines = { log.style("red", "error: ") .. indent(place .. failure.what), "  why: " .. indent(why_of(failure)) }
  fix = failure.fix or fix
  if fix then lines[3] = "  fix: " .. indent(fix) end
  return output.fitted(table.concat(lines, "\n"), "err")
end

--- The same for --json.
---@param failure Failure
---@return table
function M.table(failure)
  return {
    kind = failure.kind, what = failure.what, why = failure.why, fix = failure.fix, status = failure.status,
    code = failure.code, request_id = failure.request_id, script = failure.script, step = failure.step,
  }
end

-- Print an error that is no failure: a mistake in a script or in Moonlatch.
local function bug(err)
  local message, trace = tostring(err):match("^(.-)\n(stack traceback:.*)$")
  message = message or tostring(err)
  local lines = { log.style("red", "error: ") .. message }
  if log.verbose() and trace then lines[2] = trace end
  if not log.verbose() then lines[2] = "  fix: --verbose shows where this comes from." end
  log.error(table.concat(lines, "\n"))
  return { kind = "error", what = message }
end

-- Print the causes of a failure, with --verbose.
local function causes(failure)
  local cause = failure.cause
  while cause do
    log.detail("because: " .. (type(cause) == "table" and not fail.is(cause) and cause.message or tostring(cause)))
    cause = type(cause) == "table" and cause.cause
  end
end

--- Print that a command's result could not be written completely. Returns the exit status. The changes were made, and
--- nobody has read the result.
---@param why string
---@return integer
function M.lost(why)
  return M.failed(fail.new {
    kind = "config", what = "show the result", why = why,
    fix = "Make room where the output goes, then run it again: the changes stay, and are on record.",
  })
end

--- Print a failure. Returns the exit status.
---@param err any
---@return integer
function M.failed(err)
  output.done()
  local document
  if fail.is(err) then
    log.error(M.text(err, kinds.of(err.kind).fix))
    causes(err)
    document = M.table(err)
  else
    document = bug(err)
  end
  if log.json() then term.write("out", json.encode({ error = hint.complete_all(document) }, true) .. "\n") end
  return fail.is(err) and status_of(err) or FAILED
end

return M
