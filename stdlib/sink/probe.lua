--- Probe a vault before the first change of a run: does it accept an entry, return it unchanged, and let it be deleted?

local crypto = require "host.crypto"
local leases = require "journal.lease"
local secret = require "host.secret"
local server = require "devolutions.server"
local time = require "time"

local M = {}

--- The tag of probe entries. The entries that interrupted runs left behind are found by it.
M.TAG = "moonlatch-probe"

local FOREIGN = 3600 -- seconds after which a probe entry of another installation counts as left behind

local function take_probe_lease(journal, name)
  return leases.take(journal, "probe/" .. name, "see whether a vault can be written")
end

--- Was this probe entry left behind by an interrupted run? A run holds a lease on the entry's name for as long as its
--- process lives. For a run of another installation only the entry's age decides.
---@param journal host.journal.journal
---@param entry devolutions.entry
---@return boolean
function M.is_abandoned(journal, entry)
  local at, installation = entry.name:match("^moonlatch probe (%d+) (%x+) ")
  if installation ~= journal:installation() then return not at or math.abs(time.now() - tonumber(at)) > FOREIGN end
  local lease = take_probe_lease(journal, entry.name)
  if lease then lease:close() end
  return lease ~= nil
end

--- Delete the probe entries that interrupted runs left in the vault. Waits.
---@param journal host.journal.journal
---@param vault_id string
function M.delete_abandoned(journal, vault_id)
  for _, left in ipairs(server.entries(vault_id, { tag = M.TAG })) do
    if M.is_abandoned(journal, left) then server.delete_entry(vault_id, left.id) end
  end
end

--- Create a probe entry in the vault, read it back and delete it. Raises a failure when the vault does not pass. Waits.
---@param journal host.journal.journal
---@param vault_id string
---@param path string
function M.try_vault(journal, vault_id, path)
  local mark = crypto.hex(crypto.random(4))
  local name = ("moonlatch probe %d %s %s"):format(time.now() // 1, journal:installation(), mark)
  local _ <close> = take_probe_lease(journal, name) -- nobody else uses this name
  local made = server.create_entry(vault_id, {
    name = name, path = path, type = "Credential", subType = "Default",
    description = "Written to see whether this vault can be written and read back. It may be deleted.",
    tags = { M.TAG }, data = { domain = "", username = "probe", password = secret.generate(16) },
  })
  server.delete_entry(vault_id, made.id)
end

return M
