--- Devolutions Server: vaults and entries, by the profile's application identity. Calls wait, page and retry, and fail
--- with a cause and a fix. The session is opened by the first call and closed with the program.
--
-- The API has no ETag, and an update replaces the whole entry. So `replace_entry` reads the entry before it writes, and
-- reads it back afterwards.

local options_of = require("base.options").of
local server = require "devolutions.server"

local M = {}

--- The server's version ("2026.2.12.0") and name.
---@return { version: string, name: string? }
function M.info() return server.info() end

--- All vaults the application identity may see.
---@return table[] vaults with id, name, description, …
function M.vaults() return server.vaults() end

--- The vault of that name (or id). Raises "missing" when there is none, "conflict" when there are several.
---@param name string
---@return table
function M.vault(name) return server.vault(name) end

local FILTER = { name = "string", path = "string", tag = "string" }
local read_filter, read_each_filter = options_of("devolutions.entries", FILTER),
  options_of("devolutions.each_entry", FILTER)

--- Go through the entries of a vault that fit the filter, without their secrets. The case of a folder's name does not
--- matter.
---@param vault_id string
---@param filter { name: string?, path: string?, tag: string? }?
---@return fun(): devolutions.entry?
function M.each_entry(vault_id, filter) return server.each_entry(vault_id, read_each_filter(filter)) end

--- The entries of a vault as a list, without their secrets; filtered as by `each_entry`.
---@param vault_id string
---@param filter { name: string?, path: string?, tag: string? }?
---@return devolutions.entry[]
function M.entries(vault_id, filter) return server.entries(vault_id, read_filter(filter)) end

--- One entry with its secrets. Raises "denied" when the server hides them.
---@param vault_id string
---@param id string
---@return devolutions.entry
function M.entry(vault_id, id) return server.entry(vault_id, id) end

--- Does the entry carry this tag?
---@param entry devolutions.entry
---@param tag string
---@return boolean
function M.has_tag(entry, tag) return server.has_tag(entry, tag) end

---@class devolutions.new_entry
---@field name string
---@field path string? folders, separated by "\"
---@field type string? "Credential"
---@field subType string "Default", "AzureServicePrincipal", …
---@field description string?
---@field tags string[]?
---@field data table members by subType; secrets as host.secret

local read_entry = options_of("devolutions.create_entry", {
  name = "string", path = "string", type = "string", subType = "string", description = "string", tags = "table",
  data = "table",
})

--- Create an entry, and read it back. Raises "conflict" when the server has put the entry into another folder; then it
--- is deleted again.
---@param vault_id string
---@param fields devolutions.new_entry
---@return devolutions.entry
function M.create_entry(vault_id, fields) return server.create_entry(vault_id, read_entry(fields)) end

--- Replace an entry that was read with `entry` and then changed. Returns the entry as it is afterwards. Raises
--- "conflict" when somebody else has changed the entry since.
---@param vault_id string
---@param entry devolutions.entry
---@return devolutions.entry
function M.replace_entry(vault_id, entry) return server.replace_entry(vault_id, entry) end

--- Delete an entry. No failure when it is gone already.
---@param vault_id string
---@param id string
function M.delete_entry(vault_id, id) return server.delete_entry(vault_id, id) end

return M
