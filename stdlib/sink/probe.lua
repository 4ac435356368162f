--- Try a vault before the first change of a run: does it accept an entry, return it unchanged, and let it be deleted?

local crypto = require "host.crypto"
local leases = require "journal.lease"
local secret = require "host.secret"
local server = require "devolutions.server"
local time = require "time"

local M = {}

--- The tag of trial entries, by which those that were left behind are found.
M.TAG = "moonlatch-probe"

local FOREIGN = 3600 -- seconds after which a trial entry of another installation counts as left behind

local function lease_of(journal, name)
  return leases.take(journal, "probe/" .. name, "see whether a vault can be written")
end

--- Was this entry left behind by an interrupted try? A try holds a lease on its name, which ends with the process; for
--- another installation only the time tells.
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

--- Delete the trial entries that interrupted tries left in the vault. Waits.
---@param journal host.journal.journal
---@param vault_id string
function M.clear(journal, vault_id)
  for _, left in ipairs(server.entries(vault_id, { tag = M.TAG })) do
    if M.is_abandoned(journal, left) then server.delete_entry(vault_id, left.id) end
  end
end

--- Try the vault. Raises a failure when it does not pass. Waits.
---@param journal host.journal.journal
---@param vault_id string
---@param path string
function M.run(journal, vault_id, path)
  local mark = crypto.hex(crypto.random(4))
  local name = ("moonlatch probe %d %s %s"):format(time.now() // 1, journal:installation(), mark)
  local _ <close> = lease_of(journal, name) -- nobody else uses this name
  local made = server.create_entry(vault_id, {
    name = name, path = path, type = "Credential", subType = "Default",
    description = "Written to see whether this vault can be written and read back. It may be deleted.",
    tags = { M.TAG }, data = { domain = "", username = "probe", password = secret.generate(16) },
  })
  server.delete_entry(vault_id, made.id)
end

return M
