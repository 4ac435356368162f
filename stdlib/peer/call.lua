--- One call of a peer: its request, its tries and its failure. Only the library uses this; scripts use `peer`.

local class = require "base.class"
local crypto = require "host.crypto"
local explain = require "explain.cause"
local fail = require "fail"
local http = require "http.client"
local native_peer = require "host.peer"
local outage = require "http.outage"
local peer_credential = require "peer.credential"
local retry = require "http.retry"

local M = {}

---@class peer.call: http.retry.call
---@field settings profile.peer
---@field method string
---@field path string
---@field body table|string|nil
---@field options peer.options
---@field id string? of a signed message, the same for each try
---@field credential host.credential? the credential of the last try
local Call = class "peer.call"

local function refuse_path_of_secret_address(call)
  fail.raise {
    kind = "usage", what = call.what,
    why = "the whole address of this peer is a secret, so a call has neither a path nor a query",
    fix = ('Write peer.%s:%s("/", …).'):format(call.peer, call.method:lower()),
  }
end

-- Build the request of one try.
---@return host.request
local function build(call)
  local peer, options = call.settings, call.options
  if peer.address and (call.path ~= "/" or options.query) then refuse_path_of_secret_address(call) end
  local request
  if peer.url then
    request = native_peer.request(peer.name, peer.url, call.method, call.path, options.query, call.body,
      options.headers)
  else
    local address <close> = peer_credential.address(peer)
    request = native_peer.request_at(peer.name, address, call.method, call.body, options.headers)
  end
  if call.id then peer_credential.sign(peer, request, call.id) end
  return request
end

function Call:attempt()
  local request <close> = self.first or build(self)
  self.first, self.credential = nil, peer_credential.current(self.settings)
  local answer <close>, message, kind, maybe_sent = http.send(request, self.credential, {
    timeout = self.options.timeout, note = self.what,
  })
  if not answer then return nil, retry.transport_failure(message, kind, maybe_sent) end
  return native_peer.judge(request, answer)
end

function Call:get_new_credential() peer_credential.renew(self.settings, self.credential) end

--- Make a call. Raises an error for a wrong path, query, body or header.
---@param peer profile.peer
---@param method string
---@param path string
---@param body table|string|nil
---@param options peer.options
---@return peer.call
function M.new(peer, method, path, body, options)
  local is_signed = peer.credential and peer.credential.webhook
  local call = Call {
    what = options.what or ("%s %s at %s"):format(method, path, peer.name), peer = peer.name, settings = peer,
    method = method, path = path, body = body, options = options,
    id = is_signed and (options.id or "msg_" .. crypto.uuid()) or nil,
  }
  call.first = build(call)
  local changes, repeatable = call.first:traits()
  call.changes = changes
  call.repeatable = repeatable
  if options.repeatable ~= nil then call.repeatable = options.repeatable end
  if call.id then call.repeatable = true end -- the receiver knows the message by its id
  if peer.credential and not is_signed then call.renew = Call.get_new_credential end
  return call
end

local function words_of(failure)
  if not failure.status then return failure.message end
  local code = failure.inner_code or failure.code
  return code and code ~= failure.message and ("%d %s: %s"):format(failure.status, code, failure.message)
    or ("%d: %s"):format(failure.status, failure.message)
end

--- Send the call until it succeeds or must not be tried again. Raises its failure; returns nil for a missing object
--- when the options allow that. Waits.
---@param call peer.call
---@return host.peer.answer?
function M.perform(call)
  local answer, failure = retry.run(call)
  if answer then return answer end
  if failure.kind == "missing" then
    -- A lost answer to a DELETE before: that one may have deleted what is missing now.
    if call.method == "DELETE" and failure.maybe_sent then return { status = failure.status, headers = {} } end
    if call.options.missing == "nil" then return nil end
  end
  local reason = explain.peer(failure, call.settings.name)
  fail.raise {
    kind = failure.kind, what = call.what, why = explain.why(reason, failure, words_of(failure), call.settings.name),
    fix = reason.fix, resumes = reason.resumes, status = failure.status, code = failure.inner_code or failure.code,
    message = failure.message, cause = failure, unreachable = outage.is_unreached(failure) or nil,
  }
end

return M
