--- Does a vault take an entry, give it back as it was, and give it up? Asked before
--- the first change of a run: what a vault cannot do is better known then.

local crypto = require "host.crypto"
local leases = require "journal.lease"
local secret = require "host.secret"
local server = require "devolutions.server"
local time = require "time"

local M = {}

--- The tag of what was written to try, and should it be left behind, how it is found.
M.TAG = "moonlatch-probe"

local FOREIGN = 3600 -- seconds after which nobody elsewhere is still trying with it

local function lease_of(journal, name)
  return leases.take(journal, "probe/" .. name, "see whether a vault can be written")
end

--- Was this entry left behind by a try that was cut short? Who tries holds a lease on its
--- name, which ends with the process; of another installation only the time tells.
---@param journal host.journal.journal
---@param entry devolutions.entry
---@return boolean
function M.is_abandoned(journal, entry)
  local at, installation = entry.name:match("^moonlatch probe (%d+) (%x+) ")
  if installation ~= journal:installation() then return not at or math.abs(time.now() - tonumber(at)) > FOREIGN end
  local lease = lease_of(journal, entry.name)
  if lease then lease:close() end
  return lease ~= nil
end

--- Remove from the vault what tries that were cut short have left there, wherever it lies.
---@param journal host.journal.journal
---@param vault_id string
function M.clear(journal, vault_id)
  for _, left in ipairs(server.entries(vault_id, { tag = M.TAG })) do
    if M.is_abandoned(journal, left) then server.delete_entry(vault_id, left.id) end
  end
end

--- Try. Raises when it does not.
---@param journal host.journal.journal
---@param vault_id string
---@param path string
function M.run(journal, vault_id, path)
  local mark = crypto.hex(crypto.random(4))
  local name = ("moonlatch probe %d %s %s"):format(time.now() // 1, journal:installation(), mark)
  local _ <close> = lease_of(journal, name) -- nobody else has this name
  local made = server.create_entry(vault_id, {
    name = name, path = path, type = "Credential", subType = "Default",
    description = "Written to see whether this vault can be written and read back. It may be deleted.",
    tags = { M.TAG }, data = { domain = "", username = "probe", password = secret.generate(16) },
  })
  server.delete_entry(vault_id, made.id)
end

return M
