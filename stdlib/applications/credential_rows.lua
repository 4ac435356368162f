--- The rows of the list of applications: for a person, and for CSV and JSON.

local layout = require "terminal.layout"
local time = require "time"

local M = {}

--- The columns of CSV and JSON.
---@type report.column[]
M.COLUMNS = {
  { key = "expires" }, { key = "application" }, { key = "client_id" }, { key = "object_id" }, { key = "origin" },
  { key = "tenant" }, { key = "credential" }, { key = "name" }, { key = "key_id" }, { key = "starts" },
  { key = "last_use" }, { key = "last_use_source" }, { key = "last_use_from" }, { key = "owners" },
  { key = "global_administrator" }, { key = "without_secret" }, { key = "because" },
  { key = "application_last_use" }, { key = "people_last_use" },
}

--- The columns for a terminal.
---@type report.column[]
M.FOR_PEOPLE = {
  { key = "expires" }, { key = "application" }, { key = "credential" }, { key = "last_use", title = "last use" },
  { key = "about" },
}

local FOREIGN = "the registration is in another tenant, which decides that"
local SIGNS = "it signs SAML tokens, and nothing signs in with it"
local FEDERATED = "the application has a federated credential: %s"
local NOT_KNOWN = "where the program runs is not known: in Azure a managed identity would do, elsewhere a federated "
  .. "credential of its issuer"
local NOT_READ = "the federated credentials could not be read"

--- Could the application do without this secret or certificate, and what does that rest on?
---@param one applications.credential
---@return "yes"|"no"|"unknown"|"" verdict "" where there is no secret
---@return string because
function M.without_secret(one)
  local owner = one.of
  if one.kind == "federated" then return "", "" end
  if one.kind == "signing certificate" then return "no", SIGNS end
  if owner.tenant == "foreign" then return "unknown", FOREIGN end
  if owner.federated and #owner.federated > 0 then
    return "yes", FEDERATED:format(table.concat(owner.federated, ", "))
  end
  return "unknown", owner.federated == false and NOT_READ or NOT_KNOWN
end

---------------------------------------------------------------------------
-- CSV and JSON

local function iso(at) return at and time.iso(at) or "" end

local function expiry(one)
  if one.ends then return iso(one.ends) end
  return one.kind == "federated" and "never" or "unknown"
end

local SOURCES = { report = "daily report", log = "sign-in log" }

-- The moment of the last use; "never" when the report tracks the credential and saw none, "unknown" without a row.
local function last_use(one, options)
  if not options.evidence then return "not read" end
  if not one.use then return "unknown" end
  return one.use.at and time.iso(one.use.at) or "none seen"
end

local function source_text(use)
  if not use or not use.at then return "" end
  return use.ours and SOURCES[use.source] .. ", may be a proof by Moonlatch" or SOURCES[use.source]
end

-- The moment of an application's last use of a kind; nothing is known from a missing one.
local function kind_of_use(owner, kind, options)
  if not options.evidence then return "not read" end
  local at = owner.use_by_kind and owner.use_by_kind[kind]
  return at and time.iso(at) or "unknown"
end

local function permissions_text(owner)
  if owner.permissions == false then return "unknown" end
  return table.concat(owner.permissions, " ")
end

local function owners_text(owner) return owner.owners and table.concat(owner.owners, ", ") or "unknown" end

--- The row of a credential for CSV and JSON. Moments are texts as in Graph.
---@param one applications.credential
---@param options { evidence: boolean }
---@return table
function M.row(one, options)
  local owner, without, because = one.of, M.without_secret(one)
  return {
    expires = expiry(one), application = owner.name, client_id = owner.client_id,
    object_id = owner.id, origin = owner.origin, tenant = owner.tenant, credential = one.kind, name = one.name,
    key_id = one.key, starts = iso(one.from), last_use = last_use(one, options), last_use_source = source_text(one.use),
    last_use_from = one.use and one.use.address or "", owners = owners_text(owner),
    global_administrator = permissions_text(owner), without_secret = without, because = because,
    application_last_use = kind_of_use(owner, "last", options),
    people_last_use = kind_of_use(owner, "people", options),
  }
end

---------------------------------------------------------------------------
-- For a person

local function expiry_text(one, now)
  if not one.ends then return one.kind == "federated" and "never" or "unknown" end
  if one.ends <= now then return ("expired %s ago"):format(time.span(now - one.ends)) end
  return "in " .. time.span(one.ends - now)
end

local function use_text(one, now, options)
  if not options.evidence then return "not read" end
  local use = one.use
  if not use or not use.at then return use and "none seen" or "unknown" end
  local text = ("%s%s ago"):format(use.failed and "tried " or "", time.span(math.max(0, now - use.at)))
  if use.address then text = ("%s from %s"):format(text, use.address) end
  return use.ours and text .. " (maybe ours)" or text
end

local function owners_words(owner)
  if not owner.owners then return "owners unknown" end
  return #owner.owners == 0 and "no owner" or "owned by " .. table.concat(owner.owners, ", ")
end

local function permission_words(owner)
  if owner.permissions == false then return "permissions unknown" end
  if #owner.permissions == 0 then return nil end
  return "can reach Global Administrator: " .. table.concat(owner.permissions, ", ")
end

local function origin_words(owner)
  if owner.origin == "application" then return nil end
  return owner.tenant == "foreign" and "service principal of a foreign application" or "service principal"
end

local function people_words(owner, now)
  local at = owner.use_by_kind and owner.use_by_kind.people
  return at and ("people signed in through it %s ago"):format(time.span(math.max(0, now - at))) or nil
end

local function about(one, now)
  local owner, words = one.of, {}
  words[#words + 1] = owners_words(owner)
  words[#words + 1] = origin_words(owner)
  words[#words + 1] = people_words(owner, now)
  words[#words + 1] = owner.other_tenants and "other tenants may use it" or nil
  words[#words + 1] = permission_words(owner)
  if M.without_secret(one) == "yes" then
    words[#words + 1] = "could do without: it has a federated credential"
  end
  return table.concat(words, "; ")
end

-- "secret 'payroll 2026'"
local function credential_text(one)
  return one.name == "" and one.kind or ("%s '%s'"):format(one.kind, one.name)
end

--- The row of a credential for a person.
---@param one applications.credential
---@param options { evidence: boolean, now: number }
---@return table
function M.for_people(one, options)
  return {
    expires = expiry_text(one, options.now), application = layout.cut(one.of.name, 40),
    credential = layout.cut(credential_text(one), 40), last_use = use_text(one, options.now, options),
    about = about(one, options.now),
  }
end

return M
