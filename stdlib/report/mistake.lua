--- Say what an error that is no failure means: a mistake in a file that a person wrote, or in Moonlatch itself. The
--- failure names the place in the person's file, and never a line of the library.

local fail = require "fail"
local json = require "host.json"

local M = {}

local LIBRARY = debug.getinfo(1, "S").short_src:match "^(.*)report/mistake%.lua$" -- "stdlib/"
local BUNDLED = "scripts/" -- the names of bundled scripts begin with this

-- A file and a line of the text; nil when they are of the library, or there are none.
local function place_of_author(file, line)
  if not file or file:sub(1, #LIBRARY) == LIBRARY or file:find "^%[" then return nil end
  return { file = file, line = line }
end

-- The innermost line of a traceback that is not the library's.
local function find_place_in_trace(trace)
  for text in (trace or ""):gmatch "[^\n]+" do
    local place = place_of_author(text:match "^%s+(%S.-):(%d+): in ")
    if place then return place end
  end
end

-- What to do about some messages of Lua.
local FIXES = {
  { "^reads the undeclared global '([%a_][%w_]*)'$",
    'Declare it before that line: local %s = …; for a module: local %s = require "%s".' },
  { "^writes the undeclared global '([%a_][%w_]*)'$", "Declare it first, outside the function: local %s." },
  { "^attempt to %a+ a nil value %(%a+ '([%w_]+)'%)$", "'%s' is nil there: check its name, and whether it may be "
    .. "missing." },
}

local MORE = "The same command with --verbose shows the calls that led there."

--- What to do about a message of Lua, without its place; nil for a message that says it itself.
---@param message string "attempt to index a nil value (local 'x')"
---@return string?
function M.known_fix(message)
  for _, known in ipairs(FIXES) do
    local name = message:match(known[1])
    if name then return (known[2]:gsub("%%s", name)) end
  end
end

local function fix_of_message(message, place)
  local known = M.known_fix(message)
  if known then return known .. " " .. MORE end
  local is_bundled = place.file:sub(1, #BUNDLED) == BUNDLED
  return (is_bundled and "Report this with what --verbose prints." or "Correct that line. " .. MORE)
end

-- A table that a script raised has no place.
local function failure_of_raised_table(err)
  local ok, text = pcall(json.encode, err)
  return fail.new {
    kind = "config", what = "run a script", why = "it raised a table" .. (ok and ": " .. text or ""),
    fix = 'Raise a text, error("…"), or a failure, fail.raise { … }: these say where they come from.',
  }
end

-- The failure for an error without any place of an author.
local function failure_of_moonlatch(message, trace)
  return fail.new {
    kind = "config", what = message, why = "this is a mistake in Moonlatch, and not in what you wrote",
    fix = "Run the same command with --verbose, and report what it prints.", trace = trace,
  }
end

--- The failure that says what an error means.
---@param err any not a failure
---@return Failure
function M.failure(err)
  if type(err) == "table" then return failure_of_raised_table(err) end
  local message, trace = tostring(err):match "^(.-)\n(stack traceback:.*)$"
  message = message or tostring(err)
  local file, line, said = message:match "^([^\n:]+):(%d+): (.*)$"
  local place = place_of_author(file, line) or find_place_in_trace(trace)
  if not place then return failure_of_moonlatch(said or message, trace) end
  local name = place.file == "-e" and "the code after -e" or place.file
  return fail.new {
    kind = "config", what = ("run line %s of %s"):format(place.line, name), why = said or message,
    fix = fix_of_message(said or message, place), trace = trace,
  }
end

return M
