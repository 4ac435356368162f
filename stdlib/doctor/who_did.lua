--- Who made a change that a check found, as far as Entra's audit log knows; the check `evidence` says where it could
--- not be read.

local fail = require "fail"
local store = require "evidence.store"
local who = require "evidence.who"

-- What Entra's logs show; nil when that cannot be read.
local function readable_logs(facts)
  local ok, logs = pcall(facts.want, facts, "logs")
  if ok then return logs or nil end
  if fail.is(logs, "interrupted") then error(logs, 0) end
end

--- Who did it, as a sentence to append: " anna@contoso.com did it from 203.0.113.9, 2026-11-30T05:00:12Z (Disable
--- account)."; "" when that is not known.
---@param facts doctor.facts
---@param object_id string of what was changed
---@param is_meant fun(change: evidence.change): boolean
---@return string
return function(facts, object_id, is_meant)
  local logs = readable_logs(facts)
  for _, change in ipairs(logs and store.changes(logs.journal, { target = object_id }) or {}) do
    if change.result == "success" and is_meant(change) then return (" %s."):format(who.text(change)) end
  end
  return ""
end
