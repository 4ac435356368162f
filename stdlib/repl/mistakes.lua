--- An error at the prompt as a failure with a fix: what was probably meant, where that can be guessed.

local fail = require "fail"
local nearest = require "base.nearest"
local paths = require "repl.paths"

local M = {}

---@class repl.mistake
---@field text string what was typed
---@field env table
---@field paths string[]? Graph's paths that were asked for

-- "/usrs/1" -> "/users": find the first segment that no path has, and what was probably meant.
local function path_meant(path)
  local plain = path:gsub("%?.*$", ""):gsub("^/v1%.0", "")
  if paths.find(plain) then return nil end
  local above = ""
  for segment in plain:gmatch("[^/]+") do
    local known = paths.next_segments(above .. "/")
    local fits = false
    for _, name in ipairs(known) do fits = fits or name == segment or name == "{id}" end
    if not fits then
      local meant = nearest(segment, known)
      return meant and above .. "/" .. meant
    end
    above = above .. "/" .. segment
  end
end

local ASKED = { missing = true, refused = true }

-- Graph refused a path that does not exist: it may be a typing mistake.
local function with_path(failure, context)
  local path = ASKED[failure.kind] and context.paths and context.paths[#context.paths]
  local meant = path and path_meant(path)
  if not meant then return failure end
  local twin = {}
  for name, value in pairs(failure) do twin[name] = value end
  twin.fix = ("Did you mean %q?%s"):format(meant, failure.fix and " " .. failure.fix or "")
  return fail.new(twin)
end

-- "attempt to call a nil value (field 'lst')" -> graph.list, by what was typed.
local function member_meant(message, context)
  local member = message:match("%((%a+) '([%w_]+)'%)") and select(2, message:match("%((%a+) '([%w_]+)'%)"))
  local owner = member and context.text:match("([%a_][%w_]*)%s*[.:]%s*" .. member .. "%f[^%w_]")
  local value = owner and rawget(context.env, owner)
  local meant = type(value) == "table" and nearest(member, value)
  return meant and ("Did you mean %s.%s?"):format(owner, meant)
end

--- Turn the error into a failure.
---@param err any
---@param context repl.mistake
---@return Failure
function M.explain(err, context)
  if fail.is(err) then return with_path(err, context) end
  local message, trace = tostring(err):match("^(.-)\n(stack traceback:.*)$")
  message = message or tostring(err)
  return fail.new {
    kind = "usage", what = "run what was typed", why = (message:gsub("^prompt:(%d+): ", "line %1: ")),
    fix = member_meant(message, context), trace = trace,
  }
end

return M
