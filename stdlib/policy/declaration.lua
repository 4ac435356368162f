--- Check the contents of a policy file when it is loaded, and make the declaration of a script from them. Sends no
--- request. Scripts use the interface `policy`.

local evidence_rules = require "evidence.rules"
local fail = require "fail"
local log_calls = require "evidence.log_calls"
local policy_select = require "policy.select"
local refusals = require "policy.refusals"
local schema = require "base.schema"
local sets = require "base.sets"
local sinks = require "policy.sinks"
local time = require "time"

local M = {}

---@class policy.limits
---@field max_changes integer in one run
---@field canary integer how many are changed first, one after another
---@field stop_on_failure boolean

---@class policy.terms the checked contents of a policy file, with durations in seconds
---@field name string
---@field target "users"|"applications"
---@field summary string
---@field select policy.selection
---@field never string[] user names whose passwords are never changed, whatever `select` says
---@field every number
---@field jitter number
---@field window policy.window? when changes may begin, excepted days included; nil: at any time
---@field except string|string[]|nil the excepted days as written
---@field limits policy.limits
---@field password { length: integer, excluded: string }
---@field lifetime number? of a client secret
---@field grace number how long the client secret or certificate before stays
---@field sinks policy.sink[] where new values go: all of them get each value, unless `choose_sink` chooses
---@field choose_sink nil|fun(account: policy.account): policy.sink of users: which of the sinks an account has
---@field after { revoke_sessions: boolean, run: string[]? }
---@field retire { unused: boolean, rhythm: number? } of applications: is a replaced credential removed once Entra's log
--- shows that nothing uses it, and how many seconds lie between two sign-ins of the consumer at most
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

--- Is the value a table that was marked as a policy?
---@param value any
---@return boolean
function M.is(value) return is(value) end

---------------------------------------------------------------------------
-- The members of a policy

local function extend_rule(rule, more)
  local all = schema.copy_fields(rule)
  for name, value in pairs(more) do all[name] = value end
  return all
end

local function at_least_check(least)
  return function(value)
    if value < least then
      return ("%d is less than %d"):format(value, least), ("Write %d or more."):format(least)
    end
  end
end

local function check_password_length(value)
  if value < 8 or value > 256 then
    return ("%d is not between 8 and 256"):format(value), "Write a number of characters from 8 to 256: length = 32."
  end
end

local strings = { type = "table", each = { type = "string" } }

local function member_as_list(value) return type(value) == "table" and value or { value } end

local one_or_several = { type = { "string", "table" }, check = function(value)
  local ok, failure = pcall(schema.check, "", "", member_as_list(value), strings)
  if not ok then return failure.why, 'Write a text, "…", or a list of texts, { "…", "…" }.' end
end }

-- The rule for a text or a list of texts that `parse` accepts.
local function words_rule(parse)
  return { type = { "string", "table" }, check = function(value)
    if #value == 0 then return "it is empty", "Remove it, or write one as a text." end
    local wrong, how = one_or_several.check(value)
    if wrong then return wrong, how end
    local ok, failure = pcall(parse, member_as_list(value))
    if not ok then return ("%s: %s"):format(failure.what, failure.why), failure.fix end
  end }
end

local function parse_policy_window(windows, except)
  if windows or except then return require("policy.window").parse(windows, except) end
end

local POLICY_RULE = {
  type = "table",
  members = {
    summary = { type = "string", required = true },
    description = { type = "string" },
    select = { type = "table", required = true, check = policy_select.check },
    never = extend_rule(strings, { default = {} }),
    every = schema.duration { required = true },
    jitter = schema.duration { default = "0s" },
    window = words_rule(function(list) return parse_policy_window(list) end),
    except = words_rule(function(list) return parse_policy_window(nil, list) end),
    limits = {
      type = "table", default = {},
      members = {
        max_changes = { type = "integer", default = 50, check = at_least_check(1) },
        canary = { type = "integer", default = 1, check = at_least_check(0) },
        stop_on_failure = { type = "boolean", default = true },
      },
    },
    password = {
      type = "table", default = {},
      members = {
        length = { type = "integer", default = 32, check = check_password_length },
        excluded = { type = "string", default = "" },
      },
    },
    lifetime = schema.duration(),
    grace = schema.duration { default = "7d" },
    retire = {
      type = "table", default = {},
      members = { unused = { type = "boolean", default = false }, rhythm = schema.duration() },
    },
    sink = { type = { "table", "function" }, required = true, check = sinks.check },
    sinks = { type = "table", check = sinks.check_list },
    after = {
      type = "table", default = {},
      members = {
        revoke_sessions = { type = "boolean", default = false },
        run = extend_rule(strings, { check = sinks.why_not_program_words }),
      },
    },
    reconcile = { type = "boolean", default = false },
    accept = extend_rule(one_or_several, { default = {} }),
    on_unknown = { type = "string", choices = { "ask", "repeat" } },
    credential = { type = "string", choices = { "secret", "certificate" } },
  },
}

--- The rule for the contents of a policy file; the manual page is made of it.
---@type base.schema.rule
M.rule = POLICY_RULE

local function raise_policy_wrong(file, where, why, fix)
  fail.raise { kind = "config", what = file .. ": " .. where, why = why, fix = fix }
end

local ONLY_FOR = {
  lifetime = "applications", grace = "applications", password = "users", reconcile = "users", jitter = "users",
  never = "users", on_unknown = "users", credential = "applications", retire = "applications",
}

-- Raise a failure for a member that applies only to the target that the policy does not select.
local function check_members_fit_target(file, fields, names)
  for name, target in pairs(ONLY_FOR) do
    if names[name] and fields.select.kind ~= target then
      raise_policy_wrong(file, name,
        ("it applies to %s only, and this policy selects %s"):format(target, fields.select.kind),
        ("Remove `%s` from the policy."):format(name))
    end
  end
end

local function policy_member_names(fields)
  local names = {}
  for name in pairs(fields) do names[name] = true end
  return names
end

-- How long a consumer may be silent is not learned from the log: one that has not been seen would be forgotten.
local function check_retirement_by_use(file, retire)
  if retire.unused and not retire.rhythm then
    raise_policy_wrong(file, "retire", "silence tells nothing while it is not said how often the consumer signs in",
      'Say how often it signs in at least: retire = { unused = true, rhythm = "1d" }.')
  elseif retire.rhythm and retire.rhythm < evidence_rules.LEAST_RHYTHM then
    raise_policy_wrong(file, "retire.rhythm", "it is less than 1h", 'Write rhythm = "1h" or longer.')
  end
end

-- With `sinks`, a function `sink` says which of them an account has.
local function check_sinks_are_chosen(file, fields)
  local is_choosing = type(fields.sink) == "function"
  if is_choosing and fields.select.kind ~= "users" then
    raise_policy_wrong(file, "sink", "a function chooses the sink of users only", "Write the sink in its place.")
  elseif is_choosing and not fields.sinks then
    raise_policy_wrong(file, "sinks", "it is missing: which sinks the function `sink` may return",
      "Write the sinks before the policy, as local variables, and list them: sinks = { first, second }.")
  elseif fields.sinks and not is_choosing then
    raise_policy_wrong(file, "sinks", "it lists the sinks among which a function `sink` chooses, and `sink` is none",
      "Write sink = { … } for several sinks that all get each value, and remove `sinks`.")
  end
end

local function has_server_sink(terms)
  for _, one in ipairs(terms.sinks) do
    if one:is_server() then return true end
  end
  return false
end

local function check_policy_terms(file, terms)
  if terms.target == "users" then
    if terms.every < 3600 then
      raise_policy_wrong(file, "every", "it is less than 1h", 'Write every = "1h" or longer.')
    end
  elseif terms.credential == "certificate" and has_server_sink(terms) then
    raise_policy_wrong(file, "sink", "an entry of Devolutions Server holds a client secret, and this policy rotates "
      .. "certificates", 'Write sink = policy.sink("sinks/…", { … }), or sink = policy.handover {}.')
  elseif terms.lifetime <= terms.every then
    raise_policy_wrong(file, "lifetime", ("a secret that lives %s cannot be replaced every %s")
      :format(time.span(terms.lifetime), time.span(terms.every)), "Make `lifetime` longer than `every`.")
  end
  check_retirement_by_use(file, terms.retire)
  if terms.jitter >= terms.every then
    raise_policy_wrong(file, "jitter", "it is not shorter than every", "Make `jitter` shorter than `every`.")
  end
end

---------------------------------------------------------------------------
-- From the members to the terms

local function terms_of_fields(name, fields)
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
  local is_choosing = type(fields.sink) == "function"
  terms.sinks, terms.sink = sinks.list(is_choosing and fields.sinks or fields.sink), nil
  terms.choose_sink = is_choosing and fields.sink or nil
  local rhythm = fields.retire.rhythm
  terms.retire = { unused = fields.retire.unused, rhythm = rhythm and time.duration(rhythm) }
  terms.window = parse_policy_window(fields.window, fields.except)
  terms.accept = sets.of(member_as_list(fields.accept))
  return terms
end

local function join_needs(...)
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

local LOGS = { users = log_calls.ACCOUNTS, applications = log_calls.APPLICATIONS }

--- The calls that a policy makes, as the needs of a script. The calls that read evidence are needed unless evidence is
--- left out. Sink scripts have needs of their own.
---@param terms policy.terms
---@return script.needs
function M.needs(terms)
  local calls, scopes = policy_select.needs(terms.select)
  local revoke = terms.after.revoke_sessions
  return {
    graph = join_needs(calls, CALLS[terms.target], CALLS[terms.credential] or {},
      revoke and { "POST /users/{id}/revokeSignInSessions" } or {}),
    scopes = join_needs(scopes, SCOPES[terms.target], revoke and { "User.RevokeSessions.All" } or {}),
    run = { terms.after.run and terms.after.run[1] },
    when = { evidence = { graph = LOGS[terms.target], scopes = log_calls.SCOPES } },
  }
end

local ARGUMENTS = {
  evidence = {
    type = "boolean", default = true,
    help = "read Entra's logs of sign-ins and changes, which needs AuditLog.Read.All",
  },
}

--- Check a policy, and make the declaration of a script from it. Raises "config" for a policy that is wrong.
---@param found { name: string, path: string }
---@param value table as `policy { … }` made it
---@return script.declaration
function M.declare(found, value)
  local fields = schema.copy_fields(value)
  local names = policy_member_names(fields)
  schema.check(found.path, "", fields, POLICY_RULE)
  check_members_fit_target(found.path, fields, names)
  check_sinks_are_chosen(found.path, fields)
  local unknown, fix = refusals.check(member_as_list(fields.accept), fields.select.kind)
  if unknown then raise_policy_wrong(found.path, "accept", unknown, fix) end
  local terms = terms_of_fields(found.name, fields)
  check_policy_terms(found.path, terms)
  return {
    id = found.name, summary = fields.summary, description = fields.description, args = ARGUMENTS,
    needs = M.needs(terms), policy = terms,
  }
end

return M
