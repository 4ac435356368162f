--- moonlatch discover: list privileged accounts.

local dispatch = require "command.dispatch"
local fixed = require "command.fixed"

local NAME = "discover"

local function run_discover_command(options)
  local declaration, args = fixed.load(NAME, options)
  if args.format ~= "table" and not options.json then -- what is said goes elsewhere, as with --json
    options.json = true
    dispatch.configure_output(options)
  elseif options.json then
    args.format = "json"
  end
  return fixed.run_reading(declaration, args, options)
end

---@type cli.command
return {
  summary = "list privileged accounts, with their roles, their age, and who manages them",
  script = "fixed",
  examples = { "moonlatch discover", "moonlatch discover --all --format csv" },

  help = fixed.help(NAME, "discover"),

  run = run_discover_command,
}
