--- moonlatch doctor: find out what is wrong, what expires when, and which rights are not needed.

local fail = require "fail"
local fixed = require "command.fixed"
local hint = require "log.hint"
local log = require "log"
local microsoft_ids = require "base.microsoft_ids"
local workflow_command = require "cli.workflow_command"

local NAME = "doctor"

local TRY_ON = "doctor --first-contact --try-on"

local function check_try_on(args)
  if args.first_contact and microsoft_ids.is_id(args.try_on) then return end
  fail.raise {
    kind = "usage", what = ("%s %s"):format(TRY_ON, args.try_on),
    why = args.first_contact and ("'%s' is no client id"):format(args.try_on) or "--try-on belongs to --first-contact",
    fix = hint.text("Give the Application (client) ID of an application that was made for this: {moonlatch} "
      .. TRY_ON .. " CLIENT-ID"),
  }
end

-- Only --try-on changes something. It asks first.
local function run_probe(declaration, args, options)
  check_try_on(args)
  workflow_command.require_consent(options, TRY_ON, false)
  local question = ("Add a client secret that expires in an hour to the application %s, and remove it again?")
    :format(args.try_on)
  if options.yes or workflow_command.ask_yes_or_no(question) then
    return fixed.run_changing(declaration, args, options)
  end
  log.say "Nothing was changed."
  return 1
end

local function run_doctor_command(options)
  local declaration, args = fixed.load(NAME, options)
  if args.try_on then return run_probe(declaration, args, options) end
  return fixed.run_reading(declaration, args, options)
end

---@type cli.command
return {
  summary = "find out what is wrong, what expires when, and which rights are not needed",
  script = "fixed",
  fixed = NAME,
  examples = { "moonlatch doctor", "moonlatch doctor --json" },
  help = fixed.help(NAME, "doctor"),

  run = run_doctor_command,
}
