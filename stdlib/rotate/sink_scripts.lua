--- Load the sink scripts that a policy names, and check the arguments that the policy gives them.

local hint = require "log.hint"
local sink_contract = require "sink.contract"
local copies = require "script.copies"
local fail = require "fail"
local sink_loaded = require "sink.loaded"
local script = require "script.load"

local M = {}

local function raise_not_a_sink(name, declaration)
  fail.raise {
    kind = "config", what = ("use %s as a sink"):format(name), why = "the script of that name is not a sink",
    fix = declaration.policy and hint.text "Name a sink: `{moonlatch} scripts` lists those that begin with sinks/."
      or "A sink has the functions store and where: see docs/writing-scripts.md, 'A sink of your own'.",
  }
end

--- Load one sink script with its arguments. Raises "usage" and "config".
---@param name string
---@param fields table the arguments
---@param file string of the policy, for messages
---@param where string of the sink in the policy
---@return sink.loaded loaded, session.script rights
function M.load_one(name, fields, file, where)
  local declaration, found = script.load(name)
  copies.tell_replacement(found)
  if not declaration.store then raise_not_a_sink(name, declaration) end
  local args = sink_contract.arguments(declaration, file, where, fields)
  local needs = script.needs_with_names(declaration, file, args)
  local loaded = sink_loaded {
    name = found.name, path = found.path, can = declaration.can or {}, args = args, needs = needs,
    declaration = declaration, rights_name = ("%s: %s of %s"):format(file, where, found.name),
  }
  return loaded, { name = loaded.rights_name, owner = script.describe(found), needs = needs, is_sink = true }
end

--- Load the sink scripts of a policy. Adds to `scripts` what each of them may do in the session.
---@param terms policy.terms
---@param file string of the policy, for messages
---@param scripts session.script[]
function M.load(terms, file, scripts)
  for i, sink in ipairs(terms.sinks) do
    if sink.kind == "script" then
      local where = terms.sinks[2] and ("sink[%d]"):format(i) or "sink"
      sink.loaded, scripts[#scripts + 1] = M.load_one(sink.script, sink.fields, file, where)
    end
  end
end

return M
