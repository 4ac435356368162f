--- Show the needs of a copy of a bundled script that its original does not have; a person has to accept them once.
---
--- The gate lets a script do what the script declares. A person who trusts a script's name is protected here from a
--- copy that declares more, because it was edited, or because somebody else brought it.

local copies = require "script.copies"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local permissions_needs = require "permissions.needs"
local script = require "script.load"
local sys = require "host.sys"

local M = {}

-- The needs in `mine` that `original` does not have, each as one line.
local function added_needs(mine, original)
  local known, list = {}, {}
  for _, line in ipairs(permissions_needs.lines(original)) do known[line] = true end
  for _, line in ipairs(permissions_needs.lines(mine)) do
    if not known[line] then list[#list + 1] = line end
  end
  table.sort(list)
  return list
end

--- The needs of a script that the bundled original of its name does not have. Empty for the original itself, and for a
--- script without an original.
---@param declaration script.declaration
---@param found script.found
---@return string[] "graph: POST /applications"
function M.needs_beyond_original(declaration, found)
  local bundled = found.origin ~= "bundled" and found.origin ~= "path" and copies.bundled_original(found.name)
  if not bundled then return {} end
  local ok, original = pcall(script.load_found, bundled)
  return added_needs(declaration.needs, ok and original.needs or {})
end

-- The path of the file that records that a person accepted these needs of this script.
local function acceptance_file(found, more)
  local crypto = require "host.crypto"
  local digest = crypto.hex(crypto.digest("sha256", found.name .. "\n" .. table.concat(more, "\n")))
  return ("%s/accepted/%s"):format(require("profile.file").state_folder(), digest)
end

local function record_acceptance(found, more)
  local path = acceptance_file(found, more)
  sys.mkdir((path:match("^(.*)/")))
  local text = ("%s\n%s\n"):format(found.name, table.concat(more, "\n"))
  local ok, message = sys.write(path, text, "replace")
  if not ok then
    log.warn("your answer could not be recorded, so the next run will ask again: " .. tostring(message))
  end
end

local function refuse_script(found)
  fail.raise {
    kind = "person", what = ("run %s"):format(found.path), why = "it needs more than the bundled script of its name, "
      .. "and nobody has accepted that",
    fix = hint.text("Read the needs listed above. To accept them, run the script at a terminal and answer yes, or run "
      .. "`{moonlatch} permissions %s --accept`.", found.name),
  }
end

local function print_added_needs(found, more)
  log.prose(("%s needs more than the bundled script of its name:"):format(found.path))
  for _, entry in ipairs(more) do log.prose("  + " .. entry) end
end

--- Print the needs beyond the original, unless a person accepted them before.
---@param declaration script.declaration
---@param found script.found
function M.show(declaration, found)
  local more = M.needs_beyond_original(declaration, found)
  if #more > 0 and not sys.stat(acceptance_file(found, more)) then print_added_needs(found, more) end
end

--- Raise a failure unless a person accepts the needs beyond the original, now or before.
---@param declaration script.declaration
---@param found script.found
---@param ask nil|fun(question: string): boolean nil when no person can be asked
function M.check(declaration, found, ask)
  local more = M.needs_beyond_original(declaration, found)
  if #more == 0 or sys.stat(acceptance_file(found, more)) then return end
  print_added_needs(found, more)
  if not ask or not ask("Let it?") then refuse_script(found) end
  record_acceptance(found, more)
end

--- Print the needs beyond the original, and record that they are accepted, without asking.
---@param declaration script.declaration
---@param found script.found
---@return integer count of the accepted needs
function M.accept(declaration, found)
  local more = M.needs_beyond_original(declaration, found)
  if #more == 0 then return 0 end
  print_added_needs(found, more)
  record_acceptance(found, more)
  return #more
end

return M
