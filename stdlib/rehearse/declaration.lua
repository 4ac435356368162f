--- Check the contents of a rehearsal file when it is loaded, and make the declaration of a script from them. Scripts
--- use the interface `rehearse`.

local fail = require "fail"
local schema = require "base.schema"
local time = require "time"

local M = {}

---@class rehearse.event
---@field at number seconds after the beginning
---@field what string? for the report
---@field fault string? a rule of the emulator's: something goes wrong from then on
---@field resume string? an account: a person has looked, and says so
---@field act nil|fun(tenant: table, server: table) what other people do

---@class rehearse.expectation
---@field what string
---@field holds fun(outcome: rehearse.outcome): boolean, string?

---@class rehearse.terms
---@field name string
---@field summary string
---@field policies string[]
---@field over number seconds
---@field late number seconds that a change may be late
---@field setup fun(tenant: table, server: table)?
---@field events rehearse.event[] by time
---@field expect rehearse.expectation[]

local mark, is = schema.declaration_kind "rehearse"

--- Mark a table as a rehearsal.
---@param fields table
---@return table
function M.mark(fields) return mark(fields) end

--- Is the value a table that was marked as a rehearsal?
---@param value any
---@return boolean
function M.is(value) return is(value) end

---------------------------------------------------------------------------
-- The members of a rehearsal

local function check_rehearsal_event(event)
  local count = 0
  for _, name in ipairs { "fault", "resume", "act" } do count = count + (event[name] ~= nil and 1 or 0) end
  if count ~= 1 then
    return "it has none, or several, of fault, resume and act", "Give each event exactly one of fault, resume and act."
  end
  if event.act and not event.what then
    return "act needs what, for the report", 'Add what = "…" to it: what other people did.'
  end
end

local EVENT_RULE = {
  type = "table", check = check_rehearsal_event,
  members = {
    at = schema.duration { required = true }, what = { type = "string" },
    fault = { type = "string" }, resume = { type = "string" }, act = { type = "function" },
  },
}

local REHEARSAL_RULE = {
  type = "table",
  members = {
    summary = { type = "string", required = true },
    policy = { type = { "string", "table" }, required = true },
    over = schema.duration { default = "365d" },
    late = schema.duration { default = "2d" },
    setup = { type = "function" },
    events = { type = "table", default = {}, each = EVENT_RULE },
    expect = {
      type = "table", default = {},
      each = { type = "table", members = {
        what = { type = "string", required = true }, holds = { type = "function", required = true },
      } },
    },
  },
}

local function sorted_rehearsal_events(list, over, file)
  local events = {}
  for i, one in ipairs(list) do
    events[i] = schema.copy_fields(one)
    events[i].at = time.duration(one.at)
    if events[i].at > over then
      fail.raise {
        kind = "config", what = ("%s: events[%d]"):format(file, i),
        why = ("it happens after %s, and the rehearsal is over after %s"):format(one.at, time.span(over)),
        fix = ("Write an earlier `at`, or make `over` longer than %s."):format(one.at),
      }
    end
  end
  table.sort(events, function(a, b) return a.at < b.at end)
  return events
end

-- The path of a policy beside the test: "./mine.lua" in the file "./mine_test.lua".
local function policy_name_beside(found, name)
  local folder = found.origin == "path" and found.path:match("^(.*/)")
  return folder and name:match("^%./") and folder .. name:sub(3) or name
end

--- Check a rehearsal, and make the declaration of a script from it. Raises "config" for a rehearsal that is wrong.
---@param found { name: string, path: string, origin: string }
---@param value table as `rehearse { … }` made it
---@return script.declaration
function M.declare(found, value)
  local fields = schema.copy_fields(value)
  schema.check(found.path, "", fields, REHEARSAL_RULE)
  local terms = schema.copy_fields(fields)
  terms.name, terms.over, terms.late = found.name, time.duration(fields.over), time.duration(fields.late)
  terms.policies = {}
  for i, name in ipairs(type(fields.policy) == "table" and fields.policy or { fields.policy }) do
    terms.policies[i] = policy_name_beside(found, name)
  end
  terms.events = sorted_rehearsal_events(fields.events, terms.over, found.path)
  return { id = found.name, summary = fields.summary, args = {}, needs = {}, rehearsal = terms }
end

--- The rehearsal of a policy that has no test of its own.
---@param name string
---@param over number seconds
---@return rehearse.terms
function M.without_test(name, over)
  return {
    name = name, summary = "without faults and events", policies = { name }, over = over,
    late = time.duration "2d", events = {}, expect = {},
  }
end

return M
