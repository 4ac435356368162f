--- The last rotations on record: one for each account, and one for each client secret or certificate.

local in_use = require "journal.in_use"
local rotations = require "journal.rotations"

local M = {}

---@class overview.rotation
---@field at number when it happened: of a password, by the directory; of a credential, when it was known or brought
--- where it is used
---@field kind "user password"|"client secret"|"certificate"
---@field name string of the account or the application
---@field short string? of a credential: "…c7e1"
---@field state string in words

local PASSWORD_STATES = {
  changed = "changed", current = "changed, and stored", closed = "changed, and stored",
  left = "it is unknown which value is in force", orphaned = "stopped: a person must look",
}

local CREDENTIAL_STATES = {
  known = "made, not brought to where it is used", proven = "made, not brought to where it is used",
  stored = "stored, not confirmed", handed_over = "handed over, not confirmed", confirmed = "in use",
  retiring = "replaced, still valid", closed = "replaced, and removed",
}

local function password_of(row)
  local body = row.body
  if not body.changed_at then return nil end
  return { at = body.changed_at, kind = body.type, name = body.name,
    state = PASSWORD_STATES[row.state] or "another change is under way" }
end

local function credential_of(row)
  local body = row.body
  local at = body.confirmed_at or body.stored_at or body.known_at
  if not at or body.adopted or body.by_person then return nil end
  return { at = at, kind = body.type, name = body.name, short = in_use.short_key_id(row),
    state = CREDENTIAL_STATES[row.state] or "under way" }
end

local SOURCES = {
  { rotations.user_passwords, password_of }, { rotations.client_secrets, credential_of },
  { rotations.certificates, credential_of },
}

local function is_newer(a, b)
  if a.at ~= b.at then return a.at > b.at end
  return a.name < b.name
end

--- The rotations that made a new value, newest first. Of an account, only the last one is on record.
---@param journal host.journal.journal
---@return overview.rotation[]
function M.rotations(journal)
  local list = {}
  for _, source in ipairs(SOURCES) do
    for _, row in ipairs(source[1]:all(journal)) do list[#list + 1] = source[2](row) end
  end
  table.sort(list, is_newer)
  return list
end

--- Where the passwords are that Moonlatch set, by the object ids of their accounts.
---@param journal host.journal.journal
---@return table<string, "entry"|"elsewhere">
function M.rotated_accounts(journal)
  local places = {}
  for _, row in ipairs(rotations.user_passwords:all(journal)) do
    if row.body.changed_at then places[row.id] = row.body.entry and "entry" or "elsewhere" end
  end
  return places
end

return M
