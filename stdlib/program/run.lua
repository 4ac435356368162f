--- Run a program that the profile names, through the gate: the gate puts its start on record before the program runs,
--- and its exit status afterwards. For the library; scripts use `program`.

local commit = require "journal.commit"
local fail = require "fail"
local http = require "http.client"
local profiles = require "profile.current"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local task = require "task"
local time = require "time"

local M = {}

local DEFAULT_TIMEOUT = 60 -- seconds
local LONGEST_TIMEOUT = 3600
local MOST_OUTPUT = 1 << 20 -- bytes of output
local POLL_PAUSE = 0.05 -- seconds between two checks whether the program has ended
local OPEN_OUTPUT_WAIT = 1 -- seconds that the output may stay open after the program ended
local TIMEOUT_STATUS = 124 -- the status on record of a program that was stopped at its timeout, as in timeout(1)

---@class program.run.options
---@field input host.secret|string? the standard input of the program, at most 64 KiB
---@field timeout number? seconds (60), at most an hour
---@field note string? the purpose of the run, for the record

local function refuse_program(name, why, fix)
  fail.raise { kind = "refused", what = ("run the program '%s'"):format(name), why = why, fix = fix }
end

local FIXES = {
  undeclared = "Add its name to `needs.run` of the script; with -e, run and repl: add --write to the command.",
  missing = "Add it to `programs` of the profile: programs = { NAME = { \"/path/of/the/program\" } }.",
  start = "Correct the path in `programs` of the profile, and make the file executable: chmod +x PATH",
}

local NO_RIGHTS = "Call it from a step or from `run` of a script, not while the file is loaded."

local function start_program(name, arguments, options)
  scheduler.require_current() -- raises where nothing can wait
  profiles.current() -- opens a session where a session is opened on demand
  local door, rights_in_use = assert(http.door(), "no door is open"), rights.of(scheduler.require_current())
  if not rights_in_use then refuse_program(name, "this call belongs to no script, so it has no rights", NO_RIGHTS) end
  local child, id, kind = door:run(rights_in_use, name, arguments, options.input, options.note)
  if child then return door, child, id end
  if kind == "journal" then error(commit.failure(id), 0) end
  refuse_program(name, id, FIXES[kind])
end

-- Wait until the program has ended and its output is closed; other tasks run meanwhile. Returns status and output; or
-- nil and the reason.
local function wait_for_program(child, seconds)
  local deadline, status, output_deadline = time.monotonic() + seconds, nil, nil
  while true do
    local output, why = child:text(0, MOST_OUTPUT)
    status = status or child:wait(0)
    if why == "too long" then return nil, ("it wrote more than %d KiB"):format(MOST_OUTPUT >> 10) end
    if status and output then return status, output end
    if status then output_deadline = output_deadline or time.monotonic() + OPEN_OUTPUT_WAIT end
    if output_deadline and time.monotonic() >= output_deadline then
      return nil, ("it ended with status %d, but a program that it started still holds its output open"):format(status)
    end
    if time.monotonic() >= deadline then return nil, ("it did not end within %g seconds"):format(seconds) end
    task.sleep(POLL_PAUSE)
  end
end

--- Run a program and wait for its end. Raises "refused" when the script may not run the program, or the program cannot
--- be started or does not end in time; raises "journal" when the run cannot be put on record.
---@param name string the name that the profile gives the program
---@param arguments string[] added after the arguments in the profile
---@param options program.run.options?
---@return integer status, string output
function M.run(name, arguments, options)
  options = options or {}
  local seconds = options.timeout or DEFAULT_TIMEOUT
  if not (seconds > 0 and seconds <= LONGEST_TIMEOUT) then error("timeout must lie between 0 and 3600 seconds", 2) end
  local door, child <close>, id = start_program(name, arguments, options)
  local status, output = wait_for_program(child, seconds)
  local ok, message = door:ran(id, status or TIMEOUT_STATUS)
  if not ok then error(commit.failure(message), 0) end
  if not status then
    refuse_program(name, output, "Run the program by hand to see what it prints, and correct it. Changes that were "
      .. "made stay.")
  end
  return status, output
end

local SHELLS = {}
for name in ("sh bash dash zsh ksh mksh ash fish busybox csh tcsh env perl python python3 ruby node lua awk xargs ssh")
  :gmatch "%S+" do SHELLS[name] = true end

--- Warn of shells and interpreters among these programs: a script that may run such a program can run any program.
---@param settings profile
---@param names string[]? the names in `needs.run`
---@return string[] sentences
function M.shell_warnings(settings, names)
  local list = {}
  for _, name in ipairs(names or {}) do
    local path = ((settings.programs or {})[name] or {})[1]
    if path and SHELLS[path:match("[^/]*$")] then
      list[#list + 1] = ("the program '%s' is %s, which can run any other program: `needs` does not limit a script "
        .. "that may run it"):format(name, path)
    end
  end
  return list
end

return M
