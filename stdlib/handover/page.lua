--- The hand-over as a page in a browser on this computer, for as long as somebody uses it.

local desktop = require "oauth.desktop"
local json = require "host.json"
local log = require "log"
local neighbour = require "oauth.neighbour"
local sys = require "host.sys"
local task = require "task"
local term = require "host.term"
local visit = require "handover.visit"

local M = {}

local LONGEST = 3600 -- seconds in all
local BLOCK = 50 -- milliseconds to wait for the browser
local LOOK = 0.02 -- seconds for the other tasks, and for Ctrl-C
local STANDARD_INPUT = 0

-- Another user may read the address in the list of processes when it is opened: the page is for one user only, so the
-- token in it is of no use to them. Root reads what it likes anyway.
local function invite(page, open)
  local url, port = page:invite(), page.port
  if log.json() then
    return term.write("out", json.encode { url = url, ["for"] = page.person.name } .. "\n")
  end
  local opened = open and desktop.open(url)
  log.prose((opened and "Your browser opens the hand-over. If it does not, open this address on this computer: "
    or "Open this address in a browser on this computer: ") .. url)
  log.prose(("It works once, and only for the user '%s'. Enter: a new address; Ctrl-D: end the page.")
    :format(page.person.name))
  if not opened and desktop.is_remote() then
    log.prose(("You are here by ssh. On your own computer run: ssh -L %d:127.0.0.1:%d HOST; then open the address there.")
      :format(port, port))
  end
end

---@class handover.page.options
---@field person string? name of the user whom it is for; else the owner of the terminal
---@field open boolean? open the browser of the desktop, if there is one

--- Show the page until a person ends it, ten minutes pass in which nobody confirms anything, or the terminal goes.
---@param desk handover.visit.desk
---@param options handover.page.options?
---@return "finished"|"ended"|"late" why it ended
function M.serve(desk, options)
  options = options or {}
  local page <close> = visit.open(desk, neighbour.person("show the hand-over as a page", options.person))
  local server, start = page.server, sys.monotonic()
  server:watch(STANDARD_INPUT)
  local attended = not server:ended() -- input from a file or from nowhere does not end the page
  invite(page, options.open ~= false)
  while true do
    page:turn(BLOCK)
    task.sleep(LOOK)
    if page.finished then return "finished" end
    if attended and server:ended() then return "ended" end
    if page:ends_in() <= 0 or sys.monotonic() - start > LONGEST then return "late" end
    if server:lines() > 0 then invite(page, false) end
  end
end

return M
