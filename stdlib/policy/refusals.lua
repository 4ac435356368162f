--- The reasons for which an account or an application may be refused, each as a word. A policy names the refusals that
--- it expects (`accept`): they are no failures then.

local nearest = require "base.nearest"
local sets = require "base.sets"

local M = {}

--- The words and what they mean. There are no other reasons.
---@type table<"users"|"applications", table<string, string>>
M.REASONS = {
  users = {
    guest = "it is a guest, whose password is kept elsewhere",
    synced = "it is synced from on-premises, where its password is kept",
    federated = "its domain is federated and keeps its password",
    disabled = "it is disabled",
    restricted = "it is in a restricted management administrative unit",
    reach = "it is beyond the reach of the roles we hold",
    date = "Entra does not say when its password was last changed",
    outside = "its policy does not select it any more",
    entry = "an entry that is not ours lies where its password is to go, or there are several",
  },
  applications = {
    reach = "whoever runs this neither owns it nor may change it",
    self = "it is what runs this, and its secret is in the profile",
  },
}

--- What is wrong with these words; nil when all are reasons.
---@param words string[]
---@param target "users"|"applications"
---@return string? wrong
function M.check(words, target)
  local reasons = M.REASONS[target]
  for _, word in ipairs(words) do
    if not reasons[word] then
      local known = nearest(word, reasons)
      return ('"%s" is no reason for which %s are refused. %s'):format(word, target,
        known and ('Did you mean "%s"?'):format(known)
          or ("There are %s."):format(table.concat(sets.sorted(reasons), ", ")))
    end
  end
end

return M
