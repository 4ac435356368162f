--- The prompt: read entries, run each entry as a task in one session, and print its results. The prompt only reads,
--- unless it was started with --write.

local class = require "base.class"
local command_task = require "cli.command_task"
local commands = require "repl.commands"
local fail = require "fail"
local globals = require "repl.globals"
local http = require "http.client"
local log = require "log"
local oauth = require "oauth.sign_in"
local output = require "log.output"
local profiles = require "profile.current"
local repl_door = require "repl.door"
local repl_input = require "repl.input"
local scheduler = require "task.scheduler"
local seen = require "repl.seen"
local session = require "session.open"
local sys = require "host.sys"
local term = require "host.term"
local token_cache = require "oauth.token_cache"
local traceback = require "base.traceback"
local words = require "report.words"

local M = {}

local MOST_LIST_ITEMS = 100 -- printed of a list that graph.list reads page by page
local MOST_ROWS = 1000 -- printed on a terminal
local CHUNK_NAME = "=prompt"
local READS_ONLY = "It only reads: --write lets it change things, and asks before each change."

---@class repl.state
---@field options table of the command line
---@field env table the globals of the entries
---@field names fun(): string[] returns the names of the globals
---@field seen repl.seen
---@field settings repl.door.settings
---@field door repl.door? once the session is open
---@field failed boolean did an entry fail?
---@field signed string? who signed in, as printed
---@field learned table<string, any> the values of the globals whose names and ids were learnt
---@field lines_of fun(value: any, more: boolean?): string[]
---@field reload fun(name: string?): any
---@field run_command fun(words: string[]): integer
---@field emulator session.emulator? a private one, whose session was closed for a command
---@field echo_left boolean was a new line printed after the ^C on the screen?

---------------------------------------------------------------------------
-- The session

local function open_prompt_session(state)
  local options = state.options
  local open = session.start(options, {
    owner = "the prompt", mode = options.write and "write" or "read", journal = options.write == true,
  })
  local door, session_rights = http.use(nil)
  state.door = repl_door.new(assert(door), state.settings)
  http.use(state.door, session_rights)
  return open
end

-- Open a session. Without a configuration the prompt starts nevertheless, and the first call fails with what is
-- missing. Returns the session; or nil and the failure.
local function try_to_open_session(state)
  local ok, open = pcall(open_prompt_session, state)
  if ok then return open end
  local options = state.options
  if not fail.is(open, "config") or options.profile or options.config or options.emulator then error(open, 0) end
  profiles.load_on_demand(function() open_prompt_session(state) end)
  return nil, open
end

---------------------------------------------------------------------------
-- The greeting

local function sign_in_text_of_prompt(settings)
  if token_cache.is_personal(settings) then
    local ok, about = pcall(token_cache.about, settings)
    if ok and about then return ("As %s, whose sign-in is kept."):format(about.name) end
    return "As the person who signs in when that is first needed."
  end
  if settings.sign_in.method == "managed_identity" then return "As the managed identity of this machine." end
  return ("As application %s."):format(settings.sign_in.client_id)
end

local function rights_text_of_prompt(state)
  if not state.settings.write then return READS_ONLY end
  if state.settings.yes then return log.style("red", "It changes things without asking (--write --yes).") end
  return log.style("yellow", "It may change things, and asks before each change (--write).")
end

local function print_prompt_banner(state, open, missing)
  local lines = { log.style("bold", "Moonlatch " .. sys.version()) .. ", without a tenant yet." }
  if open then
    local settings = open.profile
    lines[1] = ("%s on %s%s (profile %s)"):format(log.style("bold", "Moonlatch " .. sys.version()),
      log.style("bold", settings.tenant), settings.kind == "emulator" and ", an emulator" or "", settings.name)
    lines[2] = sign_in_text_of_prompt(settings)
    lines[3] = rights_text_of_prompt(state)
  else
    lines[2] = missing.why
    lines[3] = missing.fix
  end
  lines[#lines + 1] = log.style("dim", "help() says what there is, Tab completes, Ctrl-C stops a call, Ctrl-D leaves.")
  log.prose(table.concat(lines, "\n"))
end

local function prompt_text(state, open)
  return (open and open.profile.name or "moonlatch") .. (state.settings.write and "!> " or "> ")
end

---------------------------------------------------------------------------
-- Reading entries

-- Remove `local` at the front of an entry: a local variable would not exist in the next entry.
local function without_local(text)
  local names = text:match("^%s*local%s+([%w_,%s]-)%s*=[^=]") or text:match("^%s*local%s+(function)%s")
  return names and text:gsub("^%s*local%s+", "", 1) or text
end

local WORD_FUNCTIONS = { -- functions whose argument may be typed without quotes
  columns = true, help = true, reload = true, save = true, sign_in = true, sort = true, trace = true,
}

local function quote_plain_words(text)
  local topic = text:match "^%s*%?%s*(.-)%s*$" -- ?graph.list
  if topic then return topic == "" and "help()" or ("help(%q)"):format(topic) end
  local word, rest = text:match("^%s*([%a_]+)%s+([%w_./:-]+)%s*$")
  return word and WORD_FUNCTIONS[word] and ("%s(%q)"):format(word, rest) or text
end

---@param text string
---@param env table?
---@return function|nil chunk, string? message
local function compile_entry(text, env)
  text = without_local(quote_plain_words(text))
  local chunk, as_value = load("return " .. text, CHUNK_NAME, "t", env)
  if chunk then return chunk end
  local as_statement
  chunk, as_statement = load(text, CHUNK_NAME, "t", env)
  if chunk then return chunk end
  local open = "<eof>'?$"
  return nil, as_statement:match(open) and as_statement or as_value:match(open) and as_value or as_statement
end

--- Is the text complete Lua, or wrong whatever follows? False when further lines are needed.
---@param text string
---@return boolean
function M.is_complete(text)
  local chunk, message = compile_entry(text)
  return chunk ~= nil or not message:match("<eof>'?$")
end

---------------------------------------------------------------------------
-- Running an entry

-- Pack the results of an entry. Of a list that graph.list reads page by page, the first items are read.
local function read_entry_results(...)
  local first, _, _, pages = ...
  if type(first) ~= "function" or class.name(pages) ~= "graph.pages" then return table.pack(...) end
  local _ <close> = pages
  local list, more = {}, nil
  for _ = 1, MOST_LIST_ITEMS do list[#list + 1] = first() end
  if #list == MOST_LIST_ITEMS then more = first() ~= nil end
  return { list, n = 1, more = more }
end

local function run_entry_chunk(chunk)
  local function run_and_read()
    return command_task.explain_denied_calls(function() return read_entry_results(chunk()) end)
  end
  local function poll(ms)
    if sys.interrupts() > 0 then error("interrupted", 0) end
    return http.poll(ms)
  end
  local function handle_error(err)
    return sys.interrupts() == 0 and traceback.keep(err) or err
  end
  return xpcall(scheduler.run, handle_error, poll, run_and_read)
end

-- Print a new line after the ^C that the terminal shows.
local function end_echo_line(state)
  if sys.interrupts() == 0 or state.echo_left then return end
  state.echo_left = true
  if term.is_terminal("in") then term.write("err", "\n") end
end

local function set_last_result(state, value) state.env.last, state.env._ = value, value end

local function print_entry_failure(state, err, text)
  output.end_progress()
  state.failed = true
  if sys.interrupts() > 0 then
    end_echo_line(state)
    return log.error(log.style("yellow", "interrupted"))
  end
  local about = { text = text, env = state.env, paths = state.door and state.door.paths }
  local failure = require("repl.mistakes").explain(err, about)
  set_last_result(state, failure)
  log.error(require("report.failure").text(failure))
  if log.verbose() and failure.trace then log.error(failure.trace) end
end

-- Print who has signed in, when that has changed.
local function print_sign_in(state)
  local principal = oauth.signed_in()
  local name = principal and ("%s (%s)"):format(principal.name, principal.kind == "app" and "application" or "person")
  if name and name ~= state.signed and not log.json() then log.note(log.style("dim", "signed in as " .. name)) end
  state.signed = name or state.signed
end

local function collection_of_path(path)
  local plain = path:gsub("%?.*$", ""):gsub("^/v1%.0", "")
  return (plain:gsub("/[^/]*$", function(last) return words.is_id(last:sub(2)) and "" or last end))
end

local function learn_names(state, results)
  local of = state.door and state.door.paths[1]
  of = of and collection_of_path(of) or ""
  for i = 1, results.n do state.seen:learn(results[i], of) end
  for name, value in pairs(state.env) do
    if name ~= "_G" and state.learned[name] ~= value then state.seen:learn(value, of) end
    state.learned[name] = value
  end
end

local function print_entry_results(state, results)
  learn_names(state, results)
  if results.n == 0 then return end
  set_last_result(state, results[1])
  if log.json() then return require("report").json(results[1]) end
  local count = words.is_data(results[1]) and 1 or results.n -- a call's further results are shown on request
  for i = 1, count do
    local value = results[i]
    require("report.pager").show(state.lines_of(value, results.more))
  end
end

-- Close the session, run a command of the program, and open the session again. A private emulator is kept.
local function run_prompt_command(state, command_words)
  local open, options = session.current(), state.options
  if open and open.emulator then
    state.emulator, open.emulator = open.emulator, nil
    options.config, options.emulator = state.emulator.config, nil
  end
  session.close()
  sys.interruptible(true)
  local ok, status = xpcall(state.run_command, traceback.keep, commands.command_line(command_words, options))
  sys.interruptible(false)
  if not ok then require("report.failure").print(status) end
  state.failed = state.failed or not ok or status == 1 or status == 2
  sys.forget_interrupts()
  if open then open_prompt_session(state) end
end

local function run_entry(state, text)
  if not text:match("%S") then return end
  if state.door then state.door:clear() end
  local chunk, message = compile_entry(text, state.env)
  local command_words = commands.words(text, state.env, chunk ~= nil)
  if command_words then return run_prompt_command(state, command_words) end
  if not chunk then
    return print_entry_failure(state, fail.new {
      kind = "usage", what = "read what was typed", why = message:gsub("^prompt:", "line "),
      fix = "Correct the Lua code. Type help() for what there is.",
    }, text)
  end
  sys.interruptible(true)
  state.echo_left = false
  local ok, results = run_entry_chunk(chunk)
  end_echo_line(state)
  print_sign_in(state)
  if ok then ok, results = pcall(print_entry_results, state, results) end
  sys.interruptible(false)
  if not ok then print_entry_failure(state, results, text) end
end

---------------------------------------------------------------------------
-- The loop

local LEAVING_WORDS = { exit = true, quit = true, ["exit()"] = true, ["quit()"] = true }

local function read_and_run_entries(state, input, prompt)
  while true do
    local text, why = input:read(prompt)
    if why == "end" or sys.terminated() then return end
    if text and LEAVING_WORDS[text:match("^%s*(.-)%s*$")] then return end
    if text then
      run_entry(state, text)
      input:remember(text)
    end
  end
end

local function new_prompt_state(options, run_command)
  local state = {
    run_command = run_command, options = options, seen = seen.new(), failed = false, learned = {},
    settings = { write = options.write == true, yes = options.yes == true, trace = options.verbose == true },
  }
  state.env, state.names, state.reload = globals.new(require("repl.extras").new(state))
  state.lines_of = function(value, more)
    local most = term.is_terminal("out") and MOST_ROWS or nil
    return require("repl.help").of_value(value)
      or require("report.show").lines(value, term.width(), { more = more, most = most })
  end
  return state
end

-- The completion function. The module is loaded when Tab is first used, so that the prompt starts sooner.
local function new_completer(state)
  local complete
  return function(before, after)
    complete = complete or require("repl.complete").new(state)
    return complete(before, after)
  end
end

--- Run the prompt until the person leaves it.
---@param options table of the command line
---@param run_command fun(words: string[]): integer runs a command of the program
---@return integer exit_status
function M.run(options, run_command)
  local state = new_prompt_state(options, run_command)
  local open, missing = try_to_open_session(state)
  local _ <close> = setmetatable({}, { __close = function()
    session.close()
    if state.emulator then state.emulator:close() end
  end })
  local input <close> = repl_input.open(M.is_complete, new_completer(state))
  local person = term.is_terminal("in")
  if person and not options.quiet and not log.json() then print_prompt_banner(state, open, missing) end
  read_and_run_entries(state, input, prompt_text(state, open))
  if person or not state.failed then return 0 end
  return 1
end

return M
