--- A person's copy of a bundled script may need more than the original. The difference is shown, and a person accepts
--- it once.
---
--- The gate lets a script do what it declares. This protects a person who trusts a script's name from a copy that was
--- edited, or that somebody else brought, and declares more.

local copies = require "script.copies"
local fail = require "fail"
local log = require "log"
local permissions_needs = require "permissions.needs"
local script = require "script.load"
local sys = require "host.sys"

local M = {}

-- What is in `mine` and not in `original`.
local function added(mine, original)
  local known, list = {}, {}
  for _, line in ipairs(permissions_needs.lines(original)) do known[line] = true end
  for _, line in ipairs(permissions_needs.lines(mine)) do
    if not known[line] then list[#list + 1] = line end
  end
  table.sort(list)
  return list
end

--- The needs of a script beyond the bundled original of its name. Empty for the original itself, without an original,
--- or when the script needs no more.
---@param declaration script.declaration
---@param found script.found
---@return string[] "graph: POST /applications"
function M.of(declaration, found)
  local bundled = found.origin ~= "bundled" and found.origin ~= "path" and copies.original(found.name)
  if not bundled then return {} end
  local ok, original = pcall(script.load_found, bundled)
  return added(declaration.needs, ok and original.needs or {})
end

-- The file that says that a person accepted these needs of this script.
local function pin_of(found, more)
  local crypto = require "host.crypto"
  local digest = crypto.hex(crypto.digest("sha256", found.name .. "\n" .. table.concat(more, "\n")))
  return ("%s/accepted/%s"):format(require("profile.file").state_folder(), digest)
end

local function accept(found, more)
  local path = pin_of(found, more)
  sys.mkdir((path:match("^(.*)/")))
  local text = ("%s\n%s\n"):format(found.name, table.concat(more, "\n"))
  local ok, message = sys.write(path, text, "replace")
  if not ok then log.warn("what you accepted could not be kept, and is asked again: " .. tostring(message)) end
end

local function refuse(found)
  fail.raise {
    kind = "person", what = ("run %s"):format(found.path), why = "it needs more than the bundled script of its name, "
      .. "and nobody has accepted that",
    fix = ("Look at what is listed above, then run it at a terminal and say yes, or `moonlatch permissions %s "
      .. "--accept`."):format(found.name),
  }
end

local function say(found, more)
  log.say(("%s needs more than the bundled script of its name:"):format(found.path))
  for _, entry in ipairs(more) do log.say("  + " .. entry) end
end

--- Show these needs, unless they were accepted before.
---@param declaration script.declaration
---@param found script.found
function M.show(declaration, found)
  local more = M.of(declaration, found)
  if #more > 0 and not sys.stat(pin_of(found, more)) then say(found, more) end
end

--- Raise a failure unless a person accepts these needs, now or before.
---@param declaration script.declaration
---@param found script.found
---@param ask nil|fun(question: string): boolean nil where nobody can be asked
function M.check(declaration, found, ask)
  local more = M.of(declaration, found)
  if #more == 0 or sys.stat(pin_of(found, more)) then return end
  say(found, more)
  if not ask or not ask("Let it?") then refuse(found) end
  accept(found, more)
end

--- Show these needs, and accept them without asking.
---@param declaration script.declaration
---@param found script.found
---@return integer how many entries
function M.accept(declaration, found)
  local more = M.of(declaration, found)
  if #more == 0 then return 0 end
  say(found, more)
  accept(found, more)
  return #more
end

return M
