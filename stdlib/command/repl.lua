--- moonlatch repl: look around a tenant from a prompt.

---@type cli.command
return {
  summary = "a prompt: look around a tenant, with all that scripts have",
  details = "It only reads; with --write it may change things and asks before each change. Without a terminal it runs\n"
    .. "what standard input holds, and exits with 1 when any of it failed.",
  options = { { name = "--write", help = "let it change things; it asks before each change" } },
  examples = {
    "moonlatch repl --emulator                    # try it: no tenant, no account",
    "moonlatch repl --profile contoso",
    "echo 'graph.get \"/organization\"' | moonlatch repl --json",
  },

  run = function(options)
    return require("repl.prompt").run(options)
  end,
}
