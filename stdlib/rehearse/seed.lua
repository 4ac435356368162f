--- Prepare a rehearsal's tenant: add the groups, users, vaults and applications that the policies name and the emulator
--- does not have.

local graph = require "graph"

local M = {}

local CREW = { "t0-anna", "t0-boris", "t0-chen", "t0-dana", "t0-emil" } -- users that the emulator always has

-- All values of one field in a selection, added or taken away.
local function values_in_selection(selection, name, found)
  found = found or {}
  if not selection.operator then
    for _, word in ipairs(selection.fields[name] or {}) do found[#found + 1] = word end
    return found
  end
  return values_in_selection(selection.right, name, values_in_selection(selection.left, name, found))
end

local function find_missing_groups(stage, selection, missing)
  for _, name in ipairs(values_in_selection(selection, "group")) do
    local there = graph.all("/groups", { filter = graph.filter("displayName eq %s", name), select = { "id" } })
    if #there == 0 then
      missing[#missing + 1] = { kind = "group", name = name, act = function() stage.tenant.add_group(name, CREW) end }
    end
  end
end

-- People with these attributes: the first of several values. A nested attribute cannot be set.
local function find_missing_people(stage, selection, missing)
  for _, where in ipairs(values_in_selection(selection, "where")) do
    local found = graph.first("/users", { filter = where, select = { "id" }, advanced = true })
    local properties, names = {}, {}
    for name, value in pairs(where) do
      properties[name] = type(value) == "table" and value[1] or value
      names[#names + 1] = name
    end
    table.sort(names)
    if not found then
      missing[#missing + 1] = {
        kind = "people with", name = table.concat(names, ", "), act = function()
          for _, person in ipairs(CREW) do stage.tenant.change(person, properties) end
        end,
      }
    end
  end
end

local function find_missing_users(stage, names, missing)
  for _, name in ipairs(names) do
    if not graph.get(graph.path("/users/{id}", name), { select = { "id" }, missing = "nil" }) then
      missing[#missing + 1] = { kind = "person", name = name, act = function() stage.tenant.add_person(name) end }
    end
  end
end

local function find_missing_vault(stage, terms, missing)
  local name = terms.sinks[1]:is_server() and terms.sinks[1].fields.vault
  if not name then return end
  for _, vault in ipairs(require("devolutions.server").vaults()) do
    if vault.name == name then return end
  end
  missing[#missing + 1] = { kind = "vault", name = name, act = function() stage.server.add_vault(name) end }
end

local function find_missing_applications(stage, terms, missing)
  for _, id in ipairs(values_in_selection(terms.select, "client_id")) do
    local path = graph.path("/applications(appId={appId})", id)
    if not graph.get(path, { select = { "id" }, missing = "nil" }) then
      missing[#missing + 1] = { kind = "application", name = id, act = function() M.add_owned(stage, id, id) end }
    end
  end
end

--- Find the groups, users, vaults and applications that a policy names and the emulator lacks. Call this in a session;
--- `act` adds one of them after that session is closed. Waits.
---@param stage rehearse.stage
---@param terms policy.terms
---@return { kind: string, name: string, act: fun() }[]
function M.find_missing(stage, terms)
  require("devolutions.server").login(stage.profile)
  local missing = {}
  find_missing_vault(stage, terms, missing)
  if terms.target == "users" then
    find_missing_groups(stage, terms.select, missing)
    find_missing_people(stage, terms.select, missing)
    find_missing_users(stage, values_in_selection(terms.select, "upn"), missing)
    find_missing_users(stage, terms.never, missing)
  else
    find_missing_applications(stage, terms, missing)
    if #values_in_selection(terms.select, "owned") > 0 then
      missing[#missing + 1] = {
        kind = "application", name = "Billing", act = function() M.add_owned(stage, "Billing") end,
      }
    end
  end
  return missing
end

--- Add an application that the signed-in admin owns.
---@param stage rehearse.stage
---@param name string
---@param client_id string?
function M.add_owned(stage, name, client_id)
  local missing = stage.tenant.add_app { name = name, client_id = client_id, days = 3650 }
  stage.tenant.change(missing.id, { _owners = { [stage.me] = true } })
end

--- The names of the providers that the setup has to make first.
---@param terms policy.terms
---@return string[]
function M.provider_names(terms) return values_in_selection(terms.select, "provider") end

return M
