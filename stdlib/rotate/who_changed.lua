--- Name who changed the passwords at which rotations stopped, and the credentials of applications that are not as the
--- journal has them, as far as the directory's audit log knows.

local credential_changes = require "rotation.credential_changes"
local who = require "evidence.who"

local M = {}

local MOST = 5 -- entries of a policy that are asked for: five requests leave in ten seconds

-- The outcomes for which somebody else may have changed the password.
local STOPPED = { stop = true, left = true }

-- Everybody but the application that runs this. A person who runs this also changes passwords in other ways.
local function everybody_but(me) return me.kind == "app" and me.oid or nil end

local function explain_password(entry, journal, me)
  return who.explain(journal, {
    object_id = entry.id, at = entry.changed, kinds = { "reset" }, except = everybody_but(me),
  }).text
end

-- Does the entry ask who made a change?
local function has_question(entry)
  if entry.questions then return next(entry.questions) ~= nil end
  return STOPPED[entry.what] and entry.id ~= nil
end

--- Set `who` of the entries of a policy at which a rotation stopped, or found credentials that are not as the journal
--- has them: who changed the password or the credentials, when, and from where. Waits.
---@param found rotate.users|rotate.applications
---@param journal host.journal.journal
---@param me oauth.principal
function M.explain(found, journal, me)
  local asked = 0
  for _, entry in ipairs(found.entries) do
    if asked < MOST and has_question(entry) then
      asked = asked + 1
      entry.who = entry.questions and credential_changes.explain(journal, entry.target.id, entry.questions)
        or not entry.questions and explain_password(entry, journal, me) or nil
    end
  end
end

return M
