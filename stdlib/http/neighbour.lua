--- Whom a page of ours on loopback is for. Every user of this machine reaches its ports, and the address of a page
--- can be read by all of them in the list of processes when a browser is opened on it.

local fail = require "fail"
local httpd = require "host.httpd"
local log = require "log"
local sys = require "host.sys"

local M = {}

---@class oauth.neighbour
---@field uid integer
---@field name string
---@field refused table<integer|string, true> others who came, and were told of

--- The user who sits at the terminal that the page is asked from, or who is named. Raises when that cannot be told: a
--- page that is for nobody in particular would be for everybody.
---@param what string what the page is for
---@param named string? a user's name
---@return oauth.neighbour
function M.person(what, named)
  local uid, name = sys.person()
  if named then uid, name = sys.user_id(named), named end
  if uid then return { uid = uid, name = name, refused = {} } end
  fail.raise {
    kind = "config", what = what, why = named and ("there is no user '%s' here"):format(named) or name,
    fix = "Run it from a terminal of your own.",
  }
end

--- A server for pages that are for that user: others cannot keep it busy.
---@param person oauth.neighbour
---@return host.httpd.server
function M.server(person)
  local server = httpd.server()
  server:limit(person.uid)
  return server
end

-- Once for each: somebody else looks, or the person's browser runs as another user, which the person has to know.
local function tell(person, uid)
  local who = uid and ("the user with the number %d"):format(uid) or "a program whose user the kernel does not tell"
  if person.refused[who] then return end
  person.refused[who] = true
  log.warn(("refused the page to %s: it is for the user '%s' only"):format(who, person.name))
end

--- Is this request from that user? One whose user the kernel does not tell is from nobody we know, and root is only
--- root. The first refusal of each user is said in the terminal.
---@param person oauth.neighbour
---@param incoming host.httpd.request
---@return boolean
function M.sent(person, incoming)
  local uid = incoming:user()
  if uid == person.uid then return true end
  tell(person, uid)
  return false
end

return M
