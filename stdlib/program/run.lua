--- Running a program that the profile names, through the gate: it is on record before it starts, and how it ended
--- after. For the library; scripts use `program`.

local commit = require "journal.commit"
local fail = require "fail"
local http = require "http.client"
local profiles = require "profile.current"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local task = require "task"
local time = require "time"

local M = {}

local PATIENCE = 60 -- seconds
local LONGEST = 3600
local MOST = 1 << 20 -- bytes of output
local LOOK = 0.05 -- seconds between two looks at a program
local LINGERS = 1 -- seconds its output may stay open after it ended
local NO_END = 124 -- the status on record of a program that was ended by us, as timeout(1) has it

---@class program.run.options
---@field input host.secret|string? what it reads from its standard input, at most 64 KiB
---@field timeout number? seconds (60), at most an hour
---@field note string? what it is for, for the record

local function raise(name, why, fix)
  fail.raise { kind = "refused", what = ("run the program '%s'"):format(name), why = why, fix = fix }
end

local FIXES = {
  undeclared = "Declare it in `needs.run` of the script, or use --write where a person types.",
  missing = "Add it to `programs` of the profile: programs = { NAME = { \"/path/of/the/program\" } }.",
  start = "Look at the path in `programs` of the profile.",
}

local function start(name, arguments, options)
  scheduler.require_current() -- raises where nothing can wait
  profiles.current() -- opens the session that comes when it is needed
  local door, acting = assert(http.door(), "no door is open"), rights.of(scheduler.require_current())
  if not acting then raise(name, "this call belongs to no script, so it has no rights", nil) end
  local child, id, kind = door:run(acting, name, arguments, options.input, options.note)
  if child then return door, child, id end
  if kind == "journal" then error(commit.failure(id), 0) end
  raise(name, id, FIXES[kind])
end

-- Wait until it has ended and its output is closed, without keeping other tasks from their work: its status and
-- output; or nil and why not.
local function await(child, seconds)
  local ends, status, lingers = time.monotonic() + seconds, nil, nil
  while true do
    local output, why = child:text(0, MOST)
    status = status or child:wait(0)
    if why == "too long" then return nil, ("it wrote more than %d KiB"):format(MOST >> 10) end
    if status and output then return status, output end
    if status then lingers = lingers or time.monotonic() + LINGERS end
    if lingers and time.monotonic() >= lingers then
      return nil, ("it ended with status %d, and left something running that holds its output open"):format(status)
    end
    if time.monotonic() >= ends then return nil, ("it did not end within %g seconds"):format(seconds) end
    task.sleep(LOOK)
  end
end

--- Run a program and wait for its end. Raises "refused" when it may not be run, cannot be started or does not end in
--- time, and "journal" when it cannot be put on record.
---@param name string as the profile calls it
---@param arguments string[] after those that the profile gives it
---@param options program.run.options?
---@return integer status, string output
function M.run(name, arguments, options)
  options = options or {}
  local seconds = options.timeout or PATIENCE
  if not (seconds > 0 and seconds <= LONGEST) then error("timeout must lie between 0 and 3600 seconds", 2) end
  local door, child <close>, id = start(name, arguments, options)
  local status, output = await(child, seconds)
  local ok, message = door:ran(id, status or NO_END)
  if not ok then error(commit.failure(message), 0) end
  if not status then
    raise(name, output, "Run it by hand to see what it says; what was changed stays changed.")
  end
  return status, output
end

local SHELLS = {}
for name in ("sh bash dash zsh ksh mksh ash fish busybox csh tcsh env perl python python3 ruby node lua awk xargs ssh")
  :gmatch "%S+" do SHELLS[name] = true end

--- The programs among these that run whatever they are told, so that declaring them is no border.
---@param settings profile
---@param names string[]? as `needs.run` has them
---@return string[] sentences
function M.remarks(settings, names)
  local list = {}
  for _, name in ipairs(names or {}) do
    local path = ((settings.programs or {})[name] or {})[1]
    if path and SHELLS[path:match("[^/]*$")] then
      list[#list + 1] = ("the program '%s' is %s, which runs whatever it is told: for a script that may run it, "
        .. "`needs` is no border"):format(name, path)
    end
  end
  return list
end

return M
