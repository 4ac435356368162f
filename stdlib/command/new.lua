--- moonlatch new KIND NAME: write a policy, a script or a part of one to edit, with a test beside it.

local actions = require "cli.actions"
local command_task = require "cli.command_task"
local fail = require "fail"
local folders = require "script.folders"
local hint = require "log.hint"
local layout = require "terminal.layout"
local log = require "log"
local new_file = require "machine.new_file"
local sys = require "host.sys"
local templates = require "rehearse.templates"
local test_templates = require "test.templates"

local CHOOSE_ANOTHER = "Nothing was overwritten. Choose another name: {moonlatch} new %s NAME"

-- Folders and endings that people write though the kind has them already.
local FOLDERS = { policy = "policies", step = "setup", resource = "setup", sink = "sinks", notice = "notices" }

-- The plain name: "weekly" for "weekly", "policies/weekly" and "policies/weekly.lua".
local function plain_name(kind, name)
  local plain = name:gsub("%.lua$", "")
  if FOLDERS[kind] then plain = plain:gsub("^" .. FOLDERS[kind] .. "/", "") end
  if plain:match "^[%w_][%w_-]*$" then return plain end
  fail.raise {
    kind = "usage", what = ("new %s %s"):format(kind, name), why = "it is not a plain file name",
    fix = hint.text("Choose a name of letters, digits, _ and -: {moonlatch} new %s weekly", kind),
  }
end

-- Write new files, all or none: the paths are looked at before the first is written.
local function write_new_files(kind, files)
  for _, file in ipairs(files) do
    if sys.stat(file.path) then
      fail.raise { kind = "conflict", what = "write " .. file.path, why = "a file of that name exists",
        fix = hint.text(CHOOSE_ANOTHER, kind) }
    end
  end
  for _, file in ipairs(files) do
    sys.mkdir((file.path:match "^(.*)/"))
    new_file.write(file.path, file.text, {
      what = "write " .. file.path, exists = hint.text(CHOOSE_ANOTHER, kind),
      otherwise = "name another folder with --scripts DIR",
    })
  end
end

local function tell_next_commands(rows)
  local lines, width = {}, 0
  local commands = {}
  for i, row in ipairs(rows) do
    commands[i] = hint.text("{moonlatch} " .. row[1])
    width = math.max(width, layout.width(commands[i]))
  end
  for i, row in ipairs(rows) do
    lines[i] = ("%s%s  %s"):format(i == 1 and "Next: " or "      ", layout.pad(commands[i], width), row[2])
  end
  log.note("\n" .. table.concat(lines, "\n"))
end

---------------------------------------------------------------------------
-- A policy

local NEEDS = { graph = { "GET /applications", "GET /applications/{id}", "GET /applications(appId)" } }

-- The application that --app names, and which use of its secret cannot be seen.
local function find_application(options)
  local _ <close> = require("session.open").start(options, { owner = "new", needs = NEEDS, reading = true,
    journal = false })
  return command_task.run(function()
    local found = require("entra.named_application").find(options.app)
    return found, require("entra.on_behalf").of(found.id)
  end)
end

local UNSEEN = "'%s' %s. So that use of its secret is not seen; when a new secret is in use, a person has to say so: "
  .. "{moonlatch} handover"

-- Warn of the use of the application's secret that Entra's log does not show.
local function warn_of_unseen_use(found, unseen)
  if unseen.for_people then
    log.warn(hint.text(UNSEEN, found.displayName, ("signs in on behalf of people (%s): Entra's log of applications "
      .. "does not show that"):format(unseen.why_people)))
  elseif unseen.other_tenants then
    log.warn(hint.text(UNSEEN, found.displayName, "may sign in to other tenants: Entra's log of this tenant does not "
      .. "show that"))
  end
end

-- The texts of the policy and its test.
local function policy_texts(plain, options)
  if not options.app then
    local texts = templates[options.applications and "applications" or "users"]
    return texts.policy(plain), texts.test(plain)
  end
  local found, unseen = find_application(options)
  warn_of_unseen_use(found, unseen)
  return templates.applications.policy(plain, found), templates.applications.test(plain)
end

local function make_policy(name, options)
  local plain, folder = plain_name("policy", name), folders.for_new_files() .. "/policies"
  local policy, test = ("%s/%s.lua"):format(folder, plain), ("%s/%s_test.lua"):format(folder, plain)
  local policy_text, test_text = policy_texts(plain, options)
  write_new_files("policy", { { path = policy, text = policy_text }, { path = test, text = test_text } })
  log.prose(("%s: the policy; edit it.\n%s: its test."):format(policy, test))
  tell_next_commands {
    { "rehearse policies/" .. plain, "run a year of it on an emulator, in seconds" },
    { "plan policies/" .. plain, "who is due in your tenant, and why" },
  }
end

---------------------------------------------------------------------------
-- The other kinds

local WORDS = {
  script = "a script; edit it", step = "a set-up job with a step of your own; edit it",
  resource = "the resource; edit it", sink = "the sink; edit it", notice = "what tells; edit it",
}

-- What each of the files is.
local function describe_new_file(kind, place, path)
  if place == 1 then return WORDS[kind] end
  if path:find "_test%.lua$" then return "its test" end
  return kind == "notice" and "the rules for notices" or "a job that uses it"
end

local function maker_of(kind)
  return function(name, options)
    if options.applications or options.app then
      fail.raise { kind = "usage", what = "new " .. kind, why = "--applications and --app are for a policy",
        fix = "Leave them out." }
    end
    local template, lines = test_templates.of(kind, plain_name(kind, name)), {}
    for i, file in ipairs(template.files) do
      file.path = ("%s/%s"):format(folders.for_new_files(), file.path)
      lines[i] = ("%s: %s."):format(file.path, describe_new_file(kind, i, file.path))
    end
    write_new_files(kind, template.files)
    log.prose(table.concat(lines, "\n"))
    tell_next_commands(template.next)
  end
end

local ORDER = { "policy", "script", "step", "resource", "sink", "notice" }

---@type table<string, cli.action>
local ACTIONS = { policy = { run = make_policy, names = "NAME" } }
for _, kind in ipairs { "script", "step", "resource", "sink", "notice" } do
  ACTIONS[kind] = { run = maker_of(kind), names = "NAME" }
end

local function run_new_command(options)
  actions.choose("new", ACTIONS, ORDER, options.what, options.name).run(options.name, options)
  return 0
end

---@type cli.command
return {
  summary = "write a policy, script, step, resource, sink or notice to edit, with a test",
  details = "The files are written into your folder of scripts (or that of --scripts), and run as they are.\n"
    .. "A policy is policies/NAME, a step or a resource setup/NAME, a sink sinks/NAME, a notice notices/NAME.\n"
    .. "`scripts test` runs the test, on a private emulator and stand-ins of services.",
  usage = "policy|script|step|resource|sink|notice NAME [options]",
  arguments = {
    { name = "what", help = "policy, script, step, resource, sink or notice", complete = ORDER },
    { name = "name", help = "its name: weekly" },
  },
  options = {
    { name = "--applications", help = "of a policy: for client secrets of applications, not users' passwords" },
    { name = "--app", value = "NAME",
      help = "of a policy: for the client secret of this application: its name or client id" },
  },
  examples = {
    "moonlatch new policy weekly", "moonlatch new policy billing-secrets --applications",
    "moonlatch new policy secret --app 'Payroll export'   # takes one application into rotation",
    "moonlatch rehearse policies/weekly                   # try it",
    "moonlatch rotate policies/weekly                     # do it",
    "moonlatch new script guests && moonlatch scripts test guests",
  },

  run = run_new_command,
}
