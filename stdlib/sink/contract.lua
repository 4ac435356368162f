--- What a sink script declares: what it can do, and the functions that the library calls. A policy names a sink script:
--- `sink = policy.sink("sinks/vault", { path = "apps/billing" })`.
--
--   return {
--     summary = "…", args = { path = { type = "string", required = true, help = "…" } },
--     needs = { peers = { ["{peer}"] = { … } } },       -- {peer}: the policy's value of the argument `peer`
--     can = { read_back = true, pending = true },
--     where = function(args, item) … end,               -- the place, for people
--     store = function(args, item, value, before) … end,
--     read = function(args, item) … end,                -- nil, or { value, id, marker, version, edition }
--     remove = function(args, item, before) … end,
--   }
--
-- In the place of these functions a script may name who in the library keeps the values: `kept_by = "entries"`, the
-- entries of Devolutions Server, or `kept_by = "person"`, the hand-over.

local fail = require "fail"
local schema = require "base.schema"
local secret = require "host.secret"
local time = require "time"

local M = {}

---@class sink.can what a sink can do
---@field read_back boolean? can a stored value be read again?
---@field pending boolean? can it hold a pending value beside the current one?
---@field compare boolean? does the service itself refuse a store when the place was changed since it was read?
---@field others boolean? does `read` of a pending slot return, in `others`, what else was stored there and not removed,
--- so that no store hides a value of another installation?
---@field confirm boolean? does a successful store mean that the consumer has the value, where the profile says so?

---@class sink.item what is stored
---@field slot "current"|"pending"|"pending-2"|"pending-3" each is a place of its own: a pending value never changes
--- the current one
---@field kind "application"|"user" whose value it is
---@field credential "client secret"|"certificate"|nil of an application. Of a certificate, the value is its private key
--- and the certificate, in PEM (see `secret.pem`); `read` returns the same PEM
---@field id string client id of the application, or object id of the user
---@field name string of the application, or user principal name; any text
---@field client_id string? of the application
---@field tenant string
---@field marker string which rotation stored the value: at most 100 characters, which `read` returns unchanged
---@field rotation string id of the rotation's row: letters, digits and "-"
---@field policy string
---@field ends integer? when the value expires, in seconds since 1970

---@class sink.stored what `read` returns
---@field value host.secret? nil: nothing is stored there
---@field id string? of the application or user that the value belongs to
---@field marker string?
---@field version any what `store` needs to refuse a change of others; of a place without a value, too
---@field edition string? a text that changes with every store, if there is one
---@field others sink.stored[]? of a pending slot: see sink.can

---@class sink.declaration: script.declaration
---@field can sink.can
---@field kept_by "entries"|"person"|nil who keeps the values in the place of the functions
---@field where fun(args: table, item: sink.item): string
---@field store fun(args: table, item: sink.item, value: host.secret, before: sink.stored?)
---@field read nil|fun(args: table, item: sink.item): sink.stored?
---@field remove nil|fun(args: table, item: sink.item, before: sink.stored)

local boolean = { type = "boolean" }
local callable = { type = "function" }

-- What the sinks can do that the library keeps.
local KEPT = {
  entries = { read_back = true, pending = true, others = true },
  person = {},
}

--- The rules for the members of a declaration that only sinks have.
---@type table<string, base.schema.rule>
M.members = {
  can = { type = "table", members = { read_back = boolean, pending = boolean, compare = boolean, others = boolean,
    confirm = boolean } },
  where = callable, store = callable, read = callable, remove = callable,
  kept_by = { type = "string", choices = { "entries", "person" } },
}

--- Does the declaration of a script say that it is a sink?
---@param declaration table
---@return boolean
function M.is_sink(declaration) return declaration.store ~= nil or declaration.kept_by ~= nil end

--- What the sink can do.
---@param declaration sink.declaration
---@return sink.can
function M.can(declaration) return KEPT[declaration.kept_by] or declaration.can or {} end

-- What is wrong with a sink whose values the library keeps.
local function check_kept(declaration)
  for _, name in ipairs { "can", "where", "read", "remove" } do
    if declaration[name] then
      return ("it has `%s`, and the library keeps its values (kept_by)"):format(name), ("Remove `%s`."):format(name)
    end
  end
end

--- What is wrong with the members of a sink; nil when they are right.
---@param declaration table
---@return string? wrong, string? fix
function M.check(declaration)
  if declaration.kept_by then return check_kept(declaration) end
  local can = declaration.can or {}
  if not declaration.where then
    return "a sink has no function `where`",
      "Add where = function(args, item) … end: it returns the place of the value, as a text for people."
  end
  if can.read_back and not (declaration.read and declaration.remove) then
    return "it can read back, and has no function `read` or `remove`",
      "Add read = function(args, item) … end and remove = function(args, item, before) … end, or leave out "
        .. "can.read_back."
  end
  if (can.pending or can.compare or can.others) and not can.read_back then
    return "it has can.pending, can.compare or can.others without can.read_back",
      "Add can.read_back, or leave these out."
  end
  if declaration.args and declaration.args.linked then
    return "`linked` is a word of every sink, so it cannot be an argument", "Choose another name for the argument."
  end
end

---------------------------------------------------------------------------
-- The fields that a policy gives

local LUA_TYPES = { integer = "integer", boolean = "boolean", list = "table" }

local function field_rule(argument)
  return {
    type = LUA_TYPES[argument.type] or "string", required = argument.required, default = argument.default,
    choices = argument.choices, each = argument.type == "list" and { type = "string" } or nil,
  }
end

local function convert_durations(args, values)
  for name, argument in pairs(args) do
    if argument.type == "duration" and values[name] then values[name] = time.duration(values[name]) end
  end
end

--- Check the fields that a policy gives a sink, and fill in the defaults. Raises "config".
---@param declaration sink.declaration
---@param file string of the policy, for messages
---@param where string of the fields in the policy
---@param fields table
---@return table args
function M.arguments(declaration, file, where, fields)
  local rules, values = { linked = boolean }, schema.copy_fields(fields)
  for name, argument in pairs(declaration.args or {}) do rules[name] = field_rule(argument) end
  schema.check(file, where, values, { type = "table", members = rules })
  convert_durations(declaration.args or {}, values)
  if values.linked ~= nil and declaration.kept_by then
    fail.raise {
      kind = "config", what = ("%s: %s.linked"):format(file, where), why = "there is no such member",
      fix = "Remove it: for entries of Devolutions Server, the profile says it (devolutions = { linked = true, … }).",
    }
  end
  if values.linked and not M.can(declaration).read_back then
    fail.raise {
      kind = "config", what = ("%s: %s.linked"):format(file, where),
      why = "nothing that this sink stores can be read back, so storing it never shows that it is in use",
      fix = "Remove `linked`.",
    }
  end
  return values
end

---------------------------------------------------------------------------
-- Names in needs that an argument gives

local function fill_text(text, args)
  return (text:gsub("{([%w_]+)}", function(name) return type(args[name]) == "string" and args[name] or nil end))
end

local function fill_places(entry, args)
  if type(entry) ~= "table" then return entry end
  local filled = { entry[1] }
  for _, kind in ipairs { "secrets", "answers" } do
    for i, place in ipairs(entry[kind] or {}) do
      filled[kind] = filled[kind] or {}
      filled[kind][i] = fill_text(place, args)
    end
  end
  return filled
end

--- Why the sink cannot keep users' passwords; nil when it can.
---@param can sink.can
---@return string? why
function M.why_not_for_passwords(can)
  if not (can.read_back and can.pending) then
    return "a user's password is set only when the sink holds the new one beside the current one and it was read back"
  end
  if not (can.compare or can.others) then
    return "of two installations that store a pending password at once, neither would see the other"
  end
end

--- The needs of a sink with these arguments: {peer} in the name of a peer, a program or a folder, or in a place of a
--- secret, becomes the value of the argument `peer`. The paths of calls stay as they are.
---@param needs table
---@param args table<string, any>
---@return script.needs
function M.fill_needs(needs, args)
  local filled = {}
  for kind, list in pairs(needs) do filled[kind] = list end
  for _, kind in ipairs { "run", "files" } do
    filled[kind] = needs[kind] and {} or nil
    for i, name in ipairs(needs[kind] or {}) do filled[kind][i] = fill_text(name, args) end
  end
  filled.peers = needs.peers and {} or nil
  for name, entries in pairs(needs.peers or {}) do
    local list = {}
    for i, entry in ipairs(entries) do list[i] = fill_places(entry, args) end
    filled.peers[fill_text(name, args)] = list
  end
  return filled
end

--- The arguments with which the needs of a script are shown and checked when no policy gives any: the defaults, and the
--- name of an argument in the place of its value.
---@param arguments table<string, script.argument>
---@return table<string, string>
function M.example_arguments(arguments)
  local values = {}
  for name, argument in pairs(arguments) do
    values[name] = type(argument) == "table" and type(argument.default) == "string" and argument.default or name
  end
  return values
end

---------------------------------------------------------------------------
-- What a script's functions return

local STORED = { value = "userdata", id = "string", marker = "string", edition = "string", others = "table" }

--- Check what `read` of a sink script returned.
---@param result any
---@return string? wrong
function M.wrong_result(result)
  if result == nil then return nil end
  if type(result) ~= "table" then return "read returned neither nil nor a table" end
  for name, kind in pairs(STORED) do
    if result[name] ~= nil and type(result[name]) ~= kind then
      return ("read returned a %s in the member %s"):format(type(result[name]), name)
    end
  end
  if result.value ~= nil and not secret.is(result.value) then return "read returned a value that is not a secret" end
  for _, other in ipairs(result.others or {}) do
    if type(other) ~= "table" then return "read returned a member of `others` that is not a table" end
    local wrong = M.wrong_result(other)
    if wrong then return wrong end
  end
end

return M
