--- moonlatch completion SHELL: print the completion script of a shell; with `--` and words, what may come next.

local dispatch = require "command.dispatch"
local document = require "report.document"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local shells = require "manual.shells"
local term = require "host.term"

local SHELLS = { "bash", "zsh", "fish" }

-- Print what may come in the place of the last word. A mistake of the person on the line is no failure here.
local function print_candidates(words)
  local complete = require "manual.complete"
  local ok, found = pcall(complete.candidates, words, dispatch.load_command)
  local lines = { ok and found.kind or "words" }
  for _, row in ipairs(ok and found.words or {}) do lines[#lines + 1] = row[1] .. "\t" .. row[2] end
  document.mark_written() -- --json may be among the words
  term.write("out", table.concat(lines, "\n") .. "\n")
  return 0
end

local function run_completion_command(options)
  if options.rest[1] then return print_candidates(options.rest) end
  if not shells[options.shell] then
    fail.raise {
      kind = "usage", what = "completion " .. options.shell, why = "there is no completion for this shell",
      fix = hint.text("Name one of %s: {moonlatch} completion bash", table.concat(SHELLS, ", ")),
    }
  end
  if log.json() then
    fail.raise { kind = "usage", what = "completion --json", why = "this is a script for a shell",
      fix = "Leave out --json." }
  end
  term.write_data(shells[options.shell])
  return 0
end

---@type cli.command
return {
  summary = "print the completion script of a shell: bash, zsh or fish",
  details = "The script asks `moonlatch completion -- WORD…` what may come in the place of the last word: commands,\n"
    .. "options, scripts and their arguments, policies, profiles. Nothing is asked of a service, and a script\n"
    .. "of yours is only loaded, never run. The Debian package has installed these scripts.",
  usage = "SHELL [options]",
  arguments = { { name = "shell", help = "bash, zsh or fish", complete = SHELLS } },
  takes_raw_words = true,
  examples = {
    "source <(moonlatch completion bash)                                  # for this shell",
    "moonlatch completion bash > ~/.local/share/bash-completion/completions/moonlatch",
    "moonlatch completion zsh > ~/.zfunc/_moonlatch                       # a folder of your fpath",
    "moonlatch completion fish > ~/.config/fish/completions/moonlatch.fish",
  },

  run = run_completion_command,
}
