--- Load a file of rules for notices, and the scripts that tell.

local copies = require "script.copies"
local fail = require "fail"
local hint = require "log.hint"
local name_list = require "base.name_list"
local script = require "script.load"
local sets = require "base.sets"

local M = {}

local COPY = "Copy one and edit it: {moonlatch} scripts copy notices/team"

-- Arguments from a file of rules, as the words of a command line: they are read and checked in the same way.
local function argument_words(args)
  local words = {}
  for _, name in ipairs(sets.sorted(args)) do
    local value = args[name]
    words[#words + 1] = ("--%s=%s"):format(tostring(name):gsub("_", "-"),
      type(value) == "table" and name_list.text(value) or tostring(value))
  end
  return words
end

local function raise_tells_nobody(rules_path, name)
  fail.raise {
    kind = "config", what = ("%s: to = \"%s\""):format(rules_path, name), why = "this script has no function `tell`",
    fix = "Name a script that tells: notify/teams, notify/slack, notify/webhook, notify/mail, notify/sendmail, or one "
      .. "of yours.",
  }
end

-- The script that tells for a rule, with its arguments.
local function load_teller(found_rules, rule, number)
  local declaration, found = script.load(rule.to)
  if not declaration.tell then raise_tells_nobody(found_rules.path, rule.to) end
  local args = script.arguments(declaration, argument_words(rule.args))
  local needs = script.needs_with_names(declaration, found_rules.path, args)
  return { tell = declaration.tell, args = args,
    script = { name = "rule " .. number, owner = script.describe(found), needs = needs } }
end

---@class notice.loaded
---@field terms notice.terms
---@field tellers (notice.teller|{ script: session.script })[] one for each rule

--- Load the rules of this name. Raises "usage" when the script has no rules.
---@param name string?
---@return notice.loaded
function M.load(name)
  if not name then
    fail.raise { kind = "usage", what = "notify", why = "RULES is missing", fix = hint.text(COPY) }
  end
  local declaration, found = script.load(name)
  copies.tell_replacement(found)
  if not declaration.notices then
    fail.raise { kind = "usage", what = "notify " .. name, why = "the script of that name has no rules for notices",
      fix = hint.text(COPY) }
  end
  local tellers = {}
  for i, rule in ipairs(declaration.notices.rules) do tellers[i] = load_teller(found, rule, i) end
  return { terms = declaration.notices, tellers = tellers }
end

return M
