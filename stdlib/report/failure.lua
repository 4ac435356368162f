--- What a person hears when a command fails: what failed, why, what to do.

local fail = require "fail"
local json = require "host.json"
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

-- Not twice, when the reason names it already.
local function why_of(failure)
  local ids = ids_of(failure)
  if failure.request_id and failure.why:find(failure.request_id, 1, true) then return failure.why end
  return failure.why .. ids
end

local function indent(text) return (text:gsub("\n", "\n       ")) end

-- What to do, where a failure does not say it itself.
local FIXES = {
  usage = "`--help` with the command says how it is used.",
  config = "Correct that, then run the command again.",
  auth = "Sign in again: moonlatch login.",
  denied = "See who we are with `moonlatch whoami`, and what is needed with `moonlatch permissions`.",
  missing = "Check the name or id. What was made a moment ago may take some minutes to be seen.",
  conflict = "Run it again: what is there is read first.",
  throttled = "Wait some minutes, then run it again.",
  transient = "Try again in some minutes.",
  network = "Check the network, then run it again.",
  bad_answer = "Run it again; if it stays so, report it with what --verbose says.",
  timeout = "Run it again: it goes on where it was.",
  unknown_outcome = "Look before doing it again: it may have happened.",
  journal = "Keep the journal's folder as it is; `moonlatch journal verify` says what is wrong.",
  interrupted = "Run it again: it goes on where it was.",
}

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

-- An error that is no failure: in a script or in us.
local function bug(err)
  local message, trace = tostring(err):match("^(.-)\n(stack traceback:.*)$")
  message = message or tostring(err)
  local lines = { log.style("red", "error: ") .. message }
  if log.verbose() and trace then lines[2] = trace end
  if not log.verbose() then lines[2] = "  fix: --verbose shows where this comes from." end
  log.error(table.concat(lines, "\n"))
  return { kind = "error", what = message }
end

-- What lies under a failure, for who asked for it.
local function causes(failure)
  local cause = failure.cause
  while cause do
    log.detail("because: " .. (type(cause) == "table" and not fail.is(cause) and cause.message or tostring(cause)))
    cause = type(cause) == "table" and cause.cause
  end
end

--- Tell that what came of a command could not be shown whole, and return the exit status: what was
--- done is done, and nobody has read it.
---@param why string
---@return integer
function M.lost(why)
  return M.failed(fail.new {
    kind = "config", what = "show the result", why = why,
    fix = "Make room where the output goes, then run it again: the changes stay, and are on record.",
  })
end

--- Tell a failure and return the exit status.
---@param err any
---@return integer
function M.failed(err)
  output.done()
  local document
  if fail.is(err) then
    log.error(M.text(err, FIXES[err.kind]))
    causes(err)
    document = M.table(err)
  else
    document = bug(err)
  end
  if log.json() then term.write("out", json.encode({ error = document }, true) .. "\n") end
  return fail.is(err) and status_of(err) or FAILED
end

return M
