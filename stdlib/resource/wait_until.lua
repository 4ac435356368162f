--- Wait until a change is visible in Entra, which replicates it within minutes.

local fail = require "fail"
local task = require "task"

local LONGEST_WAIT = 120 -- seconds
local PAUSES = { 1, 1, 2, 2, 3, 5 } -- seconds between two calls of is_visible; the last pause repeats

local function raise_not_visible(what)
  fail.raise {
    kind = "transient", resumes = true, what = ("wait until %s can be seen everywhere"):format(what),
    why = ("the change was made, but it is not visible after %d seconds"):format(LONGEST_WAIT),
    fix = "Entra has not replicated it yet. Run the same command again in a few minutes; it goes on from here.",
  }
end

--- Call `is_visible` until it returns true. Raises "transient" after two minutes. Waits.
---@param what string for people: "application 'Devolutions PAM'"
---@param is_visible fun(): boolean
return function(what, is_visible)
  local waited, look = 0, 1
  while not is_visible() do
    local pause = PAUSES[math.min(look, #PAUSES)]
    if waited + pause > LONGEST_WAIT then raise_not_visible(what) end
    task.sleep(pause)
    waited, look = waited + pause, look + 1
  end
end
