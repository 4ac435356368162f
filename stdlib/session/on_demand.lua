--- Open a session when it is first needed.

local class = require "base.class"
local profiles = require "profile.current"

---@class session.on_demand
local OnDemand = class "session.on_demand"

-- Close the session, if a session was opened.
function OnDemand.__close()
  profiles.load_on_demand(nil)
  local session = package.loaded["session.open"]
  if session then session.close() end
end

--- Let a session open when a profile is first asked for. The caller closes the returned value. Without options, the
--- session is for code that declares nothing: the code may read, and with --write also change.
---@param choice session.choice from the command line; also `write`
---@param options session.options?
---@return session.on_demand
return function(choice, options)
  local write = choice.write == true
  options = options or { owner = "this code", mode = "read", journal = write }
  if write then options.mode = "write" end
  profiles.load_on_demand(function() require("session.open").start(choice, options) end)
  return OnDemand {}
end
