--- Turn an error at the prompt into a failure whose fix suggests what was probably meant.

local fail = require "fail"
local nearest = require "base.nearest"
local paths = require "graph.paths"

local M = {}

---@class repl.mistake
---@field text string the entry that was typed
---@field env table the globals of the prompt
---@field paths string[]? the paths of Graph that were requested

-- Suggest the path up to the first segment that no path has, with that segment corrected: "/users" for "/usrs/1".
local function suggest_path(path)
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

local KINDS_OF_MISTYPED_PATHS = { missing = true, refused = true }

-- When Graph refused a path that does not exist, add the suggested path to the fix.
local function with_suggested_path(failure, context)
  local path = KINDS_OF_MISTYPED_PATHS[failure.kind] and context.paths and context.paths[#context.paths]
  local meant = path and suggest_path(path)
  if not meant then return failure end
  local copy = {}
  for name, value in pairs(failure) do copy[name] = value end
  copy.fix = ("Did you mean %q?%s"):format(meant, failure.fix and " " .. failure.fix or "")
  return fail.new(copy)
end

-- Suggest a member: for "attempt to call a nil value (field 'lst')" in an entry with graph.lst, graph.list.
local function suggest_member(message, context)
  local member = message:match("%((%a+) '([%w_]+)'%)") and select(2, message:match("%((%a+) '([%w_]+)'%)"))
  local owner = member and context.text:match("([%a_][%w_]*)%s*[.:]%s*" .. member .. "%f[^%w_]")
  local value = owner and rawget(context.env, owner)
  local meant = type(value) == "table" and nearest(member, value)
  return meant and ("Did you mean %s.%s?"):format(owner, meant)
end

-- Name the way to a missing permission at the prompt. `permissions` is what permissions.denied found.
local function with_way_to_permission(failure)
  if not failure.permissions or not failure.fix then return failure end
  failure.fix = ('%s At this prompt: sign_in "%s"'):format(failure.fix, table.concat(failure.permissions, ", "))
  failure.permissions = nil
  return failure
end

--- Turn an error into a failure.
---@param err any
---@param context repl.mistake
---@return Failure
function M.explain(err, context)
  if fail.is(err) then return with_suggested_path(with_way_to_permission(err), context) end
  local message, trace = tostring(err):match("^(.-)\n(stack traceback:.*)$")
  message = message or tostring(err)
  return fail.new {
    kind = "usage", what = "run what was typed", why = (message:gsub("^prompt:(%d+): ", "line %1: ")),
    fix = suggest_member(message, context), trace = trace,
  }
end

return M
