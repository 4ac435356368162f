--- A sink script that was loaded for one sink of a policy: its functions, called with the rights of that script.

local class = require "base.class"
local sink_contract = require "sink.contract"
local fail = require "fail"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local traceback = require "base.traceback"

---@class sink.loaded
---@field name string "sinks/vault"
---@field path string of the script's file
---@field can sink.can
---@field kept_by "entries"|"person"|nil who in the library keeps the values; nil: the functions of the script
---@field args table
---@field needs script.needs
---@field rights_name string the name of its rights in a session
---@field declaration sink.declaration
local Loaded = class "sink.loaded"

local function raise_wrong_script(self, name, why, cause)
  fail.raise {
    kind = "config", what = ("call `%s` of the sink %s"):format(name, self.name), why = why,
    fix = ("Correct the function `%s` in %s."):format(name, self.path), cause = cause,
  }
end

--- Call a function of the script. An error that is no failure becomes a failure that names the script. Waits.
---@param name "where"|"store"|"read"|"remove"
---@param script_rights host.gate.rights? nil: none, where no session is open
---@param ... any
---@return any
function Loaded:call(name, script_rights, ...)
  local fn = self.declaration[name]
  local ok, result = xpcall(rights.with, traceback.keep, scheduler.current(), script_rights, fn, self.args, ...)
  if not ok and fail.is(result) then error(result, 0) end
  if not ok then raise_wrong_script(self, name, tostring(result):match "^[^\n]*", result) end
  local wrong = name == "read" and sink_contract.wrong_result(result)
  if name == "where" and (type(result) ~= "string" or result == "") then wrong = "where returned no text" end
  if wrong then raise_wrong_script(self, name, wrong) end
  return result
end

--- Does storing a value with the sink show that its consumer has it? The policy says so of a place that can be read
--- back (`linked`), the profile of a program (`confirms`) and of entries (`linked` in `devolutions`).
---@param profile profile
---@return boolean
function Loaded:confirms(profile)
  if self.kept_by then return self.kept_by == "entries" and (profile.devolutions or {}).linked == true end
  if self.can.read_back then return self.args.linked == true end
  if not self.can.confirm then return false end
  for _, name in ipairs(self.needs.run or {}) do
    if not ((profile.programs or {})[name] or {}).confirms then return false end
  end
  return (self.needs.run or {})[1] ~= nil
end

--- Make a sink of a script that was loaded and checked.
---@param fields table the fields of sink.loaded
---@return sink.loaded
local function loaded(fields) return Loaded(fields) end

return loaded
