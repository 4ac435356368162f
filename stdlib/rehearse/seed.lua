--- Prepare a rehearsal's tenant: add the groups, users, vaults and applications that the policies name and the emulator
--- does not have.

local fail = require "fail"
local graph = require "graph"

local M = {}

local CREW = { "t0-anna", "t0-boris", "t0-chen", "t0-dana", "t0-emil" } -- users that the emulator always has

-- All values of one kind in a selection, whether added or taken away.
local function words(selection, name, found)
  found = found or {}
  if not selection.operator then
    for _, word in ipairs(selection.fields[name] or {}) do found[#found + 1] = word end
    return found
  end
  return words(selection.right, name, words(selection.left, name, found))
end

local function add_groups(stage, selection, made)
  for _, name in ipairs(words(selection, "group")) do
    local there = graph.all("/groups", { filter = graph.filter("displayName eq %s", name), select = { "id" } })
    if #there == 0 then
      made[#made + 1] = { kind = "group", name = name, act = function() stage.tenant.add_group(name, CREW) end }
    end
  end
end

local function add_people(stage, names, made)
  for _, name in ipairs(names) do
    if not graph.get(graph.path("/users/{id}", name), { select = { "id" }, missing = "nil" }) then
      made[#made + 1] = { kind = "person", name = name, act = function() stage.tenant.add_person(name) end }
    end
  end
end

local function add_vault(stage, terms, made)
  local name = terms.sink.kind == "server" and terms.sink.fields.vault
  if not name then return end
  for _, vault in ipairs(require("devolutions.server").vaults()) do
    if vault.name == name then return end
  end
  made[#made + 1] = { kind = "vault", name = name, act = function() stage.server.add_vault(name) end }
end

local function refuse_client_ids(terms)
  local ids = words(terms.select, "client_id")
  if #ids == 0 then return end
  fail.raise {
    kind = "config", what = "rehearse " .. terms.name,
    why = ("the emulator has no application with the client id %s"):format(ids[1]),
    fix = "Select policy.applications { owned = true } while you rehearse it.",
  }
end

--- What is missing for a policy. A session finds it; `act` adds it after that session is closed.
---@param stage rehearse.stage
---@param terms policy.terms
---@return { kind: string, name: string, act: fun() }[]
function M.missing(stage, terms)
  require("devolutions.server").login(stage.profile)
  local made = {}
  add_vault(stage, terms, made)
  if terms.target == "users" then
    add_groups(stage, terms.select, made)
    add_people(stage, words(terms.select, "upn"), made)
    add_people(stage, terms.never, made)
  else
    refuse_client_ids(terms)
    if #words(terms.select, "owned") > 0 then
      made[#made + 1] = { kind = "application", name = "Billing", act = function() M.add_owned(stage, "Billing") end }
    end
  end
  return made
end

--- Add an application that the signed-in admin owns.
---@param stage rehearse.stage
---@param name string
function M.add_owned(stage, name)
  local made = stage.tenant.add_app { name = name, days = 3650 }
  stage.tenant.change(made.id, { _owners = { [stage.me] = true } })
end

--- The names of the providers that the setup has to make first.
---@param terms policy.terms
---@return string[]
function M.providers(terms) return words(terms.select, "provider") end

return M
