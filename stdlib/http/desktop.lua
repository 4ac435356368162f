--- Open the browser of the person's desktop.
---
--- It is opened only where a person sits: at a terminal, with a display. The desktop chooses the browser (xdg-open).
--- The variable BROWSER is not passed on, because it can name any program. Whether a browser opened is unknown, so the
--- address is always shown as well.

local log = require "log"
local process = require "host.process"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

local PROGRAM = "/usr/bin/xdg-open"

-- The variables by which a desktop's programs find it.
local PASS = {
  "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "HOME", "USER",
  "XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME", "XDG_DATA_DIRS",
  "DESKTOP_SESSION",
}

local function has_display()
  return (sys.getenv "DISPLAY" or "") ~= "" or (sys.getenv "WAYLAND_DISPLAY" or "") ~= ""
end

local function is_attended()
  return term.is_terminal("err") and not log.json()
end

--- Does the person sit at another computer, whose browser cannot reach a page here?
---@return boolean
function M.is_remote()
  return (sys.getenv "SSH_CONNECTION" or "") ~= "" and not has_display()
end

--- Is there a desktop, whose browser can be opened for the person at the terminal?
---@return boolean
function M.is_here()
  return is_attended() and has_display() and sys.stat(PROGRAM) ~= nil
end

--- Open a page of ours, where that can be tried. Returns whether it was tried.
---@param url string on loopback
---@return boolean
function M.open(url)
  assert(url:match("^http://localhost:%d+/") or url:match("^http://127%.0%.0%.1:%d+/"), "no page of ours")
  if not M.is_here() then return false end
  return process.detach({ PROGRAM, url }, PASS) == true
end

return M
