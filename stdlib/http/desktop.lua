--- Open the browser of the person's desktop.
---
--- The browser is opened only when the person uses a terminal on a desktop. The desktop chooses the browser (xdg-open).
--- The variable BROWSER is not passed on, because BROWSER can name any program. Whether a browser opened is unknown, so
--- callers also print the address.

local class = require "base.class"
local httpd = require "host.httpd"
local log = require "log"
local process = require "host.process"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

local XDG_OPEN = "/usr/bin/xdg-open"
local STANDARD_INPUT = 0

---@class http.desktop.Offer
---@field url string
---@field server host.httpd.server counts the lines that the person types; it does not listen
local Offer = class "http.desktop.Offer"

-- The variables by which a desktop's programs find it.
local PASSED_VARIABLES = {
  "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "HOME", "USER",
  "XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME", "XDG_DATA_DIRS",
  "DESKTOP_SESSION",
}

local function has_display()
  return (sys.getenv "DISPLAY" or "") ~= "" or (sys.getenv "WAYLAND_DISPLAY" or "") ~= ""
end

local function is_person_at_terminal()
  return term.is_terminal("err") and not log.json()
end

--- Does the person sit at another computer, whose browser cannot reach a page here?
---@return boolean
function M.is_remote()
  return (sys.getenv "SSH_CONNECTION" or "") ~= "" and not has_display()
end

--- Can the browser of a desktop be opened for the person at the terminal?
---@return boolean
function M.is_available()
  return is_person_at_terminal() and has_display() and sys.stat(XDG_OPEN) ~= nil
end

local function start_browser(url) return process.detach({ XDG_OPEN, url }, PASSED_VARIABLES) == true end

--- Open a page that this program serves, when a desktop is available. Returns whether the program that opens a browser
--- was started.
---@param url string on loopback
---@return boolean
function M.open(url)
  assert(url:match("^http://localhost:%d+/") or url:match("^http://127%.0%.0%.1:%d+/"), "the page is not on loopback")
  if not M.is_available() then return false end
  return start_browser(url)
end

--- Offer to open the page of a login service when the person presses Enter. The caller tells the person so, calls
--- `look` on the offer while it waits, and closes it. Nil where no browser can be opened, nobody can press a key, or
--- the address has more in it than a host and a path.
---@param url string
---@return http.desktop.Offer? closable
function M.offer(url)
  local is_plain = url:find "^https://[%w.-]+/[%w/._-]*$"
  if not is_plain or not term.is_terminal("in") or not M.is_available() then return nil end
  local server = httpd.server()
  server:watch(STANDARD_INPUT)
  return Offer { url = url, server = server }
end

--- Open the page if Enter was pressed since the last look. Never waits.
function Offer:look()
  self.server:poll(0)
  if self.server:lines() > 0 then start_browser(self.url) end
end

function Offer:__close() self.server:close() end

return M
