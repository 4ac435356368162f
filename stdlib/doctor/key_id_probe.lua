--- A probe that changes something: does addPassword take a key id that is sent along? It adds a client secret to an
--- application that an admin names, looks at what Entra made of it, and removes it again. Nobody keeps its value.

local call = require "graph.call"
local change_outcome = require "rotation.change_outcome"
local client_secret = require "rotation.client_secret"
local crypto = require "base.crypto"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local time = require "time"

local M = {}

local NAME = "moonlatch probe of a key id" -- of the client secret, for who finds one
local LIFE = 3600 -- seconds of a client secret that could not be removed

--- The application with that client id. Raises "usage" when there is none.
---@param client_id string
---@return table
function M.find(client_id)
  local found = graph.get(graph.path("/applications(appId={id})", client_id), {
    select = { "id", "appId", "displayName" }, missing = "nil", what = "look for the application of --try-on",
  })
  return found or fail.raise {
    kind = "usage", what = "look for the application of --try-on",
    why = ("the tenant has no application with the client id %s"):format(client_id),
    fix = "Give the Application (client) ID of an application that was made for this: Entra admin center > App "
      .. "registrations > New registration.",
  }
end

local function raise_left_behind(application, key_id, ends, why)
  fail.raise {
    kind = "transient", what = ("remove the client secret '%s' of '%s' again"):format(NAME, application.displayName),
    why = why,
    fix = ("Remove it, if it is there: Entra admin center > App registrations > %s > Certificates & secrets; its "
      .. "Secret ID is %s. It expires on %s.")
      :format(application.displayName, key_id, time.iso(ends)),
  }
end

local function add(application, key_id, ends)
  return call.perform(call.new("POST", graph.path("/applications/{id}/addPassword", application.id), {
    passwordCredential = { keyId = key_id, displayName = NAME, endDateTime = time.iso(ends) },
  }, {
    repeatable = false, what = ("add a client secret with a key id to '%s'"):format(application.displayName),
    note = "probe: client secret " .. key_id,
  }))
end

local function is_listed(application, key_id)
  for _, credential in ipairs(client_secret.read(application)) do
    if credential.keyId == key_id then return true end
  end
  return false
end

local function remove(application, made, ends)
  local ok, failure = pcall(client_secret.remove, application, nil,
    { keyId = made.keyId, displayName = NAME, startDateTime = made.startDateTime })
  if ok then return end
  if not fail.is(failure) then error(failure, 0) end
  raise_left_behind(application, made.keyId, ends, failure.why)
end

--- Try it. Raises when the client secret may have stayed. Waits.
---@param application table of M.find
---@return boolean? holds nil: it could not be tried
---@return string seen
function M.settle(application)
  local key_id, ends = crypto.uuid(), (graph_clock.now() + LIFE) // 1
  local ok, made = pcall(add, application, key_id, ends)
  if not ok then
    if not fail.is(made) then error(made, 0) end
    if not change_outcome.certainly_not(made) then raise_left_behind(application, key_id, ends, made.why) end
    if made.kind == "refused" then return false, made.why end
    return nil, made.why
  end
  local _ <close> = made.secretText
  if type(made.keyId) ~= "string" then
    raise_left_behind(application, key_id, ends, "the answer of addPassword has no key id")
  end
  local holds, listed = made.keyId == key_id, is_listed(application, made.keyId)
  remove(application, made, ends)
  return holds, ("the answer had %s key id; it was %s at once; the client secret was removed again")
    :format(holds and "that" or "another", listed and "listed" or "not listed")
end

return M
