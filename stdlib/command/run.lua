--- moonlatch run SCRIPT: run a script without steps, or a file of Lua.
--
-- A script may make the calls that it declares. A file that declares nothing may only read; with --write it may also
-- change. Such a file is run by its path: a script that is found by its name has no rights while it is loaded.

local command_task = require "cli.command_task"
local copies = require "script.copies"
local fail = require "fail"
local hint = require "log.hint"
local on_demand = require "session.on_demand"
local script = require "script.load"
local session = require "session.open"
local workflow_command = require "cli.workflow_command"

-- The command for each kind of script that is not run: why, and what to do instead.
local OTHER_KINDS = {
  { "steps", "this script has steps", "Run `{moonlatch} plan %s`, then `{moonlatch} apply %s`." },
  { "policy", "this script is a policy", "Run `{moonlatch} plan %s`, then `{moonlatch} rotate %s`." },
  { "rehearsal", "this script is a rehearsal", "Run `{moonlatch} rehearse` with the name of its policy." },
  { "test", "this script is a test", "Run `{moonlatch} scripts test` with the name of the script that it tests." },
  { "notices", "this script has rules for notices", "Run `{moonlatch} notify %s`." },
  { "store", "this script is a sink", 'Name it in a policy: sink = policy.sink("%s", { … })' },
  { "kept_by", "this script is a sink", 'Name it in a policy: sink = policy.sink("%s", { … })' },
  { "tell", "this script tells what rules for notices hand to it", "Name it in such rules: to = \"%s\"." },
}

local function refuse_script_of_another_kind(declaration, name)
  for _, kind in ipairs(OTHER_KINDS) do
    if declaration[kind[1]] then
      fail.raise { kind = "usage", what = "run " .. name, why = kind[2], fix = hint.text(kind[3], name, name) }
    end
  end
end

local function raise_declares_needs(found)
  fail.raise {
    kind = "usage", what = ("run %s with --write"):format(found.name),
    why = "--write is for a file that declares nothing; this script declares in `needs` what it may do",
    fix = "Leave out --write; and add the calls that the script lacks to its `needs`.",
  }
end

local function run_declaration(found, declaration, options)
  refuse_script_of_another_kind(declaration, options.script)
  if options.write then raise_declares_needs(found) end
  local args = script.arguments(declaration, options.rest)
  workflow_command.check_growth(declaration, found, options)
  local _ <close> = on_demand(options, { owner = script.describe(found), needs = script.needs(declaration, args) })
  return command_task.explain_denied_calls(declaration.run, args)
end

-- A file may either act or declare. One that did both would be free of its own declaration.
local function refuse_acting_declaration(found)
  if not session.current() then return end
  fail.raise {
    kind = "config", what = "run " .. found.path, why = "the file made calls, and then returned a declaration",
    fix = "Move the calls into its function `run`, and add them to `needs`.",
  }
end

local function run_found_script(found, options)
  if found.origin ~= "path" then return run_declaration(found, script.load_found(found), options) end
  local value = script.chunk(found)(table.unpack(options.rest))
  if type(value) ~= "table" then return value end
  refuse_acting_declaration(found)
  return run_declaration(found, script.check(found, value), options)
end

local function exit_status_of_script(found, options)
  local result = run_found_script(found, options)
  return math.tointeger(result) or 0
end

local function help_of_script_to_run(options)
  if not options.script then return nil end
  local declaration, found = script.load(options.script)
  return script.help(declaration, found, "run")
end

local function run_run_command(options)
  local found = script.find(options.script)
  copies.tell_replacement(found)
  local _ <close> = on_demand(options)
  return command_task.run(exit_status_of_script, found, options)
end

---@type cli.command
return {
  summary = "run a script that has no steps, or a file of Lua",
  usage = "SCRIPT [--name value …] [options]",
  arguments = { { name = "script", help = "name or path of the script: ./mine.lua", complete = "scripts" } },
  script = "named",
  options = { { name = "--write", help = "allow changes by a file that declares nothing" } },
  examples = { "moonlatch run ./mine.lua --emulator", "moonlatch run ./mine.lua --within 30d --json" },
  help = help_of_script_to_run,

  run = run_run_command,
}
