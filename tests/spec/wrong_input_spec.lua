-- takes 12 s: runs the program once for each wrong input
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
  ["tenant.lua"] = { "return { profiles = { x = {} } }", "tenant.lua: profiles.x.tenant",
    "it is missing; a string is needed", 'Add tenant = "contoso.onmicrosoft.com" to profiles.x in tenant.lua.' },
  ["url.lua"] = { "return { profiles = { x = { tenant = 'a.com', proxy = 'proxy:3128' } } }",
    "url.lua: profiles.x.proxy", '"proxy:3128" is not a URL of the form https://host',
    'Write it as "https://host" or "https://host/path".' },
  ["devolutions.lua"] = {
    "return { profiles = { x = { tenant = 'a.com', devolutions = { server = 'https://d.example' } } } }",
    "devolutions.lua: profiles.x.devolutions", "server needs app_key and app_secret",
    'Add app_key = "…" and app_secret = { from = "sealed" } (Devolutions Server > Administration > Application '
      .. "identities), then: moonlatch login --secret devolutions-secret" },
  ["method.lua"] = { profile 'method = "client_secret"', "method.lua: profiles.x.sign_in",
    'method = "client_secret" needs a client_id', "Add a client_id to sign_in of the profile." },
  ["no-profile.lua"] = { "return { profiles = {} }", "no-profile.lua: profiles", "there is none",
    "Add a profile: moonlatch init --tenant TENANT" },
  ["loop.lua"] = { "while true do end", "load the file loop.lua",
    "it does not end: it was stopped after ten million instructions",
    "Write plain values only, without loops and calls of functions." },
  ["compiled.lua"] = { string.dump(function() end), "load the file compiled.lua", "the file is compiled Lua",
    "Name the file with the source text." },
  ["large.lua"] = { (" "):rep((1 << 20) + 1), "read the configuration large.lua",
    "refused 'large.lua': it is larger than 1048576 bytes", "Remove what does not belong there: a configuration is at "
      .. "most 1 MiB of text." },
}

-- Scripts by name, and for each the failure of `plan ./FILE --emulator`.
local SCRIPTS = {
  ["steps.lua"] = { SCRIPT:format "steps = { 5 }", "./steps.lua: steps[1]", "a table is needed, but it is a number",
    "Write { … } as steps[1] in ./steps.lua." },
  ["named.lua"] = { SCRIPT:format "steps = { { name = 'One' } }", "./named.lua: steps[1]",
    "it is not a step", 'Write workflow.step "its name" (function(run, have, args) … end) in its place.' },
  ["member.lua"] = { SCRIPT:format "policy = { every = '90d' }", "./member.lua: policy", "a script has no such member",
    "Write return policy { select = …, every = …, sink = … } at the end of the file, without a table around it." },
  ["summary.lua"] = { "return { run = print }", "./summary.lua: summary", "it is missing; a string is needed",
    'Add summary = "…" to the table that ./summary.lua returns.' },
  ["latin.lua"] = { SCRIPT:format "run = function() print 'caf\xE9' end", "load the script ./latin.lua",
    "line 1: the byte 0xE9 is not UTF-8", "Save the file as UTF-8." },
  ["loop.lua"] = { "while true do end", "load the script ./loop.lua",
    "it does not end: it was stopped after ten million instructions",
    "Correct the file: it only describes the script, and work belongs in `run` or in a step." },
}

-- Other command lines, and the failure of each.
local COMMANDS = {
  { "whoami --config .", 1, "read the configuration .", "refused '.': it is a folder", "Name a file with --config "
    .. "FILE." },
  { "scripts --scripts nowhere", 2, "look for scripts in nowhere", "there is no such folder",
    "Name a folder that exists with --scripts DIR." },
  { "new polcy x", 2, "new polcy", "there is no such action", "Did you mean 'policy'? The actions are policy NAME, "
    .. "script NAME, step NAME, resource NAME, sink NAME and notice NAME." },
  { "plann", 2, "read the command line", "there is no command 'plann'",
    "Did you mean 'plan'? Then type: moonlatch plan" },
  { "emulator --listen 0.0.0.0", 2, "serve on 0.0.0.0",
    "cannot listen on '0.0.0.0': it is not a loopback address",
    "Name an address of this machine only: 127.0.0.1 or ::1." },
  { "emulator --lag soon", 2, "start the emulator", 'lag "soon": give seconds as MIN-MAX, or 0 for none',
    "For example: --lag 1-5, or --lag 0." },
  { "init", 2, "make a first configuration", "no tenant was given",
    "Name your tenant by its domain: moonlatch init --tenant contoso.onmicrosoft.com" },
  { "init --tenant a.com --key purse", 2, "choose where the key comes from", "'purse' is not one of the choices",
    "Choose one of keyring, file, passphrase, credentials_directory: moonlatch init --key file." },
  { "scripts show nowhere", 2, "find the script 'nowhere'", "no script has this name",
    "Run `moonlatch scripts` for the list of scripts, and name one of these." },
  { "permissions", 2, "read the command line", "SCRIPT is missing",
    "Add it: `moonlatch permissions --help` shows the usage and examples." },
  { "rehearse policies/tier0-users --profile x", 2, "rehearse policies/tier0-users",
    "a rehearsal runs on an emulator of its own", "Leave --profile and --config out: moonlatch rehearse "
      .. "policies/tier0-users. To see what the policy would do in the tenant: moonlatch --profile x plan "
      .. "policies/tier0-users" },
  { "login --fd 3", 2, "read the command line", "--fd is given without --secret",
    "Say which secret it is: moonlatch login --secret client-secret --fd 3 3<file" },
  { "apply setup/entra-pam-provider --emulator", 2, "apply setup/entra-pam-provider",
    "there is no terminal on which to ask before changes", "To see what would change: moonlatch plan "
      .. "setup/entra-pam-provider. To make the changes without a question, add --yes to the same command." },
  { "--profile", 2, "read the command line", "option '--profile' requires an argument",
    "Correct the option: `moonlatch --help` lists all options." },
  { "plan setup/entra-pam-provider --lifetime never --emulator", 2, "read the argument --lifetime 'never'",
    "it needs a duration, of the form 180d, 7d12h, 30m or 45s", "Write it like this: --lifetime 180d" },
  { "plan setup/entra-pam-provider --name --emulator", 2, "read the argument --name", "no value follows it",
    "Write it like this: --name TEXT" },
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

  it("about a method of a resource whose name is nearly one that is called", function()
    place:write("delet.lua", SCRIPT:format
      "steps = { (require 'workflow').resource 'x' { read = print, delet = print } }")
    check({ "plan", "./delet.lua", "--emulator" }, 2, "load the script ./delet.lua: define a resource",
      "'delet' is not a method that Moonlatch calls, but resembles 'delete'",
      "Rename it to 'delete'; if it is a helper of your own, choose a name that is less similar.")
  end)

  it("about a file that links lead to in a circle, and one in a folder that is not there", function()
    assert(os.execute(("ln -s ring '%s/ring'"):format(place.path)))
    local outcome = place:run { "whoami", "--config", "ring" }
    assert.matches("why: cannot open 'ring': .*\n  fix: Name the file itself with %-%-config FILE: the links lead in a "
      .. "circle%.\n$", outcome.err)
    assert.equal(1, outcome.status)
    outcome = place:run { "plan", "./ring", "--emulator" }
    assert.matches("why: cannot open './ring': .*\n  fix: Name the file itself: the links lead in a circle%.\n$",
      outcome.err)
    outcome = place:run { "types", "/proc/nowhere" }
    assert.matches("fix: Make sure that the folder /proc/nowhere%S* exists, that the user .- may write to it, and "
      .. "that its disk has room; or name another folder: moonlatch types DIR%. Then run the same command again%.\n$",
      outcome.err)
  end)

  it("about an option that is nearly one of the command, and a script without its folder", function()
    check({ "plan", "setup/entra-pam-provider", "--emulato" }, 2, "read the arguments of 'setup/entra-pam-provider'",
      "it has no argument --emulato", "Did you mean --emulator?")
    check({ "plan", "entra-pam-provider", "--emulator" }, 2, "find the script 'entra-pam-provider'",
      "no script has this name", "Did you mean 'setup/entra-pam-provider'?")
  end)

  it("about the journal of an emulator that was started again", function()
    place:write("a.key", ("0"):rep(64))
    local text = "return { profiles = { x = { emulator = true, tenant = 'a.com', state = 'kept', "
      .. "key = { from = 'file', path = 'a.key' }, cloud = { login = '%s', graph = 'https://127.0.0.1:1' } } } }"
    for port = 1, 2 do place:write(port .. ".lua", text:format("https://127.0.0.1:" .. port)) end
    assert.equal("", place:run({ "journal", "--config", "1.lua" }).err)
    check({ "journal", "--config", "2.lua" }, 1, ("open the journal in %s/kept"):format(place.path),
      ("the journal in '%s/kept' belongs to 127.0.0.1_1/a.com, not to 127.0.0.1_2/a.com"):format(place.path),
      ("An emulator that starts again is a new tenant: remove what is kept of the former one, rm -r '%s/kept'.")
        :format(place.path))
  end)

  it("about a mistake in code, with one traceback", function()
    local outcome = place:run { "--verbose", "-e", "local t = nil; t.x = 1", "--emulator" }
    assert.matches("^error: run line 1 of the code after %-e\n  why: attempt to index a nil value %(local 't'%)\n"
      .. "  fix: 't' is nil there: check its name, and whether it may be missing%. [^\n]*\nstack traceback:\n",
      outcome.err)
    assert.equal(1, select(2, outcome.err:gsub("stack traceback:", "")))
  end)
end)
