--- The sinks of policies: where new values go. Devolutions Server and the hand-over are built in; every other sink is a
--- script, which is loaded when the policy is run.

local class = require "base.class"
local options_of = require("base.options").of
local profiles = require "profile.current"
local schema = require "base.schema"
local vault_folder = require "base.vault_folder"

local M = {}

---@class policy.sink
---@field kind "server"|"handover"|"script"
---@field fields table
---@field script string? name of the sink script
---@field loaded sink.loaded? the sink script, once it is loaded
---@field can { pending: boolean, read_back: boolean, confirms: boolean }
local Sink = class "policy.sink"

local NAMES = { server = "policy.devolutions.server", handover = "policy.handover" }

--- Why these words do not name a program and its arguments; nil when they do.
---@param words string[]
---@return string? wrong
function M.why_not_program_words(words)
  local first = tostring(words[1] or "")
  if first:match("^[%w_-]+$") then return nil end
  if not first:match("^/") then
    return "it does not begin with the name that the profile gives the program",
      'Write { "NAME", "argument" }, and programs = { NAME = { "/path/of/the/program" } } in the profile.'
  end
  local name = first:match("[^/]*$"):gsub("[^%w_-]", "-")
  return ('"%s" is a path, and programs are named in the profile'):format(first),
    ('Add programs = { ["%s"] = { "%s" } } to the profile, and write "%s" here in place of the path.')
      :format(name, first, name)
end

local KINDS = {
  server = {
    can = { pending = true, read_back = true }, needs = { "vaults:read", "entries:read", "entries:write" },
    rule = {
      type = "table",
      members = {
        vault = { type = "string", check = vault_folder.check_vault_name },
        path = { type = "string", check = vault_folder.check },
      },
    },
    settle = function(fields)
      return { vault = fields.vault, path = fields.path and vault_folder.canonical(fields.path) }
    end,
  },
  handover = { can = {}, needs = {}, rule = { type = "table", members = {} } },
}

-- A function that copies the fields of a sink, so that a policy cannot change them after they were checked.
local function sink_fields_reader(kind)
  local rules = {}
  for name, rule in pairs(KINDS[kind].rule.members) do rules[name] = rule.type end
  return options_of(NAMES[kind], rules)
end

local function sink_maker(kind)
  local read = sink_fields_reader(kind)
  return function(fields_given)
    local fields = read(fields_given)
    local ok, failure = pcall(schema.check, kind, "", fields, KINDS[kind].rule)
    if not ok then error(("%s: %s. %s"):format(failure.what, failure.why, failure.fix), 2) end
    local settle = KINDS[kind].settle
    return Sink { kind = kind, fields = settle and settle(fields) or fields, can = KINDS[kind].can }
  end
end

--- Entries of Devolutions Server: in this vault and folder, else in the profile's.
---@param fields { vault: string?, path: string? }
---@return policy.sink
M.server = sink_maker "server"

--- A person takes the value (`moonlatch handover`). For client secrets.
---@return policy.sink
M.handover = sink_maker "handover"

local VALUES = { string = true, number = true, boolean = true, table = true }

-- Copy the fields that a policy gives a script, so that the policy cannot change them after they were checked.
local function copy_script_fields(fields)
  if type(fields) ~= "table" then error("the arguments of the sink are a table", 3) end
  local copy = schema.copy_fields(fields)
  for name, value in pairs(copy) do
    if not VALUES[type(value)] then error(("%s: a text, a number or a list is needed"):format(tostring(name)), 3) end
    if type(value) == "table" then copy[name] = table.move(value, 1, #value, 1, {}) end
  end
  return copy
end

--- A sink script of this name, with its arguments: `sink("sinks/vault", { path = "apps/billing" })`. Its file is loaded
--- and checked later, by who runs the policy. `linked` is an argument of every sink that can be read back: the consumer
--- reads this very place, so that a value stored here is in use.
---@param name string
---@param fields table<string, any>?
---@return policy.sink
function M.script(name, fields)
  if type(name) ~= "string" then error('the name of a sink script is needed: policy.sink("sinks/vault", { … })', 2) end
  return Sink { kind = "script", script = name, fields = copy_script_fields(fields or {}), can = {} }
end

--- Why the value cannot be the sink of a policy; nil when it can.
---@param value any
---@return string? wrong
function M.check(value)
  for _, one in ipairs(M.list(value)) do
    if not class.is(one, Sink) then
      return "it is not a sink", 'Write sink = policy.devolutions.server{ vault = "…" }.'
    end
    if one.kind == "handover" and #M.list(value) > 1 then
      return "a hand-over to a person is a policy's only sink", "Remove policy.handover, or the other sinks."
    end
  end
  if #M.list(value) == 0 then return "it is an empty list", "Name a sink in it, or several." end
end

--- The sinks of a policy, of which `sink` has one or a list.
---@param value any
---@return any[]
function M.list(value)
  if type(value) == "table" and getmetatable(value) == nil then return value end
  return { value }
end

local function can_keep_passwords(can) return can.pending and can.read_back end

--- The sinks that can keep users' passwords, as a policy names them.
---@return string
function M.names_for_passwords()
  local names = {}
  for kind, own in pairs(KINDS) do
    if can_keep_passwords(own.can) then names[#names + 1] = NAMES[kind] end
  end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Why the sink cannot keep users' passwords; nil when it can.
---@return string?
function Sink:why_not_for_passwords()
  if can_keep_passwords(self.can) then return nil end
  return ("a user's password is set only when the sink holds the new one and it was read back, and %s cannot do that; "
    .. "%s can"):format(tostring(self), M.names_for_passwords())
end

--- The calls that the sink makes to Devolutions Server, as words of a script's needs. A sink script has rights of its
--- own.
---@return string[]
function Sink:needs() return self.kind == "script" and {} or KINDS[self.kind].needs end

local TEXT = {
  server = function(fields)
    local vault, path = vault_folder.vault_and_folder(fields, profiles.current().devolutions)
    return ("the vault '%s'%s"):format(vault, path and ", folder " .. path or "")
  end,
  handover = function() return "a person's hands" end,
}

function Sink:__tostring()
  if self.kind == "script" then return self.script end
  if self.kind == "server" and not pcall(profiles.current) then return "Devolutions Server" end
  return TEXT[self.kind](self.fields)
end

return M
