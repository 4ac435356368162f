--- The failure of a value that some of the sinks of its policy have, and others do not.

local fail = require "fail"

local M = {}

---@class sink.partly_stored
---@field what string
---@field done string[] the places that have the value
---@field missing string[] the others
---@field failure Failure the first of those that kept the value from a place
---@field rest string what follows until all have the value

--- Raise the failure. With one sink in all, that is the failure of this sink.
---@param fields sink.partly_stored
function M.raise(fields)
  local failure, total = fields.failure, #fields.done + #fields.missing
  if total == 1 then error(failure, 0) end
  fail.raise {
    kind = failure.kind, code = failure.code, status = failure.status, cause = failure, resumes = failure.resumes,
    what = ("%s in %d sinks"):format(fields.what, total),
    why = ("stored in %d of %d; missing in %s: %s"):format(#fields.done, total, table.concat(fields.missing, " and "),
      failure.why),
    fix = (failure.fix and failure.fix .. " " or "") .. fields.rest,
  }
end

return M
