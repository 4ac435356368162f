--- A session that is opened when it is first needed.

local class = require "base.class"
local profiles = require "profile.current"

---@class session.on_demand
local OnDemand = class "session.on_demand"

-- Close the session, if one was opened.
function OnDemand.__close()
  profiles.when_needed(nil)
  local session = package.loaded["session.open"]
  if session then session.close() end
end

--- Have a session opened when a profile is first asked for. Close what is returned.
--- Without options it is one for code that declares nothing: it may read, and with --write change.
---@param choice session.choice the command line's; also `write`
---@param options session.options?
---@return session.on_demand
return function(choice, options)
  local write = choice.write == true
  options = options or { owner = "this code", mode = "read", journal = write }
  if write then options.mode = "write" end
  profiles.when_needed(function() require("session.open").start(choice, options) end)
  return OnDemand {}
end
