--- A sink: a program that reads the secret from its standard input. Its exit status 0 says that it stored the secret.
--
-- Where the program ends with 0 only after the consumer has the secret, say so in the profile, and nobody has to
-- confirm it: programs = { take = { "/usr/local/bin/take", confirms = true } }.

local fail = require "fail"
local program = require "program"

-- A name in the tenant must not become an option of the program, so an argument that begins with "-" only because of
-- the name is refused.
local function raise_argument_is_option(args, written, filled)
  fail.raise {
    kind = "refused", what = ("run the program '%s'"):format(args.program),
    why = ("its argument %s would become '%s', which it would take for an option"):format(written, filled),
    fix = ("Write it in the policy behind the option that takes it (--name=%s), or change the name in the tenant.")
      :format(written),
  }
end

local function filled_arguments(args, item)
  local filled = {}
  local values = { name = item.name, client_id = item.client_id, policy = item.policy, rotation = item.marker }
  for i, written in ipairs(args.arguments) do
    filled[i] = written:gsub("{([%w_]+)}", values)
    local became_option = filled[i]:sub(1, 1) == "-" and written:sub(1, 1) ~= "-"
    if became_option then raise_argument_is_option(args, written, filled[i]) end
  end
  return filled
end

return {
  summary = "Give secrets to a program on its standard input",
  args = {
    program = { type = "string", required = true, help = "the name that the profile gives the program" },
    arguments = { type = "list", default = {},
      help = "its arguments; {name}, {client_id}, {policy} and {rotation} are filled in" },
  },
  needs = { run = { "{program}" } },
  can = { confirm = true },

  where = function(args) return "the program " .. args.program end,

  store = function(args, item, value)
    local result = program.run(args.program, filled_arguments(args, item), { input = value })
    if result.status == 0 then return end
    fail.raise {
      kind = "refused", what = ("run the program '%s'"):format(args.program),
      why = ("it exited with status %d"):format(result.status),
      fix = "Run the program by hand to see what it prints, and correct it. Changes that were made stay.",
    }
  end,
}
