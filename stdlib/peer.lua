--- Services that the profile names as peers: HTTPS services other than Graph and Devolutions Server.
--
-- A profile names a peer: peers = { vault = { url = "https://vault.contoso.com", credential = { … } } }. A script says
-- what it calls there:
--
--   needs = { peers = { vault = { { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" } } } } }
--
-- and calls it: peer.vault:post("/v1/secret/data/app", { data = { password = value } }). There are get(path, options),
-- delete(path, options), and post, put and patch(path, body, options). Options: `what` the call does, for errors and
-- the record; `headers` ({ ["If-Match"] = … }; Content-Type for another body than JSON); `query`; missing = "nil": a
-- 404 returns nil; `repeatable`: sending it twice is harmless; `timeout` in seconds. The answer is { status, body,
-- headers }. Calls wait and retry as calls of `graph` do. The script never sees the credential of a peer.
--
-- Typed code (-e, the prompt) may read; it needs --write to change. It sees numbers, yes and no; each text in an answer
-- comes back as a secret, unless the profile says where this peer's answers have secrets: answers = { "data.data.*" },
-- or answers = {} when they have none.

local peer_call = require "peer.call"
local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local native_peer = require "host.peer"
local nearest = require "base.nearest"
local options_of = require("base.options").of
local profiles = require "profile.current"
local sets = require "base.sets"

local M = {}

---@class peer.options
---@field what string? what the call does, for errors and the record: "store the secret in Vault"
---@field query table<string, string>?
---@field headers table<string, string>? such as X-Vault-Namespace, If-Match; Content-Type for another kind of body
---@field repeatable boolean? is sending the call twice harmless? (yes for GET, PUT and DELETE)
---@field missing "nil"? return nil when the service answers 404, instead of raising "missing"
---@field timeout number? seconds to wait for an answer (30)
---@field id string? of a signed message (Standard Webhooks); made anew when absent

local TYPES = {
  what = "string", query = "table", headers = "table", repeatable = "boolean", missing = "string", timeout = "number",
  id = "string",
}

---@class peer.answer
---@field status integer "201"
---@field body any? a table (JSON), a text, or nil; secrets come as secret values
---@field headers table<string, string> content-type, date, etag, link, location, www-authenticate

--- A service that the profile names.
---@class Peer
local Peer = class("peer", { open = { "get", "post", "put", "patch", "delete" } })

local settings_of = setmetatable({}, { __mode = "k" }) ---@type table<Peer, profile.peer>

local function new_reader(name) return options_of("peer." .. name, TYPES) end

local read_options = {
  get = new_reader "get", post = new_reader "post", put = new_reader "put", patch = new_reader "patch",
  delete = new_reader "delete",
}

local function perform(self, name, path, body, options)
  if not settings_of[self] then error(("a peer is needed: peer.NAME:%s(\"/v1/…\")"):format(name), 3) end
  if type(path) ~= "string" then error(("the path of the call is needed: %s(\"/v1/…\")"):format(name), 3) end
  return peer_call.perform(peer_call.new(settings_of[self], name:upper(), path, body, read_options[name](options)))
end

--- Read: `peer.vault:get("/v1/secret/data/app")`. Raises "missing" for a 404, or returns nil with missing = "nil".
--- Waits.
---@param path string below the address of the peer; "/" is that address itself. Use peer.path(…) for names in it.
---@param options peer.options?
---@return peer.answer?
function Peer:get(path, options) return perform(self, "get", path, nil, options) end

--- Create an object, or call an action. When the answer is lost, the call is not repeated, and raises
--- "unknown_outcome". Waits.
---@param path string
---@param body table|string|nil a table is sent as JSON, a text as it is
---@param options peer.options?
---@return peer.answer
function Peer:post(path, body, options) return perform(self, "post", path, body, options) end

--- Replace an object. Waits.
---@param path string
---@param body table|string|nil
---@param options peer.options?
---@return peer.answer
function Peer:put(path, body, options) return perform(self, "put", path, body, options) end

--- Change an object. When the answer is lost, the call is not repeated, and raises "unknown_outcome". Waits.
---@param path string
---@param body table|string|nil
---@param options peer.options?
---@return peer.answer
function Peer:patch(path, body, options) return perform(self, "patch", path, body, options) end

--- Delete an object. Raises "missing" when there is none, or returns nil with missing = "nil". When the answer of the
--- first try was lost, and the next try finds no object, the deletion counts as done. Waits.
---@param path string
---@param options peer.options?
---@return peer.answer?
function Peer:delete(path, options) return perform(self, "delete", path, nil, options) end

--- Fill a template with values, each escaped as one segment: `peer.path("/v1/{mount}/data/{path}", "secret", name)`.
---@param template string
---@param ... string
---@return string
function M.path(template, ...)
  local values, place = { ... }, 0
  return (template:gsub("{[^}]*}", function()
    place = place + 1
    if values[place] == nil then error(("peer.path: no value for %s"):format(template), 3) end
    return native_peer.segment(values[place])
  end))
end

--- The names of the peers in the profile, sorted.
---@return string[]
function M.names() return sets.sorted(profiles.current().peers) end

local objects, objects_profile = {}, nil ---@type table<string, Peer>, profile?

-- The peer of this name. Raises "config" when the profile names none.
local function peer_of(_, name)
  local profile = profiles.current()
  if objects_profile ~= profile then objects, objects_profile = {}, profile end
  local settings = type(name) == "string" and profile.peers[name]
  if settings then
    local object = objects[name] or Peer {}
    objects[name], settings_of[object] = object, settings
    return object
  end
  local meant = type(name) == "string" and nearest(name, profile.peers)
  fail.raise {
    kind = "config", what = ("use the peer '%s'"):format(tostring(name)),
    why = ("the profile %s names no such peer"):format(profile.name or ""),
    fix = meant and ("Did you mean '%s'?"):format(meant)
      or ('Add peers = { %s = { url = "https://…" } } to the profile in %s.'):format(hint.key(tostring(name)),
        profile.file or "the configuration"),
  }
end

return setmetatable(M, { __index = peer_of })
