--- Does a vault take an entry, give it back as it was, and give it up? Asked before
--- the first change of a run: what a vault cannot do is better known then.

local crypto = require "host.crypto"
local secret = require "host.secret"
local server = require "devolutions.server"
local time = require "time"

local M = {}

--- The tag of what was written to try, and should it be left behind, how it is found.
M.TAG = "moonlatch-probe"

local ABANDONED = 3600 -- seconds after which nobody is still trying with it

-- Left behind by a try that was cut short? Another process may be trying just now.
local function is_abandoned(entry)
  local at = tonumber(entry.name:match("^moonlatch probe (%d+) "))
  return not at or math.abs(time.now() - at) > ABANDONED
end

--- Try. Raises when it does not.
---@param vault_id string
---@param path string
---@param found devolutions.entry[]? what is there with the tag
function M.run(vault_id, path, found)
  for _, entry in ipairs(found or {}) do
    if is_abandoned(entry) then server.delete_entry(vault_id, entry.id) end
  end
  local name = ("moonlatch probe %d %s"):format(time.now() // 1, crypto.hex(crypto.random(4)))
  local made = server.create_entry(vault_id, {
    name = name, path = path, type = "Credential", subType = "Default",
    description = "Written to see whether this vault can be written and read back. It may be deleted.",
    tags = { M.TAG }, data = { domain = "", username = "probe", password = secret.generate(16) },
  })
  server.delete_entry(vault_id, made.id)
end

return M
