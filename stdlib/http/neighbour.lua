--- The user for whom a page of ours on loopback is. Every user of this machine can reach its ports, and can read the
--- page's address in the list of processes when a browser is opened.

local fail = require "fail"
local httpd = require "host.httpd"
local log = require "log"
local sys = require "host.sys"

local M = {}

---@class http.neighbour
---@field uid integer
---@field name string
---@field refused table<integer|string, true> other users who came, and were reported

--- The user at the terminal from which the page is asked for, or the named one. Raises a failure when that is unknown:
--- the page would be for everybody.
---@param what string what the page is for
---@param named string? a user's name
---@return http.neighbour
function M.person(what, named)
  local uid, name = sys.person()
  if named then uid, name = sys.user_id(named), named end
  if uid then return { uid = uid, name = name, refused = {} } end
  fail.raise {
    kind = "config", what = what, why = named and ("there is no user '%s' here"):format(named) or name,
    fix = "Run it from a terminal of your own.",
  }
end

--- A server for pages that are for that user; other users cannot keep it busy.
---@param person http.neighbour
---@return host.httpd.server
function M.server(person)
  local server = httpd.server()
  server:limit(person.uid)
  return server
end

-- Report each other user once: somebody else is looking, or the person's browser runs as another user, which the person
-- has to know.
local function tell(person, uid)
  local who = uid and ("the user with the number %d"):format(uid) or "a program whose user the kernel does not tell"
  if person.refused[who] then return end
  person.refused[who] = true
  log.warn(("refused the page to %s: it is for the user '%s' only"):format(who, person.name))
end

--- Did that user send this request? A sender that the kernel does not tell is refused, and root is only root. The first
--- refusal of each user is printed on the terminal.
---@param person http.neighbour
---@param incoming host.httpd.request
---@return boolean
function M.sent(person, incoming)
  local uid = incoming:user()
  if uid == person.uid then return true end
  tell(person, uid)
  return false
end

return M
