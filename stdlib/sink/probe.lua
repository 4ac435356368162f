--- Does a vault take an entry, give it back as it was, and give it up? Asked before
--- the first change of a run: what a vault cannot do is better known then.

local crypto = require "host.crypto"
local secret = require "host.secret"
local server = require "devolutions.server"

local M = {}

--- The tag of what was written to try, and should it be left behind, how it is found.
M.TAG = "moonlatch-probe"

--- Try. Raises when it does not.
---@param vault_id string
---@param path string
---@param stale devolutions.entry[]? left behind by a try that was cut short
function M.run(vault_id, path, stale)
  for _, entry in ipairs(stale or {}) do server.delete_entry(vault_id, entry.id) end
  local made = server.create_entry(vault_id, {
    name = "moonlatch probe " .. crypto.hex(crypto.random(4)), path = path, type = "Credential", subType = "Default",
    description = "Written to see whether this vault can be written and read back. It may be deleted.",
    tags = { M.TAG }, data = { domain = "", username = "probe", password = secret.generate(16) },
  })
  server.delete_entry(vault_id, made.id)
end

return M
