--- The prompt: each entry runs as a task in one session, and its result is shown. It only reads, unless it was started
--- with --write.

local class = require "base.class"
local fail = require "fail"
local globals = require "repl.globals"
local http = require "http.client"
local log = require "log"
local mistakes = require "repl.mistakes"
local oauth = require "oauth.sign_in"
local output = require "log.output"
local pager = require "report.pager"
local profiles = require "profile.current"
local repl_door = require "repl.door"
local repl_input = require "repl.input"
local report = require "report"
local report_failure = require "report.failure"
local scheduler = require "task.scheduler"
local seen = require "repl.seen"
local session = require "session.open"
local sys = require "host.sys"
local term = require "host.term"
local token_cache = require "oauth.token_cache"
local words = require "repl.words"

local M = {}

local AT_ONCE = 100 -- items shown of a list that is still being read
local MOST_ROWS = 1000 -- rows shown on a terminal
local CHUNK = "=prompt"
local READS = "It only reads: --write lets it change things, and asks before each change."

---@class repl.state
---@field options table of the command line
---@field env table the globals of what is typed
---@field names fun(): string[] all names in it
---@field seen repl.seen
---@field settings repl.door.settings
---@field door repl.door? once the session is open
---@field failed boolean did an entry fail?
---@field signed string? who signed in, as it was told
---@field learned table<string, any> the values of names when they were last looked at
---@field lines_of fun(value: any, more: boolean?): string[]
---@field echo_left boolean must a new line follow the ^C on the screen?

---------------------------------------------------------------------------
-- The session

local function open_session(state)
  local options = state.options
  local open = session.start(options, {
    owner = "the prompt", mode = options.write and "write" or "read", journal = options.write == true,
  })
  local door, acting = http.use(nil)
  state.door = repl_door.new(assert(door), state.settings)
  http.use(state.door, acting)
  return open
end

-- Without a configuration the prompt starts all the same; a call then says what is missing.
local function try_session(state)
  local ok, open = pcall(open_session, state)
  if ok then return open end
  local options = state.options
  if not fail.is(open, "config") or options.profile or options.config or options.emulator then error(open, 0) end
  profiles.when_needed(function() open_session(state) end)
  return nil, open
end

---------------------------------------------------------------------------
-- The greeting

local function by_whom(settings)
  if token_cache.is_personal(settings) then
    local ok, about = pcall(token_cache.about, settings)
    if ok and about then return ("As %s, whose sign-in is kept."):format(about.name) end
    return "As the person who signs in when that is first needed."
  end
  if settings.sign_in.method == "managed_identity" then return "As the managed identity of this machine." end
  return ("As application %s."):format(settings.sign_in.client_id)
end

local function limits(state)
  if not state.settings.write then return READS end
  if state.settings.yes then return log.style("red", "It changes things without asking (--write --yes).") end
  return log.style("yellow", "It may change things, and asks before each change (--write).")
end

local function banner(state, open, missing)
  local lines = { log.style("bold", "Moonlatch " .. sys.version()) .. ", without a tenant yet." }
  if open then
    local settings = open.profile
    lines[1] = ("%s on %s%s (profile %s)"):format(log.style("bold", "Moonlatch " .. sys.version()),
      log.style("bold", settings.tenant), settings.kind == "emulator" and ", an emulator" or "", settings.name)
    lines[2] = by_whom(settings)
    lines[3] = limits(state)
  else
    lines[2] = missing.why
    lines[3] = missing.fix
  end
  lines[#lines + 1] = log.style("dim", "help() says what there is, Tab completes, Ctrl-C stops a call, Ctrl-D leaves.")
  log.say(table.concat(lines, "\n"))
end

local function prompt_of(state, open)
  return (open and open.profile.name or "moonlatch") .. (state.settings.write and "!> " or "> ")
end

---------------------------------------------------------------------------
-- Reading entries

-- A local would end with its line, so an assignment to a local becomes one to a global.
local function without_local(text)
  local names = text:match("^%s*local%s+([%w_,%s]-)%s*=[^=]") or text:match("^%s*local%s+(function)%s")
  return names and text:gsub("^%s*local%s+", "", 1) or text
end

local WORDS = { -- words that may be typed without quotes
  help = true, trace = true,
}

local function plain_words(text)
  local word, rest = text:match("^%s*(%a+)%s+([%w_./:-]+)%s*$")
  return word and WORDS[word] and ("%s(%q)"):format(word, rest) or text
end

---@param text string
---@param env table?
---@return function|nil chunk, string? message
local function compile(text, env)
  text = without_local(plain_words(text))
  local chunk, as_value = load("return " .. text, CHUNK, "t", env)
  if chunk then return chunk end
  local as_statement
  chunk, as_statement = load(text, CHUNK, "t", env)
  if chunk then return chunk end
  local open = "<eof>'?$"
  return nil, as_statement:match(open) and as_statement or as_value:match(open) and as_value or as_statement
end

--- Is the text complete, so that it can be run or refused; or does more follow?
---@param text string
---@return boolean
function M.is_whole(text)
  local chunk, message = compile(text)
  return chunk ~= nil or not message:match("<eof>'?$")
end

---------------------------------------------------------------------------
-- Running it

-- A list that is read page by page is not kept at the prompt: its first items are.
local function settle(...)
  local first, _, _, pages = ...
  if type(first) ~= "function" or class.name(pages) ~= "graph.pages" then return table.pack(...) end
  local _ <close> = pages
  local list, more = {}, nil
  for _ = 1, AT_ONCE do list[#list + 1] = first() end
  if #list == AT_ONCE then more = first() ~= nil end
  return { list, n = 1, more = more }
end

local function run_chunk(chunk)
  local function work() return settle(chunk()) end
  local function poll(ms)
    if sys.interrupts() > 0 then error("interrupted", 0) end
    return http.poll(ms)
  end
  local function guard(err)
    return sys.interrupts() == 0 and scheduler.keep_trace(err) or err
  end
  return xpcall(scheduler.run, guard, poll, work)
end

-- The next output begins below the ^C that the terminal shows.
local function leave_echo(state)
  if sys.interrupts() == 0 or state.echo_left then return end
  state.echo_left = true
  if term.is_terminal("in") then term.write("err", "\n") end
end

local function tell_failure(state, err, text)
  output.end_progress()
  state.failed = true
  if sys.interrupts() > 0 then
    leave_echo(state)
    return log.error(log.style("yellow", "interrupted"))
  end
  local failure = mistakes.explain(err, { text = text, env = state.env, paths = state.door and state.door.paths })
  state.env.last = failure
  log.error(report_failure.text(failure))
  if log.verbose() and failure.trace then log.error(failure.trace) end
end

-- Tell who has signed in, once, and when that changes.
local function tell_sign_in(state)
  local principal = oauth.signed_in()
  local name = principal and ("%s (%s)"):format(principal.name, principal.kind == "app" and "application" or "person")
  if name and name ~= state.signed and not log.json() then log.note(log.style("dim", "signed in as " .. name)) end
  state.signed = name or state.signed
end

local function collection(path)
  local plain = path:gsub("%?.*$", ""):gsub("^/v1%.0", "")
  return (plain:gsub("/[^/]*$", function(last) return words.is_id(last:sub(2)) and "" or last end))
end

local function learn(state, results)
  local of = state.door and state.door.paths[1]
  of = of and collection(of) or ""
  for i = 1, results.n do state.seen:learn(results[i], of) end
  for name, value in pairs(state.env) do
    if name ~= "_G" and state.learned[name] ~= value then state.seen:learn(value, of) end
    state.learned[name] = value
  end
end

local function tell(state, results)
  learn(state, results)
  if results.n == 0 then return end
  state.env.last = results[1]
  if log.json() then return report.json(results[1]) end
  local count = words.is_data(results[1]) and 1 or results.n -- a call's further results are shown on request
  for i = 1, count do
    local value = results[i]
    pager.show(state.lines_of(value, results.more))
  end
end

local function run_line(state, text)
  if not text:match("%S") then return end
  if state.door then state.door:clear() end
  local chunk, message = compile(text, state.env)
  if not chunk then
    return tell_failure(state, fail.new {
      kind = "usage", what = "read what was typed", why = message:gsub("^prompt:", "line "),
      fix = "It has to be Lua: help() says what there is.",
    }, text)
  end
  sys.interruptible(true)
  state.echo_left = false
  local ok, results = run_chunk(chunk)
  leave_echo(state)
  tell_sign_in(state)
  if ok then ok, results = pcall(tell, state, results) end
  sys.interruptible(false)
  if not ok then tell_failure(state, results, text) end
end

---------------------------------------------------------------------------
-- The loop

local LEAVING = { exit = true, quit = true, ["exit()"] = true, ["quit()"] = true }

local function loop(state, input, prompt)
  while true do
    local text, why = input:read(prompt)
    if why == "end" or sys.terminated() then return end
    if text and LEAVING[text:match("^%s*(.-)%s*$")] then return end
    if text then
      run_line(state, text)
      input:remember(text)
    end
  end
end

local function new_state(options)
  local state = {
    options = options, seen = seen.new(), failed = false, learned = {},
    settings = { write = options.write == true, yes = options.yes == true, trace = options.verbose == true },
  }
  state.env, state.names = globals.new(require("repl.extras").new(state))
  state.lines_of = function(value, more)
    local most = term.is_terminal("out") and MOST_ROWS or nil
    return require("repl.help").of_value(value)
      or require("repl.show").lines(value, term.width(), { more = more, most = most })
  end
  return state
end

-- Load the completion when Tab is first used: so the prompt starts sooner.
local function completer(state)
  local complete
  return function(before, after)
    complete = complete or require("repl.complete").new(state)
    return complete(before, after)
  end
end

--- Run the prompt until it is left.
---@param options table of the command line
---@return integer exit status
function M.run(options)
  local state = new_state(options)
  local open, missing = try_session(state)
  local _ <close> = setmetatable({}, { __close = session.close })
  local input <close> = repl_input.open(M.is_whole, completer(state))
  local person = term.is_terminal("in")
  if person and not options.quiet and not log.json() then banner(state, open, missing) end
  loop(state, input, prompt_of(state, open))
  if person or not state.failed then return 0 end
  return 1
end

return M
