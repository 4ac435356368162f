--- Name who changed the passwords at which rotations stopped, as far as the directory's audit log knows.

local who = require "evidence.who"

local M = {}

local MOST = 5 -- accounts of a policy that are asked for: five requests leave in ten seconds

-- The outcomes for which somebody else may have changed the password.
local STOPPED = { stop = true, left = true }

-- Everybody but the application that runs this. A person who runs this also changes passwords in other ways.
local function everybody_but(me) return me.kind == "app" and me.oid or nil end

--- Set `who` of the entries of a policy for users at which a rotation stopped: who reset the password last, when, and
--- from where. Waits.
---@param found rotate.users
---@param journal host.journal.journal
---@param me oauth.principal
function M.explain(found, journal, me)
  local asked = 0
  for _, entry in ipairs(found.entries) do
    if STOPPED[entry.what] and entry.id and asked < MOST then
      asked = asked + 1
      entry.who = who.explain(journal, {
        object_id = entry.id, at = entry.changed, kinds = { "reset" }, except = everybody_but(me),
      }).text
    end
  end
end

return M
