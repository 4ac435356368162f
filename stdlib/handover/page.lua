--- Show the hand-over as a page in a browser on this computer, for as long as somebody uses it.

local calendar = require "handover.calendar"
local deliver = require "handover.deliver"
local desktop = require "http.desktop"
local document = require "report.document"
local fail = require "fail"
local graph_clock = require "graph.clock"
local json = require "host.json"
local log = require "log"
local neighbour = require "http.neighbour"
local page_server = require "handover.page_server"
local states = require "handover.state"
local sys = require "host.sys"
local task = require "task"
local term = require "host.term"
local tick = require "handover.tick"

local M = {}

local LONGEST = 3600 -- seconds that a page stays at most
local BLOCK = 50 -- milliseconds to wait for the browser
local LOOK = 0.02 -- seconds between two turns, for other tasks and Ctrl-C
local STANDARD_INPUT = 0

-- Raise "conflict" unless the secret to confirm is the one that the page showed: another may have been made meanwhile.
local function check_secret_shown(state, shown)
  if state.secret.id == shown then return end
  fail.raise {
    kind = "conflict", what = ("confirm the client secret of '%s'"):format(state.name),
    why = "another one was made meanwhile",
    fix = "Press Enter in the terminal for a new address, and paste the new client secret.",
  }
end

---@param journal host.journal.journal
---@param row handover.row
---@param by string the person's name
---@return handover.page_server.desk
local function page_desk(journal, row, by)
  local function state() return states.read(journal, row, graph_clock.now()) end
  local function secret_row() return deliver.secret_row(journal, state()) end
  return {
    state = state,
    give = function() return deliver.take_value(journal, secret_row(), "page") end,
    given = function() deliver.record_given(journal, secret_row(), "page") end,
    tick = function(key, done) tick(journal, state(), key, done, by, "page") end,
    confirm = function(shown, tested)
      check_secret_shown(state(), shown)
      deliver.confirm(journal, secret_row(), by .. (tested and ", after Test connection succeeded" or ""))
    end,
    calendar = function() return calendar.text(state(), graph_clock.now()) end,
  }
end

-- Print a new address of the page, and open it in a browser the first time. Another user can read the address in the
-- list of processes while the browser is opened. So the page answers one user only, and the token in the address is of
-- no use to others. (Root can read everything anyway.)
local function print_page_address(page, first)
  local url, port = page:invite(), page.port
  if log.json() then
    document.mark_written()
    return term.write("out", json.encode { url = url, ["for"] = page.person.name } .. "\n")
  end
  local opened = first and desktop.open(url)
  log.prose(opened and "Your browser opens the hand-over. If it does not, open this address on this computer:"
    or "Open this address in a browser on this computer:")
  log.say(url)
  log.prose(("It works once, and only for the user '%s'. Enter: a new address; Ctrl-D: end the page.")
    :format(page.person.name))
  if not opened and desktop.is_remote() then
    log.prose(("You are here by ssh. On your own computer run: ssh -L %d:127.0.0.1:%d HOST; then open the address "
      .. "there."):format(port, port))
  end
end

-- Serve until a person ends the page, nobody acts on it for ten minutes, or the terminal closes. Returns why it ended.
local function serve_page_until_end(page)
  local server, start = page.server, sys.monotonic()
  server:watch(STANDARD_INPUT)
  local attended = not server:ended() -- when input is a file or /dev/null, its end does not end the page
  while true do
    page:turn(BLOCK)
    task.sleep(LOOK)
    if page.finished then return "finished" end
    if attended and server:ended() then return "left" end
    if page:ends_in() <= 0 or sys.monotonic() - start > LONGEST then return "late" end
    if server:lines() > 0 then print_page_address(page, false) end
  end
end

local END_TEXTS = {
  finished = "The page is ended.", left = "The page is ended.",
  late = "The page ended by itself: nobody used it for ten minutes, or it was open for an hour.",
}

--- Show the page until a person ends it, nobody acts on it for ten minutes, or the terminal closes.
---@param journal host.journal.journal
---@param row handover.row
---@param named string? the user who may open the page; by default the owner of the terminal
function M.serve(journal, row, named)
  local person = neighbour.person("show the hand-over as a page", named)
  local page <close> = page_server.open(page_desk(journal, row, person.name), person)
  print_page_address(page, true)
  log.aside(END_TEXTS[serve_page_until_end(page)])
end

return M
