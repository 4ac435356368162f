--- What a policy file says, checked when it is loaded and made into the declaration of a script. It asks nobody.
--- Scripts use `policy`.

local fail = require "fail"
local policy_select = require "policy.select"
local refusals = require "policy.refusals"
local schema = require "base.schema"
local sets = require "base.sets"
local sinks = require "policy.sinks"
local time = require "time"

local M = {}

---@class policy.limits
---@field max_changes integer in one run
---@field canary integer how many are changed first, alone and to the end
---@field stop_on_failure boolean

---@class policy.terms what a policy file says, checked, durations in seconds
---@field name string
---@field target "users"|"applications"
---@field summary string
---@field select policy.selection
---@field never string[] user names never touched, whatever select says
---@field every number
---@field jitter number
---@field window policy.window? when changes may begin, excepted days included; nil: at any time
---@field except string|string[]|nil the excepted days as written
---@field limits policy.limits
---@field password { length: integer, excluded: string }
---@field lifetime number? of a client secret
---@field grace number how long the one before stays
---@field sink policy.sink
---@field after { revoke_sessions: boolean, run: string[]? }
---@field reconcile boolean change what somebody else has changed?
---@field accept table<string, boolean> reasons of refusal that are no failure, as policy.refusals names them
---@field on_unknown "ask"|"repeat"|nil of users: when the outcome of a change is unknown for an hour and more, ask a
--- person, or send the same value again
---@field credential "secret"|"certificate"|nil of applications: what is rotated

local mark, is = schema.declaration_kind "policy"

--- Mark a table as a policy.
---@param fields table
---@return table
function M.mark(fields) return mark(fields) end

--- Is the value such a table?
---@param value any
---@return boolean
function M.is(value) return is(value) end

---------------------------------------------------------------------------
-- What may be in it

local function with(rule, more)
  local all = schema.copy_fields(rule)
  for name, value in pairs(more) do all[name] = value end
  return all
end

local function at_least(least)
  return function(value)
    if value < least then return ("%d is too few; at least %d"):format(value, least) end
  end
end

local function check_length(value)
  if value < 8 or value > 256 then return ("%d is not between 8 and 256"):format(value) end
end

local strings = { type = "table", each = { type = "string" } }

local function list_of(value) return type(value) == "table" and value or { value } end

local one_or_several = { type = { "string", "table" }, check = function(value)
  local ok, failure = pcall(schema.check, "", "", list_of(value), strings)
  if not ok then return failure.why end
end }

-- One or several, each as `parse` reads it.
local function check_words(parse)
  return { type = { "string", "table" }, check = function(value)
    if #value == 0 then return "it is empty: leave it out" end
    local wrong = one_or_several.check(value)
    if wrong then return wrong end
    local ok, failure = pcall(parse, list_of(value))
    if not ok then return ("%s: %s. %s"):format(failure.what, failure.why, failure.fix) end
  end }
end

local function window_of(windows, except)
  if windows or except then return require("policy.window").parse(windows, except) end
end

local rule = {
  type = "table",
  members = {
    summary = { type = "string", required = true },
    description = { type = "string" },
    select = { type = "table", required = true, check = policy_select.check },
    never = with(strings, { default = {} }),
    every = schema.duration { required = true },
    jitter = schema.duration { default = "0s" },
    window = check_words(function(list) return window_of(list) end),
    except = check_words(function(list) return window_of(nil, list) end),
    limits = {
      type = "table", default = {},
      members = {
        max_changes = { type = "integer", default = 50, check = at_least(1) },
        canary = { type = "integer", default = 1, check = at_least(0) },
        stop_on_failure = { type = "boolean", default = true },
      },
    },
    password = {
      type = "table", default = {},
      members = {
        length = { type = "integer", default = 32, check = check_length },
        excluded = { type = "string", default = "" },
      },
    },
    lifetime = schema.duration(),
    grace = schema.duration { default = "7d" },
    sink = { type = "table", required = true, check = sinks.check },
    after = {
      type = "table", default = {},
      members = {
        revoke_sessions = { type = "boolean", default = false },
        run = with(strings, { check = sinks.refuse_words }),
      },
    },
    reconcile = { type = "boolean", default = false },
    accept = with(one_or_several, { default = {} }),
    on_unknown = { type = "string", choices = { "ask", "repeat" } },
    credential = { type = "string", choices = { "secret", "certificate" } },
  },
}

local function raise(file, where, why, fix)
  fail.raise { kind = "config", what = file .. ": " .. where, why = why, fix = fix }
end

local ONLY_FOR = {
  lifetime = "applications", grace = "applications", password = "users", reconcile = "users", jitter = "users",
  never = "users", on_unknown = "users", credential = "applications",
}

-- What belongs to the other target is a mistake, not to be passed over.
local function check_target(file, fields, given)
  for name, target in pairs(ONLY_FOR) do
    if given[name] and fields.select.kind ~= target then
      raise(file, name, ("it applies to %s only, and this policy selects %s"):format(target, fields.select.kind))
    end
  end
end

local function names_given(fields)
  local given = {}
  for name in pairs(fields) do given[name] = true end
  return given
end

local function check_sense(file, terms)
  if terms.target == "users" then
    local wrong = terms.sink:why_not_for_passwords()
    if wrong then raise(file, "sink", wrong) end
    if terms.every < 3600 then raise(file, "every", "it must be at least 1h") end
  elseif terms.lifetime <= terms.every then
    raise(file, "lifetime", ("a secret that lives %s cannot be replaced every %s")
      :format(time.span(terms.lifetime), time.span(terms.every)))
  end
  if terms.jitter >= terms.every then raise(file, "jitter", "it must be shorter than every") end
end

---------------------------------------------------------------------------
-- From what is written to what is meant

local function settle(name, fields)
  local terms = schema.copy_fields(fields)
  terms.name, terms.target = name, fields.select.kind
  for _, member in ipairs { "every", "jitter", "grace", "lifetime" } do
    terms[member] = fields[member] and time.duration(fields[member])
  end
  if terms.target == "applications" then
    terms.lifetime, terms.credential = terms.lifetime or 2 * terms.every, terms.credential or "secret"
  else
    terms.on_unknown = terms.on_unknown or "ask"
  end
  terms.window = window_of(fields.window, fields.except)
  terms.accept = sets.of(list_of(fields.accept))
  return terms
end

local function joined(...)
  local all, seen = {}, {}
  for _, list in ipairs { ... } do
    for _, word in ipairs(list) do
      if not seen[word] then all[#all + 1] = word end
      seen[word] = true
    end
  end
  table.sort(all)
  return all
end

local CALLS = {
  users = { "PATCH /users/{id}#passwordProfile" },
  applications = {
    "POST /applications/{id}/addPassword", "POST /applications/{id}/removePassword",
    "GET /applications/{id}/appManagementPolicies", "GET /applications/{id}/owners",
    "GET /policies/defaultAppManagementPolicy",
  },
  certificate = { "PATCH /applications/{id}", "POST /applications/{id}/addKey" },
}
local SCOPES = {
  users = { "User-PasswordProfile.ReadWrite.All" }, applications = { "Application.ReadWrite.All" },
}

--- The calls a policy makes, as a script's needs.
---@param terms policy.terms
---@return script.needs
function M.needs(terms)
  local calls, scopes = policy_select.needs(terms.select)
  local revoke = terms.after.revoke_sessions
  return {
    graph = joined(calls, CALLS[terms.target], CALLS[terms.credential] or {},
      revoke and { "POST /users/{id}/revokeSignInSessions" } or {}),
    scopes = joined(scopes, SCOPES[terms.target], revoke and { "User.RevokeSessions.All" } or {}),
    devolutions = terms.sink:needs(), run = joined(terms.sink:runs(), { terms.after.run and terms.after.run[1] }),
    files = terms.sink:files(),
  }
end

--- Check a policy and make the declaration of a script of it.
---@param found { name: string, path: string }
---@param value table as `policy { … }` made it
---@return script.declaration
function M.declare(found, value)
  local fields = schema.copy_fields(value)
  local given = names_given(fields)
  schema.check(found.path, "", fields, rule)
  check_target(found.path, fields, given)
  local unknown = refusals.check(list_of(fields.accept), fields.select.kind)
  if unknown then raise(found.path, "accept", unknown) end
  local terms = settle(found.name, fields)
  check_sense(found.path, terms)
  return {
    id = found.name, summary = fields.summary, description = fields.description, args = {}, needs = M.needs(terms),
    policy = terms,
  }
end

return M
