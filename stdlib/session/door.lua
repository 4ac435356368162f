--- Open a session's door: where it leads, from the profile, and what each script may do there, from its declaration.

local calls = require "devolutions.calls"
local fail = require "fail"
local permissions_needs = require "permissions.needs"

local M = {}

---------------------------------------------------------------------------
-- Calls

local function list_of(words) return words and words[1] and table.concat(words, ",") or nil end

local function allow_call(rights, peer, entry)
  local call = permissions_needs.call(entry)
  rights:allow(peer, call.method, call.path, list_of(call.members), list_of(call.secrets), list_of(call.answers))
end

local function allow_devolutions(rights, list)
  for _, call in ipairs(list) do rights:allow("devolutions", call[1], call[2]) end
end

---------------------------------------------------------------------------
-- Where it leads

-- Add a peer. `settings` (the profile, or a part of it) says how strictly its certificates are checked.
local function add_peer(door, name, base, profile, settings)
  local lenient = settings.strict_certificates == false
  local ok, message = door:peer(name, base, settings.ca or profile.ca, profile.proxy, lenient)
  if ok then return end
  fail.raise {
    kind = "config", what = ("%s: use %s as %s"):format(profile.file, base, name), why = message,
    fix = "Correct the address in the profile.",
  }
end

-- Add the endpoint of a managed identity, without a proxy.
local function add_identity(door, profile)
  local base, path = require("oauth.identity").place(profile)
  add_peer(door, "identity", base, { file = profile.file, ca = profile.ca }, profile)
  return path
end

local function has_server(profile)
  return profile.devolutions ~= nil and profile.devolutions.server ~= nil
end

-- Add the profile's services, programs and folders. Returns the path of the identity endpoint, if there is one.
local function add_places(door, profile)
  local identity = profile.sign_in.method == "managed_identity" and add_identity(door, profile) or nil
  add_peer(door, "login", profile.login, profile, profile)
  add_peer(door, "graph", profile.graph, profile, profile)
  local devolutions = profile.devolutions
  if has_server(profile) then add_peer(door, "devolutions", devolutions.server, profile, devolutions) end
  for name, words in pairs(profile.programs or {}) do door:program(name, words) end
  for name, path in pairs(profile.folders or {}) do door:folder(name, path) end
  return identity
end

---------------------------------------------------------------------------
-- Rights

-- The rights of Moonlatch itself, for every script.
local function own_rights(door, profile, identity)
  local rights = door:rights("Moonlatch itself", "declared")
  rights:allow("login", "GET", "/*")
  rights:allow("login", "POST", "/*")
  if identity then rights:allow("identity", "GET", identity) end
  if has_server(profile) then allow_devolutions(rights, calls.SESSION) end
  return rights
end

local function raise_unnamed(profile, owner, kind, name)
  fail.raise {
    kind = "config", what = ("%s: use the %s '%s'"):format(owner, kind, name),
    why = ("the profile %s names no %s '%s'"):format(profile.name or "", kind, name),
    fix = kind == "program" and ('Add programs = { %s = { "/path/of/the/program" } } to the profile in %s.')
      :format(name, profile.file or "the configuration")
      or ('Add folders = { %s = "/path/of/the/folder" } to the profile in %s.')
      :format(name, profile.file or "the configuration"),
  }
end

local function refuse_peers(profile, owner, peers)
  local name = next(peers or {})
  if not name then return end
  fail.raise {
    kind = "config", what = ("%s: reach the peer '%s'"):format(owner, name),
    why = ("the profile %s names no such service, and this version of Moonlatch reaches login, Graph and Devolutions "
      .. "Server only"):format(profile.name or ""),
    fix = "Leave needs.peers out of the script.",
  }
end

-- The rights of one script, from its declaration.
local function script_rights(door, profile, owner, needs, mode)
  refuse_peers(profile, owner, needs.peers)
  local rights = door:rights(owner, mode)
  for _, entry in ipairs(needs.graph or {}) do allow_call(rights, "graph", entry) end
  if has_server(profile) then
    for _, word in ipairs(needs.devolutions or {}) do allow_devolutions(rights, calls.of(word)) end
  end
  for _, name in ipairs(needs.run or {}) do
    if not (profile.programs or {})[name] then raise_unnamed(profile, owner, "program", name) end
    rights:program(name)
  end
  for _, name in ipairs(needs.files or {}) do
    if not (profile.folders or {})[name] then raise_unnamed(profile, owner, "folder", name) end
    rights:folder(name)
  end
  return rights
end

-- All processes that change one tenant as one application share a write budget.
local function open_budget(session)
  local profile, budget = session.profile, session.profile.write_budget
  if not budget or not session.journal then return end
  local name = (profile.sign_in.client_id or profile.sign_in.method):gsub("[^%w-]", "_")
  local path = ("%s/writes-%s"):format(profile.state, name)
  local ok, message = session.door:budget(path, budget.writes, budget.seconds, session.clock)
  if ok then return end
  fail.raise {
    kind = "config", what = "count what is changed", why = message,
    fix = require("machine.state_folder").fix(path)
      or ("Remove %s when nothing else is running; it holds nothing of value."):format(path),
  }
end

local function narrowed(rights, reading)
  return reading and rights:narrow("read") or rights
end

--- Open the session's door, add the rights of each script, and seal it: from then on rights can only be narrowed.
---@param session session its profile, journal and clock; gets its door and rights
---@param options session.options
---@return task.rights.session
function M.open(session, options)
  local profile = session.profile
  local door = require("host.gate").door(profile.kind, session.journal)
  session.door = door
  local identity = add_places(door, profile)
  open_budget(session)
  local acting = { own = own_rights(door, profile, identity), diagnosis = door:rights("Moonlatch itself", "read") }
  if not options.scripts then
    acting.script = script_rights(door, profile, options.owner or "this command", options.needs or {}, options.mode)
  end
  for _, script in ipairs(options.scripts or {}) do
    session.rights[script.name] = script_rights(door, profile, script.owner, script.needs)
  end
  door:seal()
  if acting.script then acting.script = narrowed(acting.script, options.reading) end
  for name, rights in pairs(session.rights) do session.rights[name] = narrowed(rights, options.reading) end
  return acting
end

return M
