--- Print a failed command's error: what failed, why, and what to do.

local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local kinds = require "fail.kinds"
local log = require "log"
local output = require "log.output"
local term = require "host.term"

local M = {}

local USAGE_STATUS, FAILED_STATUS = 2, 1

local function exit_status_of_failure(failure)
  return failure.kind == "usage" and USAGE_STATUS or FAILED_STATUS
end

local function ids_of_failure(failure)
  local parts = {}
  if failure.status then parts[#parts + 1] = tostring(failure.status) end
  if failure.code and failure.code ~= "" then parts[#parts + 1] = tostring(failure.code) end
  if failure.request_id then parts[#parts + 1] = "request-id " .. failure.request_id end
  return #parts > 0 and (" (%s)"):format(table.concat(parts, ", ")) or ""
end

-- The reason of a failure with status, code and request id. A reason that quotes the service has the ids already.
local function reason_with_ids(failure)
  return failure.said and failure.request_id and failure.why or failure.why .. ids_of_failure(failure)
end

local function indent_failure_lines(text) return (text:gsub("\n", "\n       ")) end

--- The three lines of a failure: error, why, fix.
---@param failure Failure
---@param fix string? the fix where the failure names none
---@return string
function M.text(failure, fix)
  local where = failure.step and ("%s, step '%s': "):format(failure.script or "?", failure.step) or ""
  local lines = {
    log.style("red", "error: ") .. indent_failure_lines(where .. failure.what),
    "  why: " .. indent_failure_lines(reason_with_ids(failure)),
  }
  fix = failure.fix or fix
  if fix then lines[3] = "  fix: " .. indent_failure_lines(fix) end
  return output.wrap_to_terminal(table.concat(lines, "\n"), "err")
end

--- The members of a failure, for --json.
---@param failure Failure
---@return table
function M.table(failure)
  return {
    kind = failure.kind, what = failure.what, why = failure.why, fix = failure.fix, status = failure.status,
    code = failure.code, request_id = failure.request_id, script = failure.script, step = failure.step,
  }
end

-- Print an error that is no failure: a mistake in a script or in Moonlatch. Returns the members for --json.
local function print_programming_error(err)
  local failure = require("report.mistake").failure(err)
  log.error(M.text(failure))
  if log.verbose() and failure.trace then log.error(failure.trace) end
  return { kind = "error", what = failure.what, why = failure.why, fix = failure.fix }
end

-- Print the causes of a failure, with --verbose.
local function print_failure_causes(failure)
  local cause = failure.cause
  while cause do
    log.detail("because: " .. (type(cause) == "table" and not fail.is(cause) and cause.message or tostring(cause)))
    cause = type(cause) == "table" and cause.cause
  end
end

--- Print that a command's result could not be written completely. The changes were made, but the person has not read
--- the result.
---@param why string
---@return integer exit_status
function M.print_unwritten_result(why)
  return M.print(fail.new {
    kind = "config", what = "show the result", why = why,
    fix = "Make room where the output goes, then run the same command again: the changes stay, and are on record.",
  })
end

-- The fix for the kind of a failure, for one that has none of its own.
local function kind_fix(failure)
  local fix = kinds.of(failure.kind).fix
  return fix and hint.text(fix)
end

--- Print a failure, or any other error.
---@param err any
---@return integer exit_status
function M.print(err)
  output.end_progress()
  local document
  if fail.is(err) then
    log.error(M.text(err, kind_fix(err)))
    print_failure_causes(err)
    document = M.table(err)
  else
    document = print_programming_error(err)
  end
  if log.json() then term.write("out", json.encode({ error = document }, true) .. "\n") end
  return fail.is(err) and exit_status_of_failure(err) or FAILED_STATUS
end

return M
