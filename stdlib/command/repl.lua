--- moonlatch repl: open a prompt to look around a tenant.

local function run_repl_command(options)
  return require("repl.prompt").run(options, require("command.dispatch").run)
end

---@type cli.command
return {
  summary = "open a prompt to look around a tenant, with everything that scripts have",
  details = "The prompt only reads. With --write it can make changes, and asks before each. Without a terminal it\n"
    .. "runs the lines of standard input; exit status 1 when one of them failed. Commands that only read are\n"
    .. "typed as they are: doctor, discover --all, plan setup/entra-pam-provider.",
  options = { { name = "--write", help = "allow changes; each one is asked for" } },
  examples = {
    "moonlatch repl --emulator                    # try it: no tenant, no account",
    "moonlatch repl --profile contoso",
    "echo 'graph.get \"/organization\"' | moonlatch repl --json",
  },

  run = run_repl_command,
}
