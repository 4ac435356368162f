--- Check a file of rules for notices when it is loaded, and make the declaration of a script from it. Scripts use the
--- interface `notice`.

local fail = require "fail"
local policy_window = require "policy.window"
local schema = require "base.schema"
local time = require "time"

local M = {}

---@class notice.wish how one kind of finding is told
---@field first number[] of what expires: seconds before that date at which it is told, the longest first
---@field again number? seconds after which it is told again, while it stays
---@field least "warning"|"critical" the least severity that is told

---@class notice.rule
---@field to string name of the script that tells
---@field args table<string, any> its arguments
---@field what table<string, notice.wish> by kind of finding
---@field quiet policy.window? when nothing is told
---@field digest number? seconds between two notices at least
---@field alive number? seconds without a notice after which a sign of life is sent

---@class notice.terms
---@field name string
---@field summary string
---@field rules notice.rule[]

local mark, is = schema.declaration_kind "notice"

--- Mark a table as rules for notices.
---@param fields table
---@return table
function M.mark(fields) return mark(fields) end

--- Is the value a table that was marked as rules for notices?
---@param value any
---@return boolean
function M.is(value) return is(value) end

local function check_first(value)
  for _, text in ipairs(type(value) == "table" and value or { value }) do
    local ok, failure = pcall(time.duration, text)
    if not ok then return failure.why, 'Write first = "30d" or first = { "30d", "7d", "1d" }.' end
  end
end

local LEAST = { type = "string", default = "warning", choices = { "warning", "critical" } }

local function wish_rule(members)
  members.again, members.least = schema.duration(), LEAST
  return { type = "table", members = members }
end

local function check_window(value)
  local ok, failure = pcall(policy_window.parse, value)
  if not ok and not fail.is(failure) then error(failure, 0) end
  if not ok then return failure.why, failure.fix end
end

local RULE = {
  type = "table",
  members = {
    to = { type = "string", required = true, example = '"notify/teams"' },
    args = { type = "table", default = {} },
    what = {
      type = "table", required = true, example = '{ expiring = { first = "30d" }, rotation = {} }',
      members = {
        expiring = wish_rule {
          first = { type = { "string", "table" }, default = { "30d", "7d" }, check = check_first },
        },
        rotation = wish_rule {}, doctor = wish_rule {}, unknown = wish_rule {}, delivery = wish_rule {},
      },
    },
    quiet = { type = { "string", "table" }, check = check_window },
    digest = schema.duration(),
    alive = schema.duration(),
  },
}

local NOTICES_RULE = {
  type = "table",
  members = {
    summary = { type = "string", required = true },
    rules = {
      type = "table", required = true, each = RULE, example = '{ { to = "notify/teams", what = { … } } }',
      check = function(rules) if #rules == 0 then return "there is no rule in it" end end,
    },
  },
}

local function seconds(text) return text and time.duration(text) or nil end

local function wish_of(fields)
  local first = {}
  for _, text in ipairs(type(fields.first) == "table" and fields.first or { fields.first }) do
    first[#first + 1] = time.duration(text)
  end
  table.sort(first, function(a, b) return a > b end)
  return { first = first, again = seconds(fields.again), least = fields.least or "warning" }
end

local function rule_of(fields)
  local what = { unknown = wish_of {}, delivery = wish_of {} } -- what nobody must miss, unless the rule says otherwise
  for kind, wish in pairs(fields.what) do what[kind] = wish_of(wish) end
  return {
    to = fields.to, args = fields.args, what = what,
    quiet = fields.quiet and policy_window.parse(fields.quiet) or nil, digest = seconds(fields.digest),
    alive = seconds(fields.alive),
  }
end

--- Check rules for notices, and make the declaration of a script from them. Raises "config" for rules that are wrong.
---@param found { name: string, path: string }
---@param value table as `notice { … }` made it
---@return script.declaration
function M.declare(found, value)
  local fields = schema.copy_fields(value)
  schema.check(found.path, "", fields, NOTICES_RULE)
  local rules = {}
  for i, rule in ipairs(fields.rules) do rules[i] = rule_of(rule) end
  return { id = found.name, summary = fields.summary, args = {}, needs = {},
    notices = { name = found.name, summary = fields.summary, rules = rules } }
end

return M
