--- Words that are the services' own, in every tenant: what a recording may keep.

local fact_tables = require "base.fact_tables"
local microsoft_ids = require "base.microsoft_ids"

local M = {}

-- The words of a field of a table, each a key.
local function add_words(words, text, pattern)
  for word in text:gmatch(pattern or "[^%s]+") do words[word] = true end
  return words
end

local function words_for(use)
  local words = {}
  for _, row in ipairs(fact_tables.rows "stdlib/data/service-words.tsv") do
    if row[1] == use then add_words(words, row[2]) end
  end
  return words
end

--- Words of sentences, and the names of properties.
---@return table<string, true>
function M.sentence()
  local words = words_for "sentence"
  for _, row in ipairs(fact_tables.rows "stdlib/data/graph-types.tsv") do
    for property in row[2]:gmatch "%S+" do words[property:match "^[^:]+"] = true end
  end
  return words
end

--- Values of enumerations.
---@return table<string, true>
function M.values() return words_for "value" end

--- Names of Graph's permissions.
---@return table<string, true>
function M.permissions()
  local words = { [".default"] = true, openid = true, profile = true, email = true, offline_access = true }
  for _, row in ipairs(fact_tables.rows "stdlib/data/calls.tsv") do
    add_words(words, row[3] .. "," .. row[4], "%u[%a.]+")
  end
  return words
end

--- Ids that are the same in every tenant.
---@return table<string, true>
function M.ids()
  local ids = { [microsoft_ids.GRAPH] = true }
  for id in pairs(microsoft_ids.clients) do ids[id] = true end
  for _, id in pairs(microsoft_ids.roles) do ids[id] = true end
  for _, row in ipairs(fact_tables.rows "stdlib/data/reset-matrix.tsv") do ids[row[2]] = true end
  return ids
end

--- Segments of the paths of Graph and of the login service.
---@return table<string, true>
function M.path()
  local words = add_words({}, [[v1.0 beta v2.0 .well-known oauth2 token devicecode authorize discovery keys error
    devicelogin openid-configuration common organizations consumers $count $ref $value $batch $metadata]])
  for _, row in ipairs(fact_tables.rows "stdlib/data/graph-paths.tsv") do
    for segment in row[1]:gmatch "[^/]+" do words[segment:match "^[^(]+"] = true end
  end
  words["{id}"] = nil
  return words
end

return M
