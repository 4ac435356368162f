--- The sinks of policies: where new values go, and what each kind of sink can do: hold pending values, be read back,
--- confirm that a value is in use.

local class = require "base.class"
local options_of = require("base.options").of
local profiles = require "profile.current"
local schema = require "base.schema"
local vault_folder = require "base.vault_folder"

local M = {}

---@class policy.sink
---@field kind "server"|"handover"|"sealed"|"command"
---@field fields table
---@field can { pending: boolean, read_back: boolean, confirms: boolean }
local Sink = class "policy.sink"

local NAMES = { server = "policy.devolutions.server", handover = "policy.handover", sealed = "policy.sealed",
  command = "policy.command" }

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

local function why_not_folder_name(name)
  if name:match("^[%w_-]+$") then return nil end
  return ('"%s" is a path, and folders are named in the profile'):format(name),
    ('Add folders = { sealed = "%s" } to the profile, and write "sealed" here in place of the path.'):format(name)
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
  sealed = {
    can = {}, needs = {},
    rule = {
      type = "table",
      members = {
        to = { type = "string", required = true },
        folder = { type = "string", required = true, check = why_not_folder_name },
      },
    },
  },
  command = {
    can = {}, needs = {},
    rule = {
      type = "table", each = { type = "string" },
      check = function(fields) return M.why_not_program_words(fields) end,
    },
  },
}

-- A function that copies the fields of a sink, so that a policy cannot change them after they were checked.
local function sink_fields_reader(kind)
  local rules = {}
  if not KINDS[kind].rule.members then return schema.copy_fields end
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

--- A file in a folder, which only the holder of a private key can open. For client secrets.
---@param fields { to: string, folder: string } `to` is a file with the public key, in PEM; `folder` is the profile's
--- name of the folder
---@return policy.sink
M.sealed = sink_maker "sealed"

--- A program that reads the value from its standard input. For client secrets.
---@param fields string[] the name that the profile gives the program, and its arguments
---@return policy.sink
M.command = sink_maker "command"

--- Why the value cannot be the sink of a policy; nil when it can.
---@param value any
---@return string? wrong
function M.check(value)
  if not class.is(value, Sink) then
    return "it is not a sink", 'Write sink = policy.devolutions.server{ vault = "…" }.'
  end
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

--- The program that the sink runs, as words of a script's needs.
---@return string[]
function Sink:runs() return self.kind == "command" and { self.fields[1] } or {} end

--- The folder that the sink writes to, as words of a script's needs.
---@return string[]
function Sink:files() return self.kind == "sealed" and { self.fields.folder } or {} end

--- The calls that the sink makes to Devolutions Server, as words of a script's needs.
---@return string[]
function Sink:needs() return KINDS[self.kind].needs end

local TEXT = {
  server = function(fields)
    local vault, path = vault_folder.vault_and_folder(fields, profiles.current().devolutions)
    return ("the vault '%s'%s"):format(vault, path and ", folder " .. path or "")
  end,
  handover = function() return "a person's hands" end,
  sealed = function(fields) return ("a file in the folder '%s', sealed to %s"):format(fields.folder, fields.to) end,
  command = function(fields) return "the program " .. fields[1] end,
}

function Sink:__tostring()
  if self.kind == "server" and not pcall(profiles.current) then return "Devolutions Server" end
  return TEXT[self.kind](self.fields)
end

return M
