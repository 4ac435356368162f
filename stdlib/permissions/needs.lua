--- Check and read the `needs` of a script: the calls, programs and folders that the script declares.
--
--   needs = {
--     graph = { "GET /users", "PATCH /users/{id}#passwordProfile" },
--     devolutions = { "entries:read" }, run = { "tell" }, files = { "reports" },
--     peers = { vault = { { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" } } } },
--     when = { revoke = { graph = { "POST /users/{id}/revokeSignInSessions" } } },   -- with the argument --revoke
--   }

local calls = require "devolutions.calls"
local gate = require "host.gate"
local nearest = require "base.nearest"
local schema = require "base.schema"
local secret_place = require "base.secret_place"

local M = {}

local METHODS = { "GET", "POST", "PATCH", "PUT", "DELETE" }

---@class script.call
---@field method string
---@field path string a template: "/users/{id}"
---@field members string[]? the members that the body may have; nil: any
---@field secrets string[]? places in the body that may hold a secret
---@field answers string[]? places in the answer whose values become secrets

---@alias script.entry string|{ [1]: string, secrets: string[]?, answers: string[]? }

--- Split a checked entry of `needs.graph`, or of a peer, into its parts.
---@param entry script.entry
---@return script.call
function M.call(entry)
  local more = type(entry) == "table" and entry or { entry }
  local method, path, words = more[1]:match("^(%u+) ([^#]+)#?(.*)$")
  local members
  for member in words:gmatch("[^,]+") do
    members = members or {}
    members[#members + 1] = member
  end
  return { method = method, path = path, members = members, secrets = more.secrets, answers = more.answers }
end

--- An entry as one line: "POST /v1/{path+} (secrets data.*)".
---@param entry script.entry
---@return string
function M.text(entry)
  if type(entry) == "string" then return entry end
  local parts = {}
  for _, kind in ipairs { "secrets", "answers" } do
    if entry[kind] then parts[#parts + 1] = kind .. " " .. table.concat(entry[kind], ", ") end
  end
  return #parts > 0 and ("%s (%s)"):format(entry[1], table.concat(parts, "; ")) or entry[1]
end

---------------------------------------------------------------------------
-- Checking declared calls

local function did_you_mean_hint(word)
  return word and ('; did you mean "%s"?'):format(word) or ""
end

local function check_declared_method(entry, method)
  for _, known in ipairs(METHODS) do
    if method == known then return nil end
  end
  local meant = nearest(method:upper(), METHODS)
  return ('"%s": "%s" is no method that can be declared%s'):format(entry, method, did_you_mean_hint(meant))
end

-- The path without the commonest mistakes: no slash in front, a slash at the end, ":id" instead of "{id}", a version.
-- Returns nil when nothing was corrected, or the corrected path is no template.
local function corrected_path(path, is_graph)
  local better = ("/" .. path:gsub("^/+", "")):gsub("(.)/+$", "%1"):gsub("/:(%w+)", "/{%1}"):gsub("//+", "/")
  if is_graph then better = better:gsub("^/v1%.0/", "/") end -- a call that only beta has keeps /beta
  return better ~= path and gate.template(better) and better or nil
end

local function check_declared_path(entry, path, is_graph)
  local ok, why = gate.template(path)
  local better = corrected_path(path, is_graph)
  if ok and not better then return nil end
  if ok and path:find("/:", 1, true) then
    why = "a path is written as the service writes it, with {name} for what differs"
  elseif ok then
    why = "a path is written without the service's version"
  end
  return ('"%s": %s%s'):format(entry, why, did_you_mean_hint(better))
end

-- What is wrong with an entry of the form "GET /users/{id}"; a call of Graph may also be of the form
-- "PATCH /users/{id}#mail,department". Returns nil when the entry is right.
local function check_call_text(entry, is_graph)
  local method, rest = entry:match("^(%S+) (%S+)$")
  if not method then return ('"%s" is not of the form "GET /users/{id}"'):format(entry) end
  local path, members = rest:match("^([^#]*)#(.*)$")
  path = path or rest
  local wrong = check_declared_method(entry, method) or check_declared_path(entry, path, is_graph)
  if wrong or not members then return wrong end
  if not is_graph then return ('"%s": #member is for Graph only'):format(entry) end
  if not (members .. ","):match("^[%w_.@]+,[%w_.@,]*$") or members:find(",,", 1, true) or members:match(",$") then
    return ('"%s" is not of the form "PATCH /users/{id}#member,member"'):format(entry)
  end
end

local function places(check) return { type = "table", each = { type = "string", check = check } } end

local PLACE_RULES = { secrets = places(secret_place.problem), answers = places(secret_place.problem_in_answer) }

local function check_call_table(entry)
  if type(entry[1]) ~= "string" then
    return "it does not begin with the call", 'Write { "POST /path", secrets = { … } }.'
  end
  for key, value in pairs(entry) do
    if key ~= 1 and not PLACE_RULES[key] then
      return ("there is no member %s%s"):format(tostring(key),
        did_you_mean_hint(type(key) == "string" and nearest(key, PLACE_RULES) or nil))
    end
    if key ~= 1 then
      local ok, failure = pcall(schema.check, "", tostring(key), value, PLACE_RULES[key])
      if not ok then return ("%s: %s"):format((failure.what:gsub("^: ", "")), failure.why) end
    end
  end
  return check_call_text(entry[1], false)
end

local graph_calls = { type = "table", each = { type = { "string", "table" }, check = function(entry)
  if type(entry) == "string" then return check_call_text(entry, true) end
  return "a call of Graph is a text: Moonlatch knows which of its members hold secrets"
end } }

local function check_declared_name(name)
  if name:match("^[%w_-]+$") then return nil end
  if not name:match("^/") then return ('"%s" is no name: letters, digits, - and _'):format(name) end
  return ('"%s" is a path; programs and folders are named in the profile'):format(name),
    'Add programs = { NAME = { "/path/of/the/program" } } or folders = { NAME = "/path" } to the profile, and write '
      .. "NAME here in place of the path."
end

local profile_names = { type = "table", each = { type = "string", check = check_declared_name } }
local devolutions_words = { type = "table", each = { type = "string", choices = calls.WORDS } }

local peer_calls = { type = "table", each = { type = { "string", "table" }, check = function(entry)
  if type(entry) == "string" then return check_call_text(entry, false) end
  return check_call_table(entry)
end } }

local function check_declared_peers(peers)
  for name in pairs(peers) do
    local wrong = type(name) == "string" and check_declared_name(name) or type(name) ~= "string" and "a peer has a name"
    if wrong then return wrong end
  end
end

local scope_names = { type = "table", each = { type = "string" } }

local needs_with_argument = { type = "table", members = {
  graph = graph_calls, scopes = scope_names, devolutions = devolutions_words, run = profile_names,
  files = profile_names,
} }

--- The rule for `needs` in a declaration.
---@type base.schema.rule
M.rule = {
  type = "table", default = {},
  members = {
    graph = graph_calls, devolutions = devolutions_words, run = profile_names, files = profile_names,
    scopes = scope_names,
    peers = { type = "table", each = peer_calls, check = check_declared_peers },
    when = { type = "table", each = needs_with_argument },
  },
}

---------------------------------------------------------------------------
-- Joining

local JOINED_KINDS = { "graph", "scopes", "devolutions", "run", "files" }

local function join_needs_lists(list, more)
  local all = table.move(list or {}, 1, #(list or {}), 1, {})
  return table.move(more or {}, 1, #(more or {}), #all + 1, all)
end

--- What a script needs with these arguments: what it always needs, and what the given arguments add (`needs.when`).
---@param needs script.needs
---@param args table<string, any>
---@return script.needs
function M.with(needs, args)
  local all = { peers = needs.peers }
  for _, kind in ipairs(JOINED_KINDS) do all[kind] = needs[kind] end
  for name, more in pairs(needs.when or {}) do
    for _, kind in ipairs(args[name] and JOINED_KINDS or {}) do
      -- without scopes of its own, the script's scopes are the least for its calls
      if more[kind] and (kind ~= "scopes" or needs.scopes) then all[kind] = join_needs_lists(all[kind], more[kind]) end
    end
  end
  return all
end

--- What a person signs in for when several scripts share a session: the scopes of all of them, each once.
---@param scripts { needs: script.needs }[]
---@return script.needs
function M.shared_scopes(scripts)
  local needs, seen = { scopes = {} }, {}
  for _, one in ipairs(scripts) do
    for _, scope in ipairs(one.needs.scopes or {}) do
      if not seen[scope] then needs.scopes[#needs.scopes + 1] = scope end
      seen[scope] = true
    end
  end
  return needs
end

local PRINTED_KINDS = { "graph", "devolutions", "scopes", "run", "files" }

--- Every declared entry as one line: "graph: PATCH /users/{id}", "run: tell (with --tell)".
---@param needs script.needs
---@return string[]
function M.lines(needs)
  local list = {}
  for _, kind in ipairs(PRINTED_KINDS) do
    for _, entry in ipairs(needs[kind] or {}) do list[#list + 1] = ("%s: %s"):format(kind, M.text(entry)) end
    for name, more in pairs(needs.when or {}) do
      for _, entry in ipairs(more[kind] or {}) do
        list[#list + 1] = ("%s: %s (with --%s)"):format(kind, M.text(entry), (name:gsub("_", "-")))
      end
    end
  end
  for peer, entries in pairs(needs.peers or {}) do
    for _, entry in ipairs(entries) do list[#list + 1] = ("peers.%s: %s"):format(peer, M.text(entry)) end
  end
  return list
end

return M
