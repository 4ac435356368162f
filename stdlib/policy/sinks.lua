--- The sinks of policies: where new values go. Each is a script with arguments, which is loaded when the policy is run.

local class = require "base.class"
local json = require "host.json"
local options_of = require("base.options").of
local profiles = require "profile.current"
local schema = require "base.schema"
local vault_folder = require "base.vault_folder"

local M = {}

---@class policy.sink
---@field script string name of the sink script
---@field fields table its arguments
---@field loaded sink.loaded? the sink script, once it is loaded
local Sink = class "policy.sink"

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

-- The scripts that have functions of their own in the module `policy`.
local SERVER, HANDOVER = "sinks/devolutions-server", "sinks/handover"

local PLACE_RULE = {
  type = "table",
  members = {
    vault = { type = "string", check = vault_folder.check_vault_name },
    path = { type = "string", check = vault_folder.check },
  },
}

local read_place = options_of("policy.devolutions.server", { vault = "string", path = "string" })

--- Entries of Devolutions Server: in this vault and folder, else in the profile's.
---@param fields { vault: string?, path: string? }
---@return policy.sink
function M.server(fields)
  local place = read_place(fields)
  local ok, failure = pcall(schema.check, "server", "", place, PLACE_RULE)
  if not ok then error(("%s: %s. %s"):format(failure.what, failure.why, failure.fix), 2) end
  place.path = place.path and vault_folder.canonical(place.path)
  return Sink { script = SERVER, fields = { vault = place.vault, path = place.path } }
end

local read_nothing = options_of("policy.handover", {})

--- A person takes the value (`moonlatch handover`). For client secrets.
---@param fields table empty
---@return policy.sink
function M.handover(fields) return Sink { script = HANDOVER, fields = read_nothing(fields) } end

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
  return Sink { script = name, fields = copy_script_fields(fields or {}) }
end

--- Why the value cannot be the sink of a policy; nil when it can.
---@param value any
---@return string? wrong
function M.check(value)
  if type(value) == "function" then return nil end
  for _, one in ipairs(M.list(value)) do
    if not class.is(one, Sink) then
      return "it is not a sink", 'Write sink = policy.devolutions.server{ vault = "…" }.'
    end
    if one.script == HANDOVER and #M.list(value) > 1 then
      return "a hand-over to a person is a policy's only sink", "Remove policy.handover, or the other sinks."
    end
  end
  if #M.list(value) == 0 then return "it is an empty list", "Name a sink in it, or several." end
end

--- Why the value cannot be the list of sinks among which a function chooses; nil when it can.
---@param value any
---@return string? wrong
function M.check_list(value)
  if getmetatable(value) ~= nil then return "it is not a list", "Write sinks = { first, second }." end
  return M.check(value)
end

--- The sinks of a policy, of which `sink` has one or a list.
---@param value any
---@return any[]
function M.list(value)
  if type(value) == "table" and getmetatable(value) == nil then return value end
  return { value }
end

--- The sink's name with its arguments: the same text in every run.
---@return string
function Sink:key() return ("%s %s"):format(self.script, json.encode(self.fields)) end

--- Are these entries of Devolutions Server, by `policy.devolutions.server`?
---@return boolean
function Sink:is_server() return self.script == SERVER end

local function server_text(fields)
  if not pcall(profiles.current) then return "Devolutions Server" end
  local vault, path = vault_folder.vault_and_folder(fields, profiles.current().devolutions)
  return ("the vault '%s'%s"):format(vault, path and ", folder " .. path or "")
end

function Sink:__tostring()
  if self.script == SERVER then return server_text(self.fields) end
  return self.script == HANDOVER and "a person's hands" or self.script
end

return M
