--- A terminal with the built program in it, drawn by tmux: keys go in, the screen comes out.

local layout = require "terminal.layout"
local moonlatch = require "moonlatch"
local sys = require "host.sys"

local M = {}

local PATIENCE = 30 -- seconds; other tests run beside

local opened = 0

---@class screen
---@field place moonlatch.place the program's home
---@field guest boolean? is the home somebody else's, so that it stays?
---@field columns integer
---@field socket string name of its tmux server, which takes a moment to end
local Screen = { __name = "screen" }
Screen.__index = Screen

local function quote(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

--- Is tmux there?
---@return boolean
function M.there()
  return os.execute "command -v tmux >/dev/null" == true
end

function Screen:tmux(words)
  for i, word in ipairs(words) do words[i] = quote(word) end
  local line = ("env -i TMUX_TMPDIR=%s TERM=xterm LANG=C.UTF-8 PATH=/usr/bin:/bin tmux -L %s -f /dev/null %s 2>&1")
    :format(quote(self.place.path), self.socket, table.concat(words, " "))
  local pipe <close> = assert(io.popen(line))
  return pipe:read "a"
end

local function command(place, words, settings)
  local list = { "env", "-i", "HOME=" .. place.path, "TERM=xterm", "LANG=C.UTF-8", "PATH=/usr/bin:/bin" }
  for _, setting in ipairs(settings or {}) do list[#list + 1] = setting end
  list[#list + 1] = os.getenv "MOONLATCH"
  table.move(words, 1, #words, #list + 1, list)
  for i, word in ipairs(list) do list[i] = quote(word) end
  return table.concat(list, " ") .. "; echo left with $?; exec sleep 600"
end

--- Start the program on a screen of this size. It ends with its variable.
---@param size { [1]: integer, [2]: integer } columns and lines
---@param words string[] of its command line
---@param settings string[]? "TERM=dumb"
---@param place moonlatch.place? its home, which stays; by default a new one
---@return screen
function M.open(size, words, settings, place)
  opened = opened + 1
  local self = setmetatable({ place = place or moonlatch.place(), guest = place ~= nil, columns = size[1],
    socket = "screen" .. opened }, Screen)
  local said = self:tmux { "new-session", "-d", "-x", size[1], "-y", size[2], command(self.place, words, settings) }
  if said == "" then return self end
  local _ <close> = self
  error(said)
end

--- What is on the screen, without the empty lines at its end.
---@return string
function Screen:text()
  return (self:tmux { "capture-pane", "-p" }:gsub("%s+$", ""))
end

--- The same with its colours, as escape sequences.
---@return string
function Screen:coloured_text()
  return (self:tmux { "capture-pane", "-p", "-e" }:gsub("%s+$", ""))
end

--- The lines that the terminal had to break, and that had a blank at which the program could have broken them.
---@return string[]
function Screen:broken_lines()
  local list = {}
  for line in self:tmux({ "capture-pane", "-p", "-J" }):gmatch "[^\n]+" do
    if layout.width(line) > self.columns and line:find "%S%s+%S" then list[#list + 1] = line end
  end
  return list
end

--- Wait until the screen ends so (a Lua pattern).
---@param ending string
---@return string text
function Screen:wait(ending)
  local limit = sys.monotonic() + PATIENCE
  local text
  repeat
    text = self:text()
    if text:find(ending .. "$") then return text end
    sys.sleep(20)
  until sys.monotonic() > limit
  error(("the screen never ended with %q:\n%s"):format(ending, text), 2)
end

--- Press keys by their names: "Enter", "Tab", "Up", "C-c".
---@param ... string
function Screen:press(...)
  self:tmux { "send-keys", ... }
end

--- Type text, as it is.
---@param text string
function Screen:type(text)
  self:tmux { "send-keys", "-l", text }
end

--- Type a line and press Enter.
---@param text string
function Screen:go(text)
  self:type(text)
  self:wait(text:sub(-1):gsub("%p", "%%%0"))
  self:press "Enter"
end

--- Type a line, press Enter, and wait until the screen ends with `ending` (a prompt).
---@param text string
---@param ending string? a pattern
---@return string text of the screen
function Screen:enter(text, ending)
  self:go(text)
  return self:wait(ending or "\n[%w!]+>")
end

local function hex(...)
  local parts = { ... }
  for i, count in ipairs(parts) do parts[i] = ("%x"):rep(count) end
  return table.concat(parts, "%-")
end

local function zeros(found) return (found:gsub("%x", "0")) end

-- What is another each time, as many characters as it has, so that lines break at the same places.
local function same_length(text)
  return (text:gsub(hex(8, 4, 4, 4, 12), zeros):gsub("%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ", "YYYY-MM-DDThh:mm:ssZ")
    :gsub("%d%d%d%d%-%d%d%-%d%d", "YYYY-MM-DD"):gsub("%d%.%d years", "N.N years"):gsub("in %d%d%d days", "in NNN days")
    :gsub("another %d%d%d days", "another NNN days"):gsub("%d%d%d%d days ago", "NNNN days ago")
    :gsub("ml:(%x+):(%x+)", function(a, b) return ("ml:%s:%s"):format(zeros(a), zeros(b)) end)
    :gsub("…%x%x%x%x", "…0000"):gsub("%(/%S+/moonlatch%.lua%)", "(FILE)"))
end

-- What is another each time.
local function steady(text)
  return (same_length(text):gsub("127%.0%.0%.1:%d+", "127.0.0.1:PORT"):gsub("code:\n\n    %w+", "code:\n\n    CODE")
    :gsub("%d+ left out", "N left out") -- doctor reads the log for two seconds: what is left out depends on the machine
    :gsub("request%-id [%x%-\n ]+%)", "request-id ID)"):gsub("%d+ ms", "N ms"):gsub("%d+ days ago", "N days ago")
    :gsub("Moonlatch %d[%d.]*", "Moonlatch VERSION")
    :gsub("moonlatch%s+%-%-config%s+%S+%s+", "moonlatch --config FILE ")) .. "\n"
end

--- The screen as it is kept in tests/screens/NAME.txt. One that is not there is written; look at it.
---@param name string
function Screen:check(name)
  local path, shown = ("%s/tests/screens/%s.txt"):format(SOURCE, name), steady(self:text())
  local file = io.open(path)
  if not file then
    local new <close> = assert(io.open(path, "w"))
    new:write(shown)
    error(path .. " is new: look at it, and keep it")
  end
  local kept = file:read "a"
  file:close()
  assert(kept == shown, ("%s is different (remove it to make it anew):\n%s"):format(path, shown))
end

function Screen:__close()
  local _ <close> = not self.guest and self.place or nil
  self:tmux { "kill-server" }
end

return M
