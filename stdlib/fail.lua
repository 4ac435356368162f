--- Failures: error values that code can branch on and a person can read.

local kinds = require "fail.kinds"

local M = {}

local metatable_of = debug.getmetatable -- a protected metatable gives its name only

---@alias fail.kind
---| "usage"       the command line or an argument is wrong
---| "config"      a profile, a script or a file is wrong
---| "auth"        not signed in, or not accepted
---| "denied"      signed in, but not allowed
---| "missing"     it does not exist
---| "conflict"    it exists already, or somebody changed it meanwhile
---| "throttled"   there were too many requests
---| "transient"   it may work when it is tried again
---| "refused"     the service understood the request and refused it
---| "bad_answer"  the service's answer makes no sense
---| "network"     no answer came
---| "unknown_outcome" a change may have happened: its answer is lost or unusable
---| "timeout"     a time limit of ours passed
---| "journal"     the journal cannot record what must be recorded
---| "person"      a person has to do something first
---| "interrupted" a person stopped it
---| "not_ours"    it is not proven that we made it

---@class fail.fields
---@field kind fail.kind what to branch on
---@field what string what was being done, on what
---@field why string why it failed
---@field fix string? what to do about it
---@field status integer? of the HTTP answer
---@field code string|integer? the service's code
---@field message string? the service's message
---@field said string? status, code, words and request id together
---@field call { method: string, path: string, members: string[] }? the call of Graph; members: names in its body
---@field target string? the part of the request that the service means
---@field request_id string?
---@field unreachable boolean? the service could not be reached at all, so no other request will reach it now
---@field cause any? the error that caused this one
---@field resumes boolean? the fix says that the same command, run again, goes on
---@field trace string? the calls that led to an error that was no failure

---@class Failure: fail.fields
local Failure = { __name = "failure", __metatable = "failure" }

--- The failure as a text: "what: why", and the fix on a second line.
function Failure:__tostring()
  local text = self.what .. ": " .. self.why
  if self.fix then text = text .. "\n" .. self.fix end
  return text
end

local FIELDS = {} -- of fail.fields
for name in ([[kind what why fix status code message said call target request_id unreachable cause
  resumes trace]]):gmatch("%S+") do
  FIELDS[name] = true
end

-- Raise "usage" for an unknown field. A misspelt `fix` would otherwise be ignored, and the person would not read it.
local function refuse_unknown_failure_fields(fields)
  for name in next, fields do
    if not FIELDS[name] then
      local known = {}
      for field in pairs(FIELDS) do known[#known + 1] = field end
      table.sort(known)
      M.raise {
        kind = "usage", what = ("make a failure: %s"):format(tostring(fields.what)),
        why = ("it has no option '%s'"):format(tostring(name)),
        fix = ("Its options are %s."):format(table.concat(known, ", ")),
      }
    end
  end
end

--- Make a failure without raising it.
---@param fields fail.fields
---@return Failure
function M.new(fields)
  refuse_unknown_failure_fields(fields)
  if not kinds.kinds[fields.kind] then error(("unknown kind of failure %q"):format(tostring(fields.kind)), 2) end
  for _, member in ipairs { "what", "why" } do
    if type(fields[member]) ~= "string" then error(("a failure needs %s"):format(member), 2) end
  end
  return setmetatable(fields, Failure)
end

--- Raise a failure.
---@param fields fail.fields
function M.raise(fields)
  error(M.new(fields), 0)
end

--- Is the value a failure? With `kind`: is it a failure of this kind?
---@param value any
---@param kind fail.kind?
---@return boolean
function M.is(value, kind)
  return metatable_of(value) == Failure and (kind == nil or value.kind == kind)
end

local TEXTS = { "what", "why", "fix", "message", "said", "target", "request_id" }
local PLAIN = { string = true, number = true, boolean = true }
local DEEPEST = 10

-- Turn the copied fields into a failure. A script may have put values of any type into a failure's fields, so a text
-- field that is no string is dropped, and an unknown kind becomes "refused".
local function make_failure_valid(fields)
  for _, name in ipairs(TEXTS) do
    if type(fields[name]) ~= "string" then fields[name] = nil end
  end
  fields.kind = kinds.kinds[fields.kind] and fields.kind or "refused"
  fields.what, fields.why = fields.what or "run a script", fields.why or "it raised a failure that says nothing"
  return setmetatable(fields, Failure)
end

-- Copy texts, numbers, booleans, failures and tables of these; return nil for a value of another type.
local function copy_plain_value(value, level)
  if PLAIN[type(value)] then return value end
  if type(value) ~= "table" or level > DEEPEST then return nil end
  local copy = {}
  for name, member in next, value do
    if PLAIN[type(name)] then copy[name] = copy_plain_value(member, level + 1) end
  end
  return metatable_of(value) == Failure and make_failure_valid(copy) or copy
end

--- Copy a failure, so that the holder of one copy cannot change the other. The copy holds texts, numbers, booleans,
--- failures and tables of these; members of other types are left out.
---@param failure Failure
---@return Failure
function M.copy(failure) return copy_plain_value(failure, 0) end

--- Call `fn(...)`. Return its results; or nil and the failure when `fn` raised a failure of this kind. Any other error
--- is raised again.
---@param kind fail.kind
---@param fn function
---@return any
function M.catch(kind, fn, ...)
  local function outcome(ok, ...)
    if ok then return ... end
    if M.is(..., kind) then return nil, (...) end
    error((...), 0)
  end
  return outcome(pcall(fn, ...))
end

return M
