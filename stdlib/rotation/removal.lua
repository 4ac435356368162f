--- Removing a credential, and knowing when it is gone: after a lost answer it is
--- asked for again, and Entra refuses to remove what is not there.

local fail = require "fail"
local graph = require "graph"
local mint = require "rotation.mint"
local prove = require "rotation.prove"
local task = require "task"

local M = {}

local HIDDEN = 3600 -- seconds a new credential may be missing from what Entra lists
local PATIENCE, PAUSE = 120, 5 -- seconds what was removed may still be listed
local WRONG_SECRET = 7000215

local function is_listed(application, key_id)
  for _, credential in ipairs(mint.credentials(application)) do
    if credential.keyId == key_id then return true end
  end
  return false
end

-- Wait until it leaves the list. Did it, and was it in it before?
local function leaves_list(application, key_id)
  local waited = 0
  while is_listed(application, key_id) do
    if waited >= PATIENCE then return false end
    task.sleep(PAUSE)
    waited = waited + PAUSE
  end
  return true, waited > 0
end

--- Is it so new that not being listed means nothing?
---@param row rotation.row
---@return boolean
function M.is_new(row)
  local since = row.body.known_at or row.body.sent_at
  return not since or mint.now() - since <= HIDDEN
end

-- Of a new one only a sign-in tells, if it was accepted before.
local function is_dead(application, row, value)
  if not row then return false end
  if not M.is_new(row) then return true end
  if not value or not row.body.proven_at then return false end
  local accepted, failure = prove.once(application.appId, value)
  return not accepted and failure.code == WRONG_SECRET
end

local function raise_uncertain(what)
  fail.raise {
    kind = "transient", what = what,
    why = "Entra refuses to and does not list it; it is so new that this does not show that it is gone",
    fix = "Run the same command again in an hour.",
  }
end

local function settle(application, key_id, what, row, value, err)
  local gone, seen = leaves_list(application, key_id)
  if not gone then error(err, 0) end
  if not seen and not is_dead(application, row, value) then raise_uncertain(what) end
end

---@class rotation.removal.of
---@field id string object id of the application
---@field appId string
---@field displayName string

--- Remove a credential. It being gone already is what was wanted.
---@param application rotation.removal.of
---@param key_id string
---@param name string
---@param row rotation.row? of this credential
---@param value host.secret? its value, where it is held
function M.run(application, key_id, name, row, value)
  local what = ("remove the client secret '%s'"):format(name)
  local ok, err = pcall(graph.post, graph.path("/applications/{id}/removePassword", application.id), {
    keyId = key_id,
  }, { repeatable = true, what = what, note = "client secret " .. key_id })
  if ok or fail.is(err, "missing") then return end
  if not fail.is(err, "refused") or err.status ~= 400 then error(err, 0) end
  settle(application, key_id, what, row, value, err)
end

return M
