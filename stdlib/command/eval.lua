--- moonlatch -e CODE: run Lua inside a task, with the interfaces of the library.
--
-- The code declares no calls, so it may only read; with --write it may also change. A profile is loaded, and a session
-- opened, when the code first needs them.

local command_task = require "cli.command_task"
local on_demand = require "session.on_demand"
local sandbox = require "script.sandbox"

local function raise_bad_code(message)
  require("fail").raise {
    kind = "usage", what = "read the code of -e", why = message,
    fix = "Correct the Lua code after -e, in quotes of the shell: moonlatch -e 'print(1 + 1)'",
  }
end

-- Compile the code. As in interactive Lua, the code may also be an expression.
local function compile_code(code)
  local globals = sandbox.globals()
  local chunk, as_value = load("return " .. code, "=-e", "t", globals)
  if chunk then return chunk end
  local message
  chunk, message = load(code, "=-e", "t", globals)
  return chunk or raise_bad_code(as_value:match("<eof>$") and as_value or message)
end

local function print_code_results(...)
  local report, log = require "report", require "log"
  for _, value in ipairs { ... } do
    if type(value) == "table" or log.json() then report.json(value) else log.say(tostring(value)) end
  end
end

local function run_eval_command(options)
  local chunk = compile_code(options.code)
  local _ <close> = on_demand(options)
  local results = table.pack(command_task.run(chunk))
  if results.n > 0 then print_code_results(table.unpack(results, 1, results.n)) end
  return 0
end

---@type cli.command
return {
  summary = "run a line of Lua; it can only read, unless --write is given",
  usage = "CODE [options]",
  options = { { name = "--write", help = "allow changes" } },
  examples = {
    "moonlatch -e 'require(\"graph\").get(\"/organization\").value[1].displayName'",
    "moonlatch --emulator -e 'for user in require(\"graph\").list(\"/users\") do print(user.userPrincipalName) end'",
  },

  run = run_eval_command,
}
