--- The task a command works in: what Graph denies is explained while the session can
--- still be asked.

local scheduler = require "task.scheduler"
local sys = require "host.sys"
local traceback = require "base.traceback"

local M = {}

-- Without http there is no transfer to wait for.
local function poll(ms)
  local http = package.loaded["http.client"]
  if http then return http.poll(ms) end
  sys.sleep(ms)
  return 0
end

--- Call `fn(...)`; what Graph denies it is explained before it is raised. To be called where
--- the session is still open.
---@param fn function
---@return any ...
function M.explained(fn, ...)
  local results = table.pack(xpcall(fn, traceback.keep, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  if package.loaded.graph then require("permissions.denied").explain(results[2]) end
  error(results[2], 0)
end

--- Run `fn(...)` as the program's task.
---@param fn function
---@return any ...
function M.run(fn, ...)
  return scheduler.run(poll, M.explained, fn, ...)
end

return M
