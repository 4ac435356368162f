--- The reasons for which an account or an application may be refused, each as a word. A policy lists the refusals that
--- it expects in `accept`; these do not count as failures.

local nearest = require "base.nearest"
local sets = require "base.sets"

local M = {}

--- All reasons: the word, and what it means.
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
    entry = "the place for its password has an entry that is not ours, or several entries",
  },
  applications = {
    reach = "the principal that is signed in neither owns it nor may change it",
    self = "it is the application that runs this, and its secret is in the profile",
  },
}

--- Which of these words is not a reason, as a sentence; nil when all are reasons.
---@param words string[]
---@param target "users"|"applications"
---@return string? wrong
function M.check(words, target)
  local reasons = M.REASONS[target]
  for _, word in ipairs(words) do
    if not reasons[word] then
      local known = nearest(word, reasons)
      return ('%s are never refused for the reason "%s"'):format(target, word),
        known and ('Did you mean "%s"?'):format(known)
          or ("Use one of these reasons: %s."):format(table.concat(sets.sorted(reasons), ", "))
    end
  end
end

return M
