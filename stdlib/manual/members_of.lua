--- The members that a rule (base.schema) allows, as a list: a path and the type for each.

local sets = require "base.sets"

local M = {}

---@class manual.member
---@field path string "devolutions.server", "peers.NAME.url"
---@field rule base.schema.rule

-- Is it the rule of a place that a secret comes from?
local function is_source(rule) return rule.members and rule.members.from and rule.members.fd and rule.members.path end

local add_members

local function add_member(list, path, rule, options)
  list[#list + 1] = { path = path, rule = rule }
  if is_source(rule) or options.closed[path] then return end
  add_members(list, path .. ".", rule, options)
end

add_members = function(list, before, rule, options)
  for _, name in ipairs(sets.sorted(rule.members or {})) do
    add_member(list, before .. name, rule.members[name], options)
  end
  local each = rule.each
  if not each then return end
  if each.members then return add_members(list, before .. "NAME.", each, options) end
  if options.named[before:sub(1, -2)] then add_member(list, before .. "NAME", each, options) end
end

--- The members of a rule, sorted by path, each followed by its own members.
---@param rule base.schema.rule
---@param options { closed: table<string, true>?, named: table<string, true>? }? closed: paths whose members are
--- described elsewhere; named: tables of plain values by names that a person chooses
---@return manual.member[]
function M.list(rule, options)
  options = options or {}
  local list = {}
  add_members(list, "", rule,
    { closed = options.closed or {}, named = options.named or {} })
  return list
end

local function quoted(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = ('"%s"'):format(word) end
  return table.concat(list, ", ")
end

local function default_text(value)
  if type(value) == "string" then return ('"%s"'):format(value) end
  return (type(value) == "boolean" or math.type(value)) and tostring(value) or nil
end

--- What a member may be, for a person: "string, needed", "duration (30d)".
---@param rule base.schema.rule
---@return string
function M.type_text(rule)
  local types = type(rule.type) == "table" and table.concat(rule.type, " or ") or rule.type
  if is_source(rule) then
    types = (type(rule.type) == "table" and "string or " or "") .. "source: "
      .. quoted(rule.members.from.choices)
  elseif rule.choices then
    types = quoted(rule.choices)
  elseif rule.example == '"30d"' then
    types = 'duration, such as "30d"'
  elseif rule.each and rule.each.type == "string" then
    types = rule.each.choices and "list of " .. quoted(rule.each.choices) or "strings"
  end
  local default = default_text(rule.default)
  return types .. (rule.required and "; needed" or default and default ~= '""' and "; default " .. default or "")
end

return M
