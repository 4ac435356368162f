--- Open a session's door. The profile says which services, programs and folders the door leads to; the declaration of
--- each script says what the script may do there.

local calls = require "devolutions.calls"
local fail = require "fail"
local hint = require "log.hint"
local permissions_needs = require "permissions.needs"
local profiles = require "profile.current"
local sets = require "base.sets"

local M = {}

---------------------------------------------------------------------------
-- Calls

local function join_with_commas(words) return words and words[1] and table.concat(words, ",") or nil end

local function allow_call(rights, peer, entry)
  local call = permissions_needs.call(entry)
  rights:allow(peer, call.method, call.path, join_with_commas(call.members), join_with_commas(call.secrets),
    join_with_commas(call.answers))
end

local function allow_devolutions_calls(rights, list)
  for _, call in ipairs(list) do rights:allow("devolutions", call[1], call[2]) end
end

---------------------------------------------------------------------------
-- Peers, programs and folders

-- Add a peer. `peer_settings` is the profile or a part of it: `ca` and `strict_certificates` of the peer.
local function add_peer(door, name, base, profile, peer_settings)
  local is_lenient = peer_settings.strict_certificates == false
  local is_local = peer_settings.loopback == true
  local proxy = not is_local and profile.proxy and profile.proxy.url or nil
  local add = type(base) == "string" and door.peer or door.secret_peer
  local ok, message = add(door, name, base, peer_settings.ca or profile.ca, proxy, is_lenient, is_local)
  if ok then return end
  local shown = type(base) == "string" and base or "a secret address"
  fail.raise {
    kind = "config", what = ("%s: use %s as %s"):format(profile.file, shown, name), why = message,
    fix = ("Correct the address in the profile: it is https://HOST or https://HOST:PORT, for %s."):format(name),
  }
end

-- Add the endpoint of a managed identity, which is reached without a proxy. Returns its path.
local function add_identity_peer(door, profile)
  local base, path = require("oauth.identity").place(profile)
  add_peer(door, "identity", base, { file = profile.file, ca = profile.ca }, profile)
  return path
end

-- The sign-in with a managed identity: of the profile, or of a wanted peer; nil when there is none. All managed
-- identities of a machine have the same endpoint.
local function find_identity_sign_in(profile, wanted_peers)
  local sign_ins = { profile.sign_in }
  for name in pairs(wanted_peers) do
    local credential = profile.peers[name] and profile.peers[name].credential
    sign_ins[#sign_ins + 1] = credential and credential.sign_in
  end
  for _, sign_in in ipairs(sign_ins) do
    if sign_in.method == "managed_identity" then return sign_in end
  end
end

local function has_devolutions_server(profile)
  return profile.devolutions ~= nil and profile.devolutions.server ~= nil
end

-- Add the peers that the script may reach. The secret address of any other peer is not even read.
local function add_declared_peers(door, profile, wanted)
  local peer_credential = next(wanted) and require "peer.credential" -- loaded only when it is needed
  for _, peer in pairs(profile.peers) do
    if wanted[peer.name] and peer.url then
      add_peer(door, peer.name, peer.url, profile, peer)
    elseif wanted[peer.name] then
      local address <close> = peer_credential.address(peer)
      peer_credential.check_address(profile, peer, address)
      add_peer(door, peer.name, address, profile, peer)
    end
  end
end

-- Add the profile's services, programs and folders; of its peers, the wanted ones. Returns the path of the identity
-- endpoint; nil when there is none.
local function add_profile_peers(door, profile, wanted_peers)
  local identity_sign_in = find_identity_sign_in(profile, wanted_peers)
  local identity = identity_sign_in
    and add_identity_peer(door, setmetatable({ sign_in = identity_sign_in }, { __index = profile })) or nil
  local proxy = profile.proxy
  if proxy and proxy.user then door:proxy_login(proxy.user, profiles.secret(proxy.password, "the proxy's password")) end
  add_peer(door, "login", profile.login, profile, profile)
  add_peer(door, "graph", profile.graph, profile, profile)
  local devolutions = profile.devolutions
  if has_devolutions_server(profile) then add_peer(door, "devolutions", devolutions.server, profile, devolutions) end
  add_declared_peers(door, profile, wanted_peers)
  for name, words in pairs(profile.programs or {}) do door:program(name, words) end
  for name, path in pairs(profile.folders or {}) do door:folder(name, path) end
  return identity
end

---------------------------------------------------------------------------
-- Rights

-- Moonlatch's own rights, whatever script runs: to sign in.
local function moonlatch_rights(door, profile, identity)
  local rights = door:rights("Moonlatch itself", "declared")
  rights:allow("login", "GET", "/*")
  rights:allow("login", "POST", "/*")
  if identity then rights:allow("identity", "GET", identity) end
  if has_devolutions_server(profile) then allow_devolutions_calls(rights, calls.SESSION) end
  return rights
end

local FIXES = {
  program = 'Add programs = { %s = { "/path/of/the/program" } } to the profile in %s.',
  folder = 'Add folders = { %s = "/path/of/the/folder" } to the profile in %s.',
  peer = 'Add peers = { %s = { url = "https://…" } } to the profile in %s.',
}

local OF_PRIVATE = "The private emulator of --emulator has none. The test of the script gets what it needs: "
  .. "{moonlatch} scripts test SCRIPT. Or start an emulator ({moonlatch} emulator --directory lab), and add it to the "
  .. "profile in lab/moonlatch.lua."

local function raise_name_not_in_profile(profile, owner, kind, name)
  fail.raise {
    kind = "config", what = ("%s: use the %s '%s'"):format(owner, kind, name),
    why = ("the profile %s names no %s '%s'"):format(profile.name or "", kind, name),
    fix = profile.is_private and hint.text(OF_PRIVATE)
      or FIXES[kind]:format(hint.key(name), profile.file or "the configuration"),
  }
end

local METHODS = { read = { "GET" }, write = { "GET", "POST", "PUT", "PATCH", "DELETE" } }

-- Code that declares nothing does not say where the answers of peers have secrets: the profile does.
local function note_secret_answers(rights, profile, mode)
  for name, peer in pairs(profile.peers or {}) do
    for _, method in ipairs(METHODS[mode] or {}) do
      rights:allow(name, method, "/*", nil, nil, join_with_commas(peer.answers))
    end
  end
end

-- The rights of one script, from its declaration.
local function rights_of_script(door, profile, owner, needs, mode)
  local rights = door:rights(owner, mode)
  note_secret_answers(rights, profile, mode)
  for _, name in ipairs(sets.sorted(needs.peers or {})) do
    if not (profile.peers or {})[name] then raise_name_not_in_profile(profile, owner, "peer", name) end
    for _, entry in ipairs(needs.peers[name]) do allow_call(rights, name, entry) end
  end
  for _, entry in ipairs(needs.graph or {}) do allow_call(rights, "graph", entry) end
  if has_devolutions_server(profile) then
    for _, word in ipairs(needs.devolutions or {}) do allow_devolutions_calls(rights, calls.calls_of_word(word)) end
  end
  for _, name in ipairs(needs.run or {}) do
    if not (profile.programs or {})[name] then raise_name_not_in_profile(profile, owner, "program", name) end
    rights:program(name)
  end
  for _, name in ipairs(needs.files or {}) do
    if not (profile.folders or {})[name] then raise_name_not_in_profile(profile, owner, "folder", name) end
    rights:folder(name)
  end
  return rights
end

-- Open the write budget. All processes that change one tenant as one application share it.
local function open_write_budget(session)
  local profile, budget = session.profile, session.profile.write_budget
  if not budget or not session.journal then return end
  local name = (profile.sign_in.client_id or profile.sign_in.method):gsub("[^%w-]", "_")
  local path = ("%s/writes-%s"):format(profile.state, name)
  local ok, message = session.door:budget(path, budget.writes, budget.seconds, session.clock)
  if ok then return end
  fail.raise {
    kind = "config", what = "open the write budget " .. path, why = message,
    fix = require("machine.state_folder").fix(path)
      or ("Remove %s when no other moonlatch is running; the next run makes it anew."):format(path),
  }
end

-- The names of the peers that the session's scripts declare. Undeclared code (-e, the REPL) may use every peer.
local function wanted_peers_of(profile, options)
  local wanted = {}
  local is_undeclared = not options.scripts and (options.mode or "declared") ~= "declared"
  for name in pairs(is_undeclared and profile.peers or {}) do wanted[name] = true end
  for name in pairs((options.needs or {}).peers or {}) do wanted[name] = true end
  for _, script in ipairs(options.scripts or {}) do
    for name in pairs(script.needs.peers or {}) do wanted[name] = true end
  end
  return wanted
end

--- Open the session's door, add the rights of each script, and seal the door: from then on, rights can only be
--- narrowed.
---@param session session with profile, journal and clock; gets its door and rights
---@param options session.options
---@return task.rights.session
function M.open(session, options)
  local profile = session.profile
  local door = require("host.gate").door(profile.kind, session.journal)
  session.door = door
  local identity = add_profile_peers(door, profile, wanted_peers_of(profile, options))
  open_write_budget(session)
  local session_rights = {
    own = moonlatch_rights(door, profile, identity), diagnosis = door:rights("Moonlatch itself", "read"),
  }
  if not options.scripts then
    local owner = options.owner or "this command"
    session_rights.script = rights_of_script(door, profile, owner, options.needs or {}, options.mode)
  end
  for _, script in ipairs(options.scripts or {}) do
    session.rights[script.name] = rights_of_script(door, profile, script.owner, script.needs)
  end
  door:seal()
  if not options.reading then return session_rights end
  if session_rights.script then session_rights.script = session_rights.script:narrow("read") end
  for name, rights in pairs(session.rights) do session.rights[name] = rights:narrow("read") end
  return session_rights
end

return M
