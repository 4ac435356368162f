--- The prompt's own functions: help, explain, unfold, trace, sign_in, reload; and those on results (repl.results).

local class = require "base.class"
local fail = require "fail"
local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local profiles = require "profile.current"
local sets = require "base.sets"
local term = require "host.term"
local token_cache = require "oauth.token_cache"

local M = {}

-- Modules that print are required where they are used, so that the prompt starts sooner.
local function show_lines(lines) require("report.pager").show(lines) end

local name_of_function = setmetatable({}, { __mode = "k" }) ---@type table<function, string>

---@class repl.prompt
---@field state repl.state
local Prompt = class "repl.prompt"

local function facts_of_failure(failure)
  local facts = { kind = failure.kind, status = failure.status, code = failure.code, request_id = failure.request_id }
  local cause = failure.cause
  if type(cause) == "table" and cause.message then facts.said = cause.message end
  return facts
end

local function wrap_explanation_lines(lines)
  return layout.wrap_all(lines, term.width(), function(line) return line:match("^  %l+: ") and 5 or 2 end)
end

-- Print the failure, then the explanation of its code.
local function print_explained_failure(failure)
  local lines = { require("report.failure").text(failure) }
  local code = failure.code ~= "" and failure.code or failure.status
  local codes = require "repl.codes"
  local known = code and codes.explain(code) or failure.status and codes.explain(failure.status) or {}
  for _, more in ipairs { require("report.show").object(facts_of_failure(failure), math.maxinteger), known } do
    more = wrap_explanation_lines(more)
    table.move(more, 1, #more, #lines + 1, lines)
  end
  show_lines(lines)
end

--- Print why a call failed, and what its code means: explain(last), explain "403".
---@param value any a failure, or a code; the last result by default
function Prompt:explain(value)
  if value == nil then value = self.state.env.last end
  if fail.is(value) then return print_explained_failure(value) end
  local known = (type(value) == "string" or math.type(value)) and require("repl.codes").explain(value)
  if known then return show_lines(wrap_explanation_lines(known)) end
  log.prose(value == nil and "Nothing has failed yet." or "This value is no failure, so there is nothing to explain.")
end

--- Print the overview, or help on a function, a module, a path of Graph, a code, a script or a command:
--- help(graph.list), help "/users", help "403".
---@param topic any
function Prompt.help(_, topic)
  local help = require "repl.help"
  if topic == nil then return show_lines(help.overview()) end
  show_lines(help.of(topic))
end

--- Print a value completely, with all its parts.
---@param value any the last result by default
function Prompt:unfold(value)
  if value == nil then value = self.state.env.last end
  if log.json() then return value end
  if type(value) == "table" and value["@odata.context"] and type(value.value) == "table" then value = value.value end
  show_lines(require("report.show").unfolded(value == nil and json.null or value))
end

--- Print each request with its time, without its secrets; or stop printing requests.
---@param word "on"|"off"|nil by default, switch to the other of the two
function Prompt:trace(word)
  local settings = self.state.settings
  if word == nil then word = settings.trace and "off" or "on" end
  if word ~= "on" and word ~= "off" then
    fail.raise {
      kind = "usage", what = ("trace %q"):format(tostring(word)), why = 'it is either "on" or "off"',
      fix = 'Type trace "on", to print each request with its time, or trace "off".',
    }
  end
  settings.trace = word == "on"
  log.prose(word == "on" and "Each request is shown from now on, without its secrets." or "Requests are not shown.")
end

--- Sign in again, and ask for these permissions besides: sign_in "Group.ReadWrite.All". Waits.
---@param ... string permissions of Graph
function Prompt.sign_in(_, ...)
  local oauth, settings = require "oauth.sign_in", profiles.current()
  if not token_cache.is_personal(settings) then
    fail.raise {
      kind = "usage", what = "sign_in", why = "the profile signs in as an application, whose permissions are granted "
        .. "beforehand", fix = "Have them granted to the application.",
    }
  end
  local scopes = sets.of(oauth.scopes())
  for _, text in ipairs { ... } do
    for name in tostring(text):gmatch "[^%s,]+" do scopes[name] = true end
  end
  oauth.use_scopes(sets.sorted(scopes))
  oauth.announce(settings)
  oauth.sign_in(settings)
end

--- Load modules of your own anew: reload "names", or reload() for all. Variables that hold a module get the new one.
---@param name string?
function Prompt:reload(name) return self.state.reload(name) end

--- Make the prompt's own functions.
---@param state repl.state
---@return table<string, any>
function M.new(state)
  local prompt, names = Prompt { state = state }, {}
  for _, name in ipairs { "columns", "save", "sort", "where" } do
    names[name] = function(...) return require("repl.results").apply(name, state, ...) end
  end
  for _, name in ipairs { "explain", "help", "reload", "sign_in", "trace", "unfold" } do
    names[name] = function(...) return Prompt[name](prompt, ...) end
  end
  for name, value in pairs(names) do name_of_function[value] = name end
  return names
end

--- The name of a function of the prompt; nil for any other value.
---@param value any
---@return string|nil
function M.name_of(value)
  return value ~= nil and name_of_function[value] or nil
end

return M
