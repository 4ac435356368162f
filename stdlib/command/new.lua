--- moonlatch new policy NAME: write a policy to edit, with a test beside it.

local actions = require "cli.actions"
local command_task = require "cli.command_task"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local new_file = require "machine.new_file"
local script = require "script.load"
local sys = require "host.sys"
local templates = require "rehearse.templates"

local CHOOSE_ANOTHER = "Nothing was overwritten. Choose another name: {moonlatch} new policy NAME"

local function raise_bad_policy_name(name)
  fail.raise {
    kind = "usage", what = "new policy " .. name, why = "it is not a plain file name",
    fix = hint.text "Choose a name of letters, digits, _ and -: {moonlatch} new policy weekly",
  }
end

-- The plain name of a policy: "weekly" for "weekly", "policies/weekly" and "policies/weekly.lua".
local function plain_policy_name(name)
  local plain = name:gsub("^policies/", ""):gsub("%.lua$", "")
  if not plain:match("^[%w_][%w_-]*$") then raise_bad_policy_name(name) end
  return plain
end

local function write_policy_file(path, text)
  new_file.write(path, text, {
    what = "write " .. path, exists = hint.text(CHOOSE_ANOTHER), otherwise = "name another folder with --scripts DIR",
  })
end

local function check_policy_path_is_free(path)
  if not sys.stat(path) then return end
  fail.raise {
    kind = "conflict", what = "write " .. path, why = "a file of that name exists",
    fix = hint.text(CHOOSE_ANOTHER),
  }
end

local NEEDS = { graph = { "GET /applications", "GET /applications/{id}", "GET /applications(appId)" } }

-- The application that --app names, and why its use cannot be seen, when it cannot.
local function find_application(options)
  local _ <close> = require("session.open").start(options, { owner = "new", needs = NEEDS, reading = true,
    journal = false })
  return command_task.run(function()
    local found = require("entra.named_application").find(options.app)
    local _, why = require("entra.on_behalf").of(found.id)
    return found, why
  end)
end

local UNSEEN = "'%s' signs in on behalf of people (%s): Entra's log of applications does not show that. So that use of "
  .. "its secret is not seen; when a new secret is in use, a person has to say so: {moonlatch} handover"

-- The texts of the policy and its test.
local function policy_texts(plain, options)
  if not options.app then
    local texts = templates[options.applications and "applications" or "users"]
    return texts.policy(plain), texts.test(plain)
  end
  local found, why = find_application(options)
  if why then log.warn(hint.text(UNSEEN, found.displayName, why)) end
  return templates.applications.policy(plain, found), templates.applications.test(plain)
end

local function make_policy(name, options)
  local plain, folder = plain_policy_name(name), (options.scripts or script.own_folder()) .. "/policies"
  local policy, test = ("%s/%s.lua"):format(folder, plain), ("%s/%s_test.lua"):format(folder, plain)
  check_policy_path_is_free(policy)
  check_policy_path_is_free(test)
  local policy_text, test_text = policy_texts(plain, options)
  sys.mkdir(folder)
  write_policy_file(policy, policy_text)
  write_policy_file(test, test_text)
  log.say(("%s: the policy; edit it.\n%s: its test."):format(policy, test))
  log.note(hint.text("\nNext: {moonlatch} rehearse policies/%s      run a year of it on an emulator, in seconds\n"
    .. "      {moonlatch} plan policies/%s          who is due in your tenant, and why", plain, plain))
end

---@type table<string, cli.action>
local ACTIONS = { policy = { run = make_policy, names = "NAME" } }

local function run_new_command(options)
  actions.choose("new", ACTIONS, { "policy" }, options.what, options.name).run(options.name, options)
  return 0
end

---@type cli.command
return {
  summary = "write a policy to edit, with a test beside it",
  details = "The policy is written into your folder of scripts (or that of --scripts). Its name is policies/NAME.",
  usage = "policy NAME [options]",
  arguments = {
    { name = "what", help = "policy", complete = { "policy" } }, { name = "name", help = "name of the policy: weekly" },
  },
  options = {
    { name = "--applications", help = "for client secrets of applications instead of users' passwords" },
    { name = "--app", value = "NAME", help = "for the client secret of this application: its name or client id" },
  },
  examples = {
    "moonlatch new policy weekly", "moonlatch new policy billing-secrets --applications",
    "moonlatch new policy secret --app 'Payroll export'   # takes one application into rotation",
    "moonlatch rehearse policies/weekly                   # try it",
    "moonlatch rotate policies/weekly                     # do it",
  },

  run = run_new_command,
}
