--- moonlatch -e CODE: run Lua inside a task, with the library at hand.
--
-- Code that declares nothing may only read; --write lifts that. No profile is
-- loaded and nothing is opened before the code needs it.

local command_task = require "cli.command_task"
local on_demand = require "session.on_demand"
local sandbox = require "script.sandbox"

local function raise(message)
  require("fail").raise {
    kind = "usage", what = "read the code of -e", why = message, fix = "It has to be Lua: moonlatch -e 'print(1 + 1)'",
  }
end

-- As in any interactive Lua, an expression is code too.
local function compile(code)
  local globals = sandbox.globals()
  local chunk, as_value = load("return " .. code, "=-e", "t", globals)
  if chunk then return chunk end
  local message
  chunk, message = load(code, "=-e", "t", globals)
  return chunk or raise(as_value:match("<eof>$") and as_value or message)
end

local function show(...)
  local report, log = require "report", require "log"
  for _, value in ipairs { ... } do
    if type(value) == "table" or log.json() then report.json(value) else log.say(tostring(value)) end
  end
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

  run = function(options)
    local chunk = compile(options.code)
    local _ <close> = on_demand(options)
    local results = table.pack(command_task.run(chunk))
    if results.n > 0 then show(table.unpack(results, 1, results.n)) end
    return 0
  end,
}
