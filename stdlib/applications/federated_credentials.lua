--- The federated credentials of all applications of the tenant: an application with one can sign in without a secret.

local batches = require "applications.batches"
local check_answer = require "entra.check_answer"
local graph = require "graph"

local M = {}

local WHAT = "read the federated credentials of an application"

-- The list is one query of the advanced engine (Microsoft Learn, aad-advanced-queries: $count of a relationship); the
-- credentials themselves are in no list, and are read twenty applications in a request.
local FILTER = "federatedIdentityCredentials/$count ne 0"

local function read_ids()
  local ids = {}
  for object in graph.list("/applications", {
    filter = FILTER, advanced = true, select = { "id" }, top = 999,
    what = "find the applications with federated credentials",
  }) do
    ids[#ids + 1] = object.id
  end
  return ids
end

local function part_of(id)
  return { path = graph.path("/applications/{id}/federatedIdentityCredentials", id),
    what = WHAT, select = { "id", "name", "issuer" } }
end

--- The names of the federated credentials of each application that has any, with their issuers, by object id in lower
--- case: "deploy (token.actions.githubusercontent.com)". Waits.
---@return table<string, string[]>
function M.read()
  local named = {}
  batches.each(read_ids(), part_of, function(id, page)
    local list = {}
    for place, credential in ipairs(check_answer.require_members(page, WHAT, "value").value) do
      local issuer = tostring(credential.issuer):gsub("^https://", "")
      list[place] = ("%s (%s)"):format(credential.name, issuer)
    end
    named[id:lower()] = list
  end)
  return named
end

return M
