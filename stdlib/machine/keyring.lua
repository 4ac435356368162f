--- The person's keyring (the Secret Service), through libsecret's own client, secret-tool.
---
--- The output of secret-tool is read into a secret. secret-tool finds the keyring through the session bus. A service,
--- or a plain ssh session, often has no session bus; the error says so.

local process = require "host.process"
local sys = require "host.sys"

local M = {}

local PROGRAMS = { "/usr/bin/secret-tool", "/usr/local/bin/secret-tool" }
local PASSED_VARIABLES = {
  "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "HOME", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
}
local UNLOCK_SECONDS = 120 -- the time that a person has to unlock the keyring

local NO_PROGRAM = "the program secret-tool, which talks to keyrings, is not installed (Debian: libsecret-tools)"
local NO_BUS = "there is no session bus to find a keyring by: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR "
  .. "leads to one"

local LOCKED = "the keyring is locked, and was not unlocked"

local function secret_tool_path()
  for _, path in ipairs(PROGRAMS) do
    if sys.stat(path) then return path end
  end
end

local function has_session_bus()
  if (sys.getenv "DBUS_SESSION_BUS_ADDRESS" or "") ~= "" then return true end
  local folder = sys.getenv "XDG_RUNTIME_DIR"
  return folder ~= nil and sys.stat(folder .. "/bus") ~= nil
end

--- Why no keyring can be used; nil when there may be a keyring.
---@return string?
function M.why_absent()
  if not secret_tool_path() then return NO_PROGRAM end
  if not has_session_bus() then return NO_BUS end
end

local function item_attributes(name)
  return "application", "moonlatch", "name", name
end

-- The error message of secret-tool as a reason; nil when it printed nothing.
local function keyring_complaint(child)
  local text = child:complaint()
  local line = text and text:match("secret%-tool: ([^\n]+)") or text and text:match("[^\n]+")
  if not line then return nil end
  if line:find("locked", 1, true) then return LOCKED end
  return "the keyring said: " .. line
end

-- Start secret-tool with these arguments. Returns the child process, or nil and the reason.
local function start_secret_tool(words, input)
  local absent = M.why_absent()
  if absent then return nil, absent end
  return process.start({ secret_tool_path(), table.unpack(words) }, input, PASSED_VARIABLES, "kept")
end

-- Does the keyring have an item of this name, locked or not? `lookup` prints nothing for a locked item that the person
-- did not unlock. `search` finds a locked item too, and prints its attributes on standard error.
local function has_item(name)
  local child <close> = start_secret_tool { "search", item_attributes(name) }
  if not child then return false end
  local found = child:secret(UNLOCK_SECONDS)
  if found then found:close() end
  child:wait(UNLOCK_SECONDS)
  return (child:complaint() or ""):find("attribute.name", 1, true) ~= nil
end

--- Read the secret of this name.
---@param name string
---@return host.secret|nil value, string? why, string? kind "absent" when the keyring has no secret of that name
function M.read(name)
  local child <close>, why = start_secret_tool { "lookup", item_attributes(name) }
  if not child then return nil, why end
  local value, why_none = child:secret(UNLOCK_SECONDS)
  if value then return value end
  if why_none ~= "empty" then return nil, "the keyring gave no answer: " .. why_none end
  child:wait(UNLOCK_SECONDS)
  local said = keyring_complaint(child)
  if not said and has_item(name) then return nil, LOCKED end
  return nil, said or ("the keyring holds nothing for application=moonlatch name=%s"):format(name),
    not said and "absent" or nil
end

--- Store a secret under this name, in the place of an earlier secret of the name.
---@param name string
---@param label string what a person sees in the keyring
---@param value host.secret
---@return boolean|nil ok, string? why
function M.write(name, label, value)
  local child <close>, why = start_secret_tool({ "store", "--label=" .. label, item_attributes(name) }, value)
  if not child then return nil, why end
  if child:wait(UNLOCK_SECONDS) == 0 then return true end
  return nil, keyring_complaint(child) or "the keyring did not store it, and gave no reason"
end

return M
