--- Run a program that a policy names and the profile defines, to tell it of a change. The journal records the program
--- before it runs, and its exit status after that.

local fail = require "fail"
local program_run = require "program.run"

local M = {}

-- A name in the tenant must not become an option of the program, so an argument that begins with "-" only because of
-- the name is refused.
local function raise_argument_is_option(words, place, filled)
  fail.raise {
    kind = "refused", what = ("run the program '%s'"):format(words[1]),
    why = ("its argument %s would become '%s', which it would take for an option"):format(words[place], filled),
    fix = ("Write it in the policy behind the option that takes it (--name=%s), or change the name in the tenant.")
      :format(words[place]),
  }
end

local function fill_program_arguments(words, values)
  local filled = {}
  for i = 2, #words do
    filled[i - 1] = words[i]:gsub("{(%w+)}", function(name) return values[name] end)
    local became_option = filled[i - 1]:sub(1, 1) == "-" and words[i]:sub(1, 1) ~= "-"
    if became_option then raise_argument_is_option(words, i, filled[i - 1]) end
  end
  return filled
end

local function run_policy_program(words, values)
  local arguments = fill_program_arguments(words, values)
  local status = program_run.run(words[1], arguments, { note = values.rotation })
  if status == 0 then return end
  fail.raise {
    kind = "refused", what = ("run the program '%s'"):format(words[1]),
    why = ("it exited with status %d"):format(status),
    fix = "Run the program by hand to see what it prints, and correct it. Changes that were made stay.",
  }
end

--- Tell a program of a change: {name}, {policy} and {rotation} in its arguments are filled in.
---@param words string[] the program's name, then its arguments
---@param values { name: string, policy: string, rotation: string }
function M.notify(words, values) run_policy_program(words, values) end

return M
