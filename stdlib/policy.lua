--- What a policy file contains: whose credentials are rotated, how often, when, within which limits, and where new
--- values go. Loading a policy only checks it.
--
--   local policy = require "policy"
--   return policy {
--     summary = "Tier 0 accounts, monthly",
--     select = policy.users { group = "PAM managed tier 0" } - policy.users { upn = "breakglass@…" },
--     every = "30d", sink = policy.devolutions.server { vault = "Privileged", path = "Tier0" },
--   }

local policy_declaration = require "policy.declaration"
local policy_select = require "policy.select"
local sinks = require "policy.sinks"

local M = {}

--- Select users: in a group (nested groups included), by name, by directory role (active or eligible), by attributes:
--- `where = { department = "IT", jobTitle = { "Admin", "Operator" } }`. `+` adds a selection, `-` removes one.
---@param fields policy.select.users
---@return policy.selection
M.users = policy_select.users

--- Select applications: by client id, the applications that the signed-in principal owns, or the setup's application of
--- a provider, by the provider's name.
---@param fields { client_id: string|string[]|nil, provider: string|string[]|nil, owned: boolean? }
---@return policy.selection
M.applications = policy_select.applications

--- Select guests, to leave them out: `users{…} - guests()`.
---@return policy.selection
M.guests = policy_select.guests

--- Select accounts synced from on-premises, to leave them out.
---@return policy.selection
M.synced = policy_select.synced

--- Select disabled accounts, to leave them out.
---@return policy.selection
M.disabled = policy_select.disabled

--- Select accounts whose domain is federated, to leave them out.
---@return policy.selection
M.federated = policy_select.federated

--- A sink: `devolutions.server { vault = "…", path = "…" }` stores new values in entries of Devolutions Server, in this
--- vault and folder; by default in the profile's.
M.devolutions = { server = sinks.server }

--- A sink: a person takes the value (`moonlatch handover`). For client secrets.
---@return policy.sink
M.handover = sinks.handover

--- A sink: a script (`moonlatch scripts` lists those that begin with sinks/) stores new values at another service, in a
--- file, or with a program. Its arguments are checked when the policy is run. For client secrets; and for users'
--- passwords where the script can hold a pending value, read it back, and tell when another installation stores one.
---@param name string "sinks/vault"
---@param fields table<string, any>? the arguments of the script; and `linked = true` when the consumer reads this very
--- place, so that a value that was stored and read back there is in use
---@return policy.sink
M.sink = sinks.script

return setmetatable(M, { __call = function(_, fields) return policy_declaration.mark(fields) end })
