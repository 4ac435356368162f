--- Waiting until what was changed can be observed.

local fail = require "fail"
local task = require "task"

local PATIENCE = 120 -- seconds until a change must be observable: Entra replicates
local PAUSES = { 1, 1, 2, 2, 3, 5 } -- seconds between looks; the last goes on

local function raise_unseen(what)
  fail.raise {
    kind = "transient", resumes = true, what = ("wait until %s can be seen everywhere"):format(what),
    why = ("it was done, but it is not visible after %d seconds"):format(PATIENCE),
    fix = "Entra has not replicated it yet. Run the same command again in a few minutes; it goes on from here.",
  }
end

--- Ask `seen` until it says yes. Raises "transient" when it does not in time.
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
