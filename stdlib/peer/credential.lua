--- How Moonlatch proves itself to a peer: a secret in a header, a token of the tenant's login service, or a signature.
--- The secret address of a peer is here, too. Secrets and tokens become bytes only in C.

local fail = require "fail"
local hint = require "log.hint"
local native_peer = require "host.peer"
local oauth = require "oauth.sign_in"
local profile_peers = require "profile.peers"
local profiles = require "profile.current"
local single_flight = require "task.single_flight"
local time = require "time"

local M = {}

-- Sources whose files a platform or a program renews while Moonlatch runs: they are read for each request.
local READ_AGAIN = { file = true, mounted = true, credentials_directory = true }

---@class peer.credential.held
---@field credential host.credential?
---@field renew_at number? server time
---@field kept table what is kept between the tokens
---@field fetch fun()

local held, settings = {}, nil ---@type table<string, peer.credential.held>, profile?

local function held_for(peer)
  if settings ~= profiles.current() then settings, held = profiles.current(), {} end
  local entry = held[peer.name]
  if entry then return entry end
  entry = { kept = {} }
  entry.fetch = single_flight.wrap(function()
    local token = oauth.token_for_peer(peer, entry.kept)
    entry.credential, entry.renew_at = token.credential, oauth.renewal_moment(token)
  end)
  held[peer.name] = entry
  return entry
end

local function from_secret(peer)
  local parts = peer.credential
  local value <close> = profiles.secret(parts.secret, ("the secret of the peer '%s'"):format(peer.name))
  return native_peer.credential(peer.url, parts.header, parts.prefix, value)
end

--- The credential for the next request to a peer; nil for a peer without one, or one whose requests are signed. Waits.
---@param peer profile.peer
---@return host.credential?
function M.current(peer)
  local parts = peer.credential
  if not parts or parts.webhook then return nil end
  local entry = held_for(peer)
  if parts.scope then
    if not entry.credential or time.now() >= entry.renew_at then entry.fetch() end
  elseif not entry.credential or READ_AGAIN[parts.secret.from] then
    entry.credential = from_secret(peer)
  end
  return entry.credential
end

--- Get a new credential for a peer that did not accept this one; nothing when another task got one already. Waits.
---@param peer profile.peer
---@param refused host.credential?
function M.renew(peer, refused)
  local entry = held_for(peer)
  if entry.credential ~= refused then return end
  entry.credential = nil
  M.current(peer)
end

--- The secret address of a peer. The caller closes it.
---@param peer profile.peer
---@return host.secret
function M.address(peer) return profiles.secret(peer.address, ("the address of the peer '%s'"):format(peer.name)) end

--- Refuse a secret address at a service that is no peer: login, Graph, Devolutions, the metadata service. Raises
--- "config".
---@param profile profile
---@param peer profile.peer
---@param address host.secret
function M.check_address(profile, peer, address)
  local origin, why = native_peer.origin(address)
  if not origin then
    fail.raise {
      kind = "config", what = ("%s: profiles.%s.peers.%s"):format(profile.file, profile.name, peer.name), why = why,
      fix = hint.text("Store the whole address, https:// included: {moonlatch} login --secret %s",
        profile_peers.secret_word(peer.name)),
    }
  end
  profile_peers.check_origin(profile, peer, origin)
end

--- Sign a request to a peer whose credential is a webhook's secret.
---@param peer profile.peer
---@param request host.request
---@param id string of the message
function M.sign(peer, request, id)
  local source = peer.credential.webhook
  local value <close> = profiles.secret(source, ("the secret of the peer '%s'"):format(peer.name))
  local ok, why = native_peer.sign(request, value, id, math.floor(time.now()))
  if ok then return end
  fail.raise {
    kind = "config", what = ("sign a message for the peer '%s'"):format(peer.name), why = why,
    fix = hint.text("Store the secret as its receiver shows it: {moonlatch} login --secret %s",
      profile_peers.secret_word(peer.name)),
  }
end

return M
