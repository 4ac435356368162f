--- Whom a page of ours on loopback is for. Every user of this machine reaches its ports, and the address of a page
--- can be read by all of them in the list of processes when a browser is opened on it.

local fail = require "fail"
local sys = require "host.sys"

local M = {}

---@class oauth.neighbour
---@field uid integer
---@field name string

--- The user who sits at the terminal that the page is asked from, or who is named. Raises when that cannot be told: a
--- page that is for nobody in particular would be for everybody.
---@param what string what the page is for
---@param named string? a user's name
---@return oauth.neighbour
function M.person(what, named)
  local uid, name = sys.person()
  if named then uid, name = sys.user_id(named), named end
  if uid then return { uid = uid, name = name } end
  fail.raise {
    kind = "config", what = what, why = named and ("there is no user '%s' here"):format(named) or name,
    fix = "Run it from a terminal of your own.",
  }
end

--- Is this request from that user? One whose user the kernel does not tell is from nobody we know, and root is root.
---@param person oauth.neighbour
---@param incoming host.httpd.request
---@return boolean
function M.sent(person, incoming)
  return incoming:user() == person.uid
end

return M
