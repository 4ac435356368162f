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
  if not sink_contract.is_sink(declaration) then raise_not_a_sink(name, declaration) end
  local args = sink_contract.arguments(declaration, file, where, fields)
  local needs = script.needs_with_names(declaration, file, args)
  local loaded = sink_loaded {
    name = found.name, path = found.path, can = sink_contract.can(declaration), args = args,
    needs = needs, declaration = declaration, kept_by = declaration.kept_by,
    rights_name = ("%s: %s of %s"):format(file, where, found.name),
  }
  return loaded, { name = loaded.rights_name, owner = script.describe(found), needs = needs, is_sink = true }
end

local CAN_KEEP_PASSWORDS = "Name a sink that can: policy.devolutions.server, or sinks/vault, sinks/azure-key-vault, "
  .. "sinks/kubernetes-secret with policy.sink; or one of yours."

local function check_fits_policy(terms, sink, file, where)
  local why = terms.target == "users" and sink_contract.why_not_for_passwords(sink.loaded.can)
  if why then
    fail.raise { kind = "config", what = ("%s: %s"):format(file, where),
      why = ("%s cannot keep users' passwords: %s"):format(tostring(sink), why), fix = CAN_KEEP_PASSWORDS }
  end
  if sink.loaded.kept_by == "person" and terms.sinks[2] then
    fail.raise { kind = "config", what = ("%s: %s"):format(file, where),
      why = "a hand-over to a person is a policy's only sink", fix = "Remove it, or the other sinks." }
  end
end

--- The hand-over to a person, in the place of a policy's sinks.
---@return { loaded: sink.loaded }[]
function M.handover()
  local loaded = M.load_one("sinks/handover", {}, "sinks/handover", "sink")
  return { { loaded = loaded } }
end

--- Load the sink scripts of a policy that are not loaded yet. Adds to `scripts` what each of them may do in the
--- session.
---@param terms policy.terms
---@param file string of the policy, for messages
---@param scripts session.script[]
function M.load(terms, file, scripts)
  for i, sink in ipairs(terms.sinks) do
    local where = terms.sinks[2] and ("sink[%d]"):format(i) or "sink"
    if not sink.loaded then
      sink.loaded, scripts[#scripts + 1] = M.load_one(sink.script, sink.fields, file, where)
      check_fits_policy(terms, sink, file, where)
    end
  end
end

return M
