-- What a newcomer types wrong, and what the program says: why it is wrong, and what to do.

local moonlatch = require "moonlatch"

local function profile(sign_in)
  return ("return { profiles = { x = { tenant = 'a.com', sign_in = { %s } } } }"):format(sign_in)
end

local CLIENT = 'method = "client_secret", client_id = "00000000-0000-0000-0000-000000000001", '
local SCRIPT = "return { summary = 's', needs = { graph = {} }, %s }"

-- Files by name, and for each the failure of `whoami --config FILE`.
local CONFIGURATIONS = {
  ["number.lua"] = { "return 5", "number.lua", "a table is needed, but it is a number",
    'The file returns a table: return { profiles = { contoso = { tenant = "contoso.com" } } }. '
      .. "`moonlatch init` writes one." },
  ["plain.lua"] = { profile(CLIENT .. 'client_secret = "abc"'), "plain.lua: profiles.x.sign_in.client_secret",
    "there is no such member",
    'Name the place that the secret comes from: secret = { from = "sealed" }, then '
      .. "moonlatch login --secret client-secret. A configuration never contains a secret." },
  ["text.lua"] = { profile(CLIENT .. 'secret = "abc"'), "text.lua: profiles.x.sign_in.secret",
    "a table is needed, but it is a string",
    'Name the place that the secret comes from, not the secret: { from = "sealed" }, then moonlatch login --secret.' },
  ["loop.lua"] = { "while true do end", "load the file loop.lua",
    "it does not end: it was stopped after ten million instructions",
    "Write plain values only, without loops and calls of functions." },
  ["compiled.lua"] = { string.dump(function() end), "load the file compiled.lua", "the file is compiled Lua",
    "Name the file with the source text." },
  ["large.lua"] = { (" "):rep((1 << 20) + 1), "read the configuration large.lua",
    "refused 'large.lua': it is larger than 1048576 bytes", "A configuration is at most 1 MiB of text." },
}

-- Scripts by name, and for each the failure of `plan ./FILE --emulator`.
local SCRIPTS = {
  ["steps.lua"] = { SCRIPT:format "steps = { 5 }", "./steps.lua: steps[1]", "a table is needed, but it is a number",
    "Correct that, then run the command again." },
  ["named.lua"] = { SCRIPT:format "steps = { { name = 'One' } }", "./named.lua: steps[1]",
    'it is not a step: write workflow.step "its name" (function(run, have, args) … end)',
    "Correct that, then run the command again." },
  ["member.lua"] = { SCRIPT:format "policy = { every = '90d' }", "./member.lua: policy", "a script has no such member",
    "Let the file return policy { select = …, every = …, sink = … } itself." },
  ["latin.lua"] = { SCRIPT:format "run = function() print 'caf\xE9' end", "load the script ./latin.lua",
    "line 1: the byte 0xE9 is not UTF-8", "Save the file as UTF-8." },
  ["loop.lua"] = { "while true do end", "load the script ./loop.lua",
    "it does not end: it was stopped after ten million instructions",
    "Correct that. A file of a script only describes the script: work belongs in `run` or in a step." },
}

-- Other command lines, and the failure of each.
local COMMANDS = {
  { "whoami --config .", 1, "read the configuration .", "refused '.': it is a folder", "Name a file: --config FILE." },
  { "scripts --scripts nowhere", 2, "look for scripts in nowhere", "there is no such folder",
    "Name a folder: --scripts DIR." },
  { "new polcy x", 2, "new polcy", "there is no such action", "Did you mean 'policy'? There is only policy NAME." },
  { "--profile", 2, "read the command line", "option '--profile' requires an argument",
    "`moonlatch --help` lists the options." },
  { "plan setup/entra-pam-provider --lifetime never --emulator", 2, "read the argument --lifetime 'never'",
    "it needs a duration, of the form 180d, 7d12h, 30m or 45s", "For example: --lifetime 180d" },
  { "plan setup/entra-pam-provider --name --emulator", 2, "read the argument --name", "no value follows it",
    "For example: --name TEXT" },
}

describe("a newcomer hears why and what to do", function()
  local place

  setup(function() place = moonlatch.place() end)
  teardown(function() local _ <close> = place end)

  local function check(words, status, what, why, fix)
    local outcome = place:run(words)
    assert.equal(("error: %s\n  why: %s\n  fix: %s\n"):format(what, why, fix), outcome.err)
    assert.equal(status, outcome.status)
  end

  for name, case in pairs(CONFIGURATIONS) do
    it("about a configuration: " .. name, function()
      place:write(name, case[1])
      check({ "whoami", "--config", name }, 1, table.unpack(case, 2))
    end)
  end

  for name, case in pairs(SCRIPTS) do
    it("about a script: " .. name, function()
      place:write(name, case[1])
      check({ "plan", "./" .. name, "--emulator" }, 1, table.unpack(case, 2))
    end)
  end

  for _, case in ipairs(COMMANDS) do
    it("about: moonlatch " .. case[1], function()
      local words = {}
      for word in case[1]:gmatch "%S+" do words[#words + 1] = word end
      check(words, table.unpack(case, 2))
    end)
  end

  it("about a mistake in code, with one traceback", function()
    local outcome = place:run { "--verbose", "-e", "local t = nil; t.x = 1", "--emulator" }
    assert.matches("^error: %-e:1: attempt to index a nil value %(local 't'%)\nstack traceback:\n", outcome.err)
    assert.equal(1, select(2, outcome.err:gsub("stack traceback:", "")))
  end)
end)
