--- The person's keyring (the Secret Service), through libsecret's own client, secret-tool.
---
--- The output of secret-tool is read into a secret. It finds the keyring by the session's bus. A service or a plain ssh
--- session often has none; the error says so.

local process = require "host.process"
local sys = require "host.sys"

local M = {}

local PROGRAMS = { "/usr/bin/secret-tool", "/usr/local/bin/secret-tool" }
local PASS = { "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "HOME", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY" }
local PATIENCE = 120 -- seconds that a person has to unlock the keyring

local NO_PROGRAM = "the program secret-tool, which talks to keyrings, is not installed (Debian: libsecret-tools)"
local NO_BUS = "there is no session bus to find a keyring by: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR "
  .. "leads to one"

local LOCKED = "the keyring is locked, and was not unlocked"

local function program()
  for _, path in ipairs(PROGRAMS) do
    if sys.stat(path) then return path end
  end
end

local function has_bus()
  if (sys.getenv "DBUS_SESSION_BUS_ADDRESS" or "") ~= "" then return true end
  local folder = sys.getenv "XDG_RUNTIME_DIR"
  return folder ~= nil and sys.stat(folder .. "/bus") ~= nil
end

--- Why there is no keyring; nil when there may be one.
---@return string?
function M.absent()
  if not program() then return NO_PROGRAM end
  if not has_bus() then return NO_BUS end
end

local function attributes(name)
  return "application", "moonlatch", "name", name
end

-- The complaint of the program, without its own name in front.
local function complaint(child)
  local text = child:complaint()
  local line = text and text:match("secret%-tool: ([^\n]+)") or text and text:match("[^\n]+")
  if not line then return nil end
  if line:find("locked", 1, true) then return LOCKED end
  return "the keyring said: " .. line
end

-- Start the program. Returns the child, or nil and the reason.
local function start(words, input)
  local absent = M.absent()
  if absent then return nil, absent end
  return process.start({ program(), table.unpack(words) }, input, PASS, "kept")
end

-- `lookup` does not show a locked item whose unlocking was declined. `search` still finds it, and prints its attributes
-- on standard error.
local function is_there(name)
  local child <close> = start { "search", attributes(name) }
  if not child then return false end
  local found = child:secret(PATIENCE)
  if found then found:close() end
  child:wait(PATIENCE)
  return (child:complaint() or ""):find("attribute.name", 1, true) ~= nil
end

--- Read the secret of this name.
---@param name string
---@return host.secret|nil value, string? why, string? kind "absent" when the keyring has none of that name
function M.read(name)
  local child <close>, why = start { "lookup", attributes(name) }
  if not child then return nil, why end
  local value, ending = child:secret(PATIENCE)
  if value then return value end
  if ending ~= "empty" then return nil, "the keyring gave no answer: " .. ending end
  child:wait(PATIENCE)
  local said = complaint(child)
  if not said and is_there(name) then return nil, LOCKED end
  return nil, said or ("the keyring holds nothing for application=moonlatch name=%s"):format(name),
    not said and "absent" or nil
end

--- Store a secret under this name; an earlier one is replaced.
---@param name string
---@param label string what a person sees in the keyring
---@param value host.secret
---@return boolean|nil ok, string? why
function M.write(name, label, value)
  local child <close>, why = start({ "store", "--label=" .. label, attributes(name) }, value)
  if not child then return nil, why end
  if child:wait(PATIENCE) == 0 then return true end
  return nil, complaint(child) or "the keyring did not take it"
end

return M
