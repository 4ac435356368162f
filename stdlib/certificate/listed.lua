--- The certificates an application may sign in with: its keyCredentials. Entra takes
--- them only as a whole list, so a change reads, changes what is ours, and writes
--- back the rest as it was read (Microsoft Learn: application-update; keyCredential).

local answer = require "entra.answer"
local crypto = require "host.crypto"
local fail = require "fail"
local graph = require "graph"
local json = require "host.json"

local M = {}

-- What goes back of an entry. `key` is there because it was selected; one that Entra
-- leaves null goes back null beside its keyId, as terraform's azuread provider does.
local MEMBERS = {
  "customKeyIdentifier", "displayName", "endDateTime", "key", "keyId", "startDateTime", "type", "usage",
}

--- The list as Entra shows it now; a change may take seconds to show.
---@param application { id: string, displayName: string }
---@return table[]
function M.read(application)
  local what = ("read the certificates of '%s'"):format(application.displayName)
  local actual = graph.get(graph.path("/applications/{id}", application.id), {
    select = { "id", "keyCredentials" }, fresh_write = true, what = what,
  })
  return answer.with(actual, what, "keyCredentials").keyCredentials
end

--- The entry of a certificate: by the id we chose, or by what it is.
---@param list table[]
---@param row certificate.row
---@return table?
function M.find(list, row)
  for _, entry in ipairs(list) do
    if entry.keyId == row.body.key_id then return entry end
    local der = type(entry.key) == "string" and crypto.unbase64(entry.key)
    if der and crypto.hex(crypto.digest("sha256", der)) == row.body.sha256 then return entry end
  end
end

local function copy(entry)
  local twin = {}
  for _, name in ipairs(MEMBERS) do twin[name] = entry[name] end
  return twin
end

-- Not repeated by itself: between two tries somebody else may write the list.
local function write(application, list, what)
  graph.patch(graph.path("/applications/{id}", application.id), { keyCredentials = list }, {
    repeatable = false, fresh_write = true, what = what,
  })
end

--- Add a certificate, unless it is there: so this may be done again.
---@param application { id: string, displayName: string }
---@param row certificate.row
---@param der string
function M.add(application, row, der)
  local there = M.read(application)
  if M.find(there, row) then return end
  local list = json.array {}
  for i, entry in ipairs(there) do list[i] = copy(entry) end
  list[#list + 1] = {
    type = "AsymmetricX509Cert", usage = "Verify", key = crypto.base64(der), keyId = row.body.key_id,
    displayName = row.body.marker,
  }
  write(application, list, ("add a certificate to '%s'"):format(application.displayName))
end

local function raise_unseen(application, row)
  fail.raise {
    kind = "transient", what = ("remove the certificate %s of '%s'"):format(row.body.marker, application.displayName),
    why = "Entra does not list the one in use just now, and would be given a list without it",
    fix = "Entra has not replicated it yet. Run the same command again in a few minutes; nothing was removed.",
  }
end

--- Remove a certificate. It being gone already is what was wanted.
---@param application { id: string, displayName: string }
---@param row certificate.row
---@param kept certificate.row? has to be in the list, else nothing is written
function M.remove(application, row, kept)
  local there, list = M.read(application), json.array {}
  local gone = M.find(there, row)
  if not gone then return end
  if kept and not M.find(there, kept) then raise_unseen(application, row) end
  for _, entry in ipairs(there) do
    if entry ~= gone then list[#list + 1] = copy(entry) end
  end
  write(application, list, ("remove the certificate %s of '%s'"):format(row.body.marker, application.displayName))
end

return M
