--- What a policy file may say: whose credentials are changed, how often, when,
--- within which limits, and where the new ones go. A policy reads as data; it is
--- checked when it is loaded, and asks nobody.
--
--   local policy = require "policy"
--   return policy {
--     summary = "Tier 0 accounts, monthly",
--     select = policy.users { group = "PAM managed tier 0" } - policy.users { upn = "breakglass@…" },
--     every = "30d", sink = policy.devolutions.server { vault = "Privileged", path = "Tier0" },
--   }

local declaration = require "policy.declaration"
local select = require "policy.select"
local sinks = require "policy.sinks"

local M = {}

--- Users: in a group (with the groups within it), by name, by directory role (active or eligible). Selections are
--- added with + and taken away with -.
---@param fields { group: string|string[]|nil, upn: string|string[]|nil, role: string|string[]|nil }
---@return policy.selection
M.users = select.users

--- Applications: by client id, those we own, or the provider that setup made, by its name.
---@param fields { client_id: string|string[]|nil, provider: string|string[]|nil, owned: boolean? }
---@return policy.selection
M.applications = select.applications

--- Accounts that are guests: `users{…} - guests()`.
---@return policy.selection
M.guests = select.guests

--- Accounts synced from on-premises.
---@return policy.selection
M.synced = select.synced

--- Accounts that are disabled.
---@return policy.selection
M.disabled = select.disabled

--- Accounts whose domain is federated.
---@return policy.selection
M.federated = select.federated

--- Sinks of Devolutions: `devolutions.server { vault = "…", path = "…" }` keeps the new values in entries of
--- Devolutions Server: in this vault and folder, else in the profile's.
M.devolutions = { server = sinks.server }

--- A sink: a person's hands. For client secrets.
---@return policy.sink
M.handover = sinks.handover

--- A sink: a new file in a folder, which only the holder of a private key can open. For client secrets.
---@param fields { to: string, folder: string } `to` is a file with the public key, in PEM; `folder` is the profile's
--- name of the folder
---@return policy.sink
M.sealed = sinks.sealed

--- A sink: a program that reads the value from its standard input. For client secrets.
---@param words string[] the name that the profile gives the program, and its arguments
---@return policy.sink
M.command = sinks.command

return setmetatable(M, { __call = function(_, fields) return declaration.mark(fields) end })
