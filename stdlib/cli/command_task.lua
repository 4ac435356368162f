--- Run a command as the program's main task, and find out why Graph denied a call while the session is still open.

local scheduler = require "task.scheduler"
local sys = require "host.sys"
local traceback = require "base.traceback"

local M = {}

-- Wait for the network. A command that has not loaded http.client has no transfer to wait for.
local function poll_network(ms)
  local http = package.loaded["http.client"]
  if http then return http.poll(ms) end
  sys.sleep(ms)
  return 0
end

--- Call `fn(...)`. When Graph denied a call, find out why, and write the reason into the failure, before it is raised.
--- Call this while the session is open.
---@param fn function
---@return any ...
function M.explain_denied_calls(fn, ...)
  local results = table.pack(xpcall(fn, traceback.keep, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  if package.loaded.graph then require("permissions.denied").explain(results[2]) end
  error(results[2], 0)
end

--- Run `fn(...)` as the program's main task, and return its results.
---@param fn function
---@return any ...
function M.run(fn, ...)
  return scheduler.run(poll_network, M.explain_denied_calls, fn, ...)
end

return M
