--- Check what a person wrote in Lua (a profile, a script's declaration) against rules. An error names the file, the
--- member, and the expected type.

local class = require "base.class"
local fail = require "fail"
local nearest = require "base.nearest"
local sets = require "base.sets"
local time = require "time"

local M = {}

---@class base.schema.rule
---@field type string|string[] Lua types, or "integer"
---@field required boolean?
---@field default any
---@field choices string[]? the only values allowed
---@field example string? a right value, as Lua text, for the fix: '"contoso.com"'
---@field fix string|nil|fun(): string what to do when the value has another type
---@field misplaced table<string, string|fun(): string>? of a table: members that people write though there are none,
--- and what to do
---@field members table<string, base.schema.rule>? of a table: the members that it may have, and no others
---@field each base.schema.rule? of a table: what every value must be
---@field check nil|fun(value: any): string?, string? returns nil when the value is right, else what is wrong, and what
--- to do

---@class base.schema.violation
---@field where string the path of the value in the file; "" for the whole file
---@field why string
---@field fix string

-- What `visit` does with a violation: it raises the first one, or collects all.
---@class base.schema.visitor
---@field file string for messages
---@field found fun(violation: base.schema.violation)

local function report(visitor, where, why, fix)
  if type(fix) == "function" then fix = fix() end
  visitor.found { where = where, why = why, fix = fix }
  return false
end

local EXAMPLES = {
  string = '"…"', integer = "1", number = "1", boolean = "true", table = "{ … }",
  ["function"] = "function(…) … end",
}

-- A right value as Lua text. A value of several types is shown as the first of them.
local function example_of_rule(rule)
  local first = type(rule.type) == "table" and rule.type[1] or rule.type
  return rule.example or rule.choices and ('"%s"'):format(rule.choices[1]) or EXAMPLES[first] or "…"
end

-- The place of a value for a person: "profiles.x in moonlatch.lua".
local function describe_place(file, where)
  return where == "" and "the table that " .. file .. " returns" or ("%s in %s"):format(where, file)
end

-- "Write "contoso.com" as profiles.x.tenant in moonlatch.lua."
local function fix_to_write(file, where, rule)
  if where == "" then return ("Let %s return %s."):format(file, example_of_rule(rule)) end
  return ("Write %s as %s in %s."):format(example_of_rule(rule), where, file)
end

local function type_name_of(value)
  return math.type(value) == "integer" and "integer" or type(value)
end

--- Name types with an article, for messages: "an integer", "a string or table".
---@param types string|string[]
---@return string
function M.with_article(types)
  local text = type(types) == "table" and table.concat(types, " or ") or types
  return (text:match("^[aeiou]") and "an " or "a ") .. text
end

local function is_of_types(value, types)
  if type(types) == "string" then types = { types } end
  for _, wanted in ipairs(types) do
    if wanted == type(value) or wanted == type_name_of(value) then return true end
  end
  return false
end

local function quote_choices(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = ('"%s"'):format(word) end
  return table.concat(list, ", ")
end

local function member_path(where, member)
  local name = type(member) == "string" and member or ("[%s]"):format(tostring(member))
  return where == "" and name or type(member) == "string" and where .. "." .. name or where .. name
end

local function visit_choice(visitor, where, value, choices)
  for _, choice in ipairs(choices) do
    if value == choice then return true end
  end
  local meant = nearest(tostring(value), choices)
  return report(visitor, where, ('"%s" is none of %s'):format(tostring(value), quote_choices(choices)),
    meant and ('Did you mean "%s"? Write it as %s in %s.'):format(meant, where, visitor.file)
      or ("Write one of these words as %s in %s."):format(where, visitor.file))
end

local function copy_default(value)
  if type(value) ~= "table" then return value end
  return table.move(value, 1, #value, 1, {})
end

-- Report members that the rule does not name. Are there none? And the members that they seem to be misspelt for.
local function visit_unknown_members(visitor, where, value, members, misplaced)
  local right, misspelt = true, {}
  for _, key in ipairs(sets.sorted(value)) do
    if misplaced and misplaced[key] then
      right = report(visitor, member_path(where, key), "there is no such member", misplaced[key])
    elseif not members[key] then
      local meant = type(key) == "string" and nearest(key, members)
      if meant then misspelt[meant] = true end
      right = report(visitor, member_path(where, key), "there is no such member",
        meant and ('Did you mean "%s"?'):format(meant)
          or ("Leave it out of %s, or use one of %s."):format(describe_place(visitor.file, where),
            table.concat(sets.sorted(members), ", ")))
    end
  end
  return right, misspelt
end

local function report_missing_member(visitor, where, key, rule)
  local why = ("it is missing; %s is needed"):format(M.with_article(rule.type))
  return report(visitor, member_path(where, key), why,
    ("Add %s = %s to %s."):format(key, example_of_rule(rule), describe_place(visitor.file, where)))
end

local visit

local function visit_members(visitor, where, value, rule)
  local members = rule.members
  local right, misspelt = visit_unknown_members(visitor, where, value, members, rule.misplaced)
  for _, key in ipairs(sets.sorted(members)) do
    local member = members[key]
    if value[key] == nil then value[key] = copy_default(member.default) end
    if value[key] ~= nil then
      right = visit(visitor, member_path(where, key), value[key], member) and right
    elseif member.required and not misspelt[key] then
      right = report_missing_member(visitor, where, key, member)
    end
  end
  return right
end

local function report_wrong_type(visitor, where, value, rule)
  local given = value == nil and "nil" or M.with_article(type(value))
  return report(visitor, where, ("%s is needed, but it is %s"):format(M.with_article(rule.type), given),
    rule.fix or fix_to_write(visitor.file, where, rule))
end

-- Check a value, and fill in defaults. Is it right? `rule.check` sees only values whose members are right.
visit = function(visitor, where, value, rule)
  if not is_of_types(value, rule.type) then return report_wrong_type(visitor, where, value, rule) end
  local right = not rule.choices or visit_choice(visitor, where, value, rule.choices)
  if type(value) == "table" then
    if rule.members then right = visit_members(visitor, where, value, rule) and right end
    for _, key in ipairs(rule.each and sets.sorted(value) or {}) do
      right = visit(visitor, member_path(where, key), value[key], rule.each) and right
    end
  end
  local wrong, fix
  if right and rule.check then wrong, fix = rule.check(value) end
  if not wrong then return right end
  return report(visitor, where, wrong, fix or ("Correct %s, then run the same command again.")
    :format(where == "" and visitor.file or describe_place(visitor.file, where)))
end

--- Raise a violation as a failure of the kind "config".
---@param file string
---@param violation base.schema.violation
function M.raise(file, violation)
  fail.raise {
    kind = "config", what = violation.where == "" and file or file .. ": " .. violation.where, why = violation.why,
    fix = violation.fix,
  }
end

--- Check a value, and fill in defaults. Raises "config".
---@param file string for messages
---@param where string the path of the value in the file; "" for the whole file
---@param value any
---@param rule base.schema.rule
function M.check(file, where, value, rule)
  visit({ file = file, found = function(violation) M.raise(file, violation) end }, where, value, rule)
end

--- Check a value, and fill in defaults. Returns everything that is wrong.
---@param file string for messages
---@param where string the path of the value in the file; "" for the whole file
---@param value any
---@param rule base.schema.rule
---@return base.schema.violation[]
function M.violations(file, where, value, rule)
  local list = {}
  visit({ file = file, found = function(violation) list[#list + 1] = violation end }, where, value, rule)
  return list
end

---------------------------------------------------------------------------
-- Declarations: files that read as data

--- Make the two functions of a kind of declaration, such as `policy { … }`: the first marks a table as a declaration of
--- this kind, the second recognises a marked table.
---@param name string of the kind
---@return fun(fields: table): table mark
---@return fun(value: any): boolean is
function M.declaration_kind(name)
  local Declaration = class(name)
  local function mark(fields)
    if type(fields) ~= "table" then error(name .. " { … } needs a table", 3) end
    return Declaration(fields)
  end
  return mark, function(value) return class.is(value, Declaration) end
end

--- Return a plain, writable copy of a declaration's fields.
---@param fields table
---@return table
function M.copy_fields(fields)
  local copy = {}
  for name, value in next, fields do copy[name] = value end
  return copy
end

local function check_duration(value)
  local ok, failure = pcall(time.duration, value)
  if not ok then return failure.why, 'Write it as "180d", "7d12h", "30m" or "45s".' end
end

--- The rule for a duration as text: "30d".
---@param more base.schema.rule? further members of the rule
---@return base.schema.rule
function M.duration(more)
  local rule = M.copy_fields(more or {})
  rule.type, rule.check, rule.example = "string", check_duration, '"30d"'
  return rule
end

return M
