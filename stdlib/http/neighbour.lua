--- Serve a loopback page to one user of this machine only. Every user of the machine can reach its ports, and can read
--- the page's address in the list of processes when a browser is opened.

local fail = require "fail"
local httpd = require "host.httpd"
local log = require "log"
local sys = require "host.sys"

local M = {}

---@class http.neighbour the user that a page is for
---@field uid integer
---@field name string
---@field refused table<string, true> other users whose requests were refused and reported

--- The user that a page is for: the named user, else the user at the terminal. Raises a failure when this user is
--- unknown, because the page could then be read by everybody.
---@param what string the purpose of the page, for the failure
---@param user_name string?
---@return http.neighbour
function M.person(what, user_name)
  local uid, name = sys.person()
  if user_name then uid, name = sys.user_id(user_name), user_name end
  if uid then return { uid = uid, name = name, refused = {} } end
  fail.raise {
    kind = "config", what = what, why = user_name and ("there is no user '%s' here"):format(user_name) or name,
    fix = "Run the command in a terminal of your own.",
  }
end

--- A server for pages for this user. Other users cannot keep the server busy.
---@param person http.neighbour
---@return host.httpd.server
function M.server(person)
  local server = httpd.server()
  server:limit(person.uid)
  return server
end

-- Report a refused user once. The person has to know: another user tries to read the page, or the person's own browser
-- runs as another user.
local function report_refused_user(person, uid)
  local who = uid and ("the user with the number %d"):format(uid) or "a program whose user is unknown to the kernel"
  if person.refused[who] then return end
  person.refused[who] = true
  log.warn(("refused the page to %s: it is for the user '%s' only"):format(who, person.name))
end

--- Did this user send the request? A request whose sender is unknown to the kernel is refused. So is a request from
--- root, unless the user is root. The first refusal of each user is printed on the terminal.
---@param person http.neighbour
---@param incoming host.httpd.request
---@return boolean
function M.sent(person, incoming)
  local uid = incoming:user()
  if uid == person.uid then return true end
  report_refused_user(person, uid)
  return false
end

return M
