--- Compare this machine's clock with Entra's, before decisions by date.

local fail = require "fail"
local graph = require "graph"
local time = require "time"

local M = {}

local MOST = 300 -- seconds

--- Raise "config" when this machine's clock differs from Entra's by more than five minutes.
---@param what string what is not done in that case: "retire a client secret"
function M.check(what)
  local skew = graph.now() or 0
  if math.abs(skew) <= MOST then return end
  fail.raise {
    kind = "config", what = what,
    why = ("this machine's clock is %s %s Entra's"):format(time.span(skew), skew > 0 and "behind" or "ahead of"),
    fix = "Set the clock (systemd-timesyncd or chrony), then run the same command again.",
  }
end

return M
