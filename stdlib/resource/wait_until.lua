--- Wait until a change is visible.

local fail = require "fail"
local task = require "task"

local PATIENCE = 120 -- seconds until a change must be visible: Entra replicates
local PAUSES = { 1, 1, 2, 2, 3, 5 } -- seconds between looks; the last one repeats

local function raise_unseen(what)
  fail.raise {
    kind = "transient", resumes = true, what = ("wait until %s can be seen everywhere"):format(what),
    why = ("it was done, but it is not visible after %d seconds"):format(PATIENCE),
    fix = "Entra has not replicated it yet. Run the same command again in a few minutes; it goes on from here.",
  }
end

--- Call `seen` until it returns true. Raises "transient" when that takes too long. Waits.
---@param what string for people: "application 'Devolutions PAM'"
---@param seen fun(): boolean
return function(what, seen)
  local waited, look = 0, 1
  while not seen() do
    local pause = PAUSES[math.min(look, #PAUSES)]
    if waited + pause > PATIENCE then raise_unseen(what) end
    task.sleep(pause)
    waited, look = waited + pause, look + 1
  end
end
