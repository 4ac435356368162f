--- Every example of every --help, run as somebody would who copies the line into a shell.

local rehearsal = require "rehearsal"
local sys = require "host.sys"

-- In an order in which each finds what it is about.
local TOPICS = {
  "plan setup/entra-pam-provider", "plan policies/tier0-users", "", "plan", "apply", "apply setup/rotator", "verify",
  "scripts", "permissions", "doctor", "discover", "applications",
  "run", "run rehearse/advance", "repl", "whoami", "login", "logout",
  "journal", "new", "rehearse", "rotate", "emulator", "init", "destroy",
}

local MINE = [[
return {
  summary = "Who is to be looked at within some days",
  args = { within = { type = "duration", default = "7d", help = "days" } },
  needs = { graph = { "GET /users" } },
  run = function() return 0 end,
}
]]

local POLICY = "scripts show policies/tier0-users --bundled"

local NEW_HOME = [[
return { profiles = { contoso = {
  tenant = "contoso.onmicrosoft.com", key = { from = "file", path = "journal.key" },
} } }
]]

---@class examples.rule what is special about a line
---@field [1] string a pattern of it
---@field status integer|false|nil nil: 0; false: any
---@field says string? what it says, on either stream
---@field typed string? what a person types
---@field seconds integer? stopped after these, which is as it should be
---@field before string? a shell line that is run first
---@field new boolean|string|nil for a home without a configuration, or with this one

local STOPPED = 124
local NO_WEEKLY = "rm -rf .config/moonlatch/scripts/policies"

---@type examples.rule[]
local RULES = {
  { "%-%-help", status = 0 },
  { "^moonlatch emulator", status = STOPPED, seconds = 2 },
  { "%-%-watch", status = STOPPED, seconds = 4 },
  { "^moonlatch repl %-%-", typed = "exit\n" },
  { "^moonlatch init .*keyring", status = 1, says = "error: [^\n]*keyring", new = true }, -- there is none here
  { "^moonlatch init %-%-profile", new = NEW_HOME, says = "journal%.key" },
  { "^moonlatch init %-%-tenant", typed = "\n", new = true },
  { "^moonlatch init", typed = "contoso.onmicrosoft.com\n\n\n", says = "moonlatch login", new = true },
  { "^moonlatch plan .*%-%-out", says = "Saved%. To make exactly these changes: moonlatch apply contoso%.plan" },
  { "^moonlatch plan policies/tier0%-users", status = 3, says = "5 to change" },
  { "^moonlatch plan", status = 3, says = "Plan: %d+ to create" },
  {
    "^moonlatch apply .*%-%-policies %./mine", typed = "y\n", says = "sealed key",
    before = "mkdir -p its && cd its && moonlatch " .. POLICY .. " >mine.lua",
  },
  { "^moonlatch apply .*%-%-yes" },
  { "^moonlatch apply .*%-%-emulator", typed = "\n\ny\n" }, -- two questions first
  { "^moonlatch apply .*# do it", typed = "\n\ny\n" },
  { "^moonlatch apply", typed = "y\n" },
  { "^moonlatch rehearse policies/weekly", status = false, says = "what must hold" }, -- a year is another each time
  { "^moonlatch new script", says = "0 failed" },
  { "^moonlatch new .*&&", before = NO_WEEKLY, status = false, says = "what must hold" },
  { "^moonlatch rotate .*%-%-now", status = 2, says = "no terminal" },
  { "^moonlatch rotate policies/weekly", typed = "y\n" },
  { "^moonlatch journal compact", typed = "y\n" },
  { "^moonlatch journal rekey", typed = "y\n", before = "mv .config/moonlatch/journal.key old.key" },
  {
    "^moonlatch journal restore", typed = "y\n",
    before = "rm FILE && moonlatch journal backup FILE && rm -r .config/moonlatch/state",
  },
  { "^moonlatch destroy", typed = "y\n", status = 1, says = "Waiting for a person" }, -- Devolutions has no API for it
  { "CLIENT%-ID", status = 2, says = "is no client id" },
  { "^moonlatch applications %-%-unused", status = 3, says = "it is unknown whether" }, -- the log began today
  { "^moonlatch applications %-%-owner", status = 1, says = "has an owner of that name" },
  { "^moonlatch scripts lint", status = false, before = "moonlatch new policy weekly", says = "policies/weekly" },
  { "^moonlatch new policy weekly", before = NO_WEEKLY },
  { "^moonlatch scripts test", before = "moonlatch new script stale-passwords", says = "0 failed" },
  { "^moonlatch new policy secret %-%-app", status = 1, says = "no registration of that name" },
  { "^moonlatch rehearse sink", status = 2, says = "no terminal" },
  { "^moonlatch doctor .*%-%-record", typed = "y\n", says = "kept in recordings/first%-contact" },
  { "^moonlatch doctor %-%-first" },
  { "^moonlatch doctor %-%-managed", status = 1, says = "\nbegin with roles: " }, -- the example setup is for others
  { "^moonlatch doctor", status = 3, says = "earlier setup asked for it" },
  { "^moonlatch login %-%-secret dev", status = 1, says = "fd 3 3<file" }, -- what cannot be asked for here
  { "^moonlatch login %-%-secret client", status = 2, says = "names no source" },
  { " ID ", status = 1, says = "knows no credential by that id" },
  { " CURSOR ", status = 2, says = "NUMBER:HASH" },
  { " KEYID ", status = 1, typed = "y\n", says = "KEYID" },
  { " USER ", status = 1, says = "knows an account by that name" },
  { "^moonlatch rehearse ./mine", before = "moonlatch " .. POLICY .. " >mine.lua", says = "mine" },
  { "DIR/", before = "ln -s emulator DIR" },
}

local NOTHING = { status = 0 }

local function rule_for(line)
  for _, rule in ipairs(RULES) do
    if line:find(rule[1]) then return rule end
  end
  return NOTHING
end

local function quote(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

local function examples_of(help)
  local list = {}
  for line in (help:match("\nExamples:\n(.*)$") or ""):gmatch("  ([^\n]+)") do list[#list + 1] = line end
  return list
end

describe("the examples", function()
  local emu, place

  setup(function()
    emu = rehearsal.new("--lag", "0", "--interval", "1", "--users", "20")
    place = emu.place
    place:write("mine.lua", MINE)
    place:write("file", "a secret of ours")
    os.execute(("mkdir -p %s/bin %s/.config; ln -s %s %s/bin/moonlatch; ln -s ../emulator %s/.config/moonlatch"):format(
      place.path, place.path, os.getenv "MOONLATCH", place.path, place.path))
    emu:configure(function(text)
      return (text:gsub("profiles = {", "%0\n    contoso = by { method = \"device_code\", client_id = \""
        .. emu.ready.admin.client_id .. "\" },", 1))
    end)
  end)

  teardown(function() local _ <close> = emu end)

  local function home_for(rule)
    if not rule.new then return place.path end
    sys.remove_tree(place.path .. "/new")
    if rule.new ~= true then place:write("new/.config/moonlatch/moonlatch.lua", rule.new) end
    assert(sys.mkdir(place.path .. "/new"))
    return place.path .. "/new"
  end

  local function run(line, rule)
    local script = place:write("line", (rule.before or "") .. "\n" .. line .. "\n")
    local command = "sh " .. quote(script)
    if rule.typed then
      command = ("{ sleep 1; printf %s; sleep 1; } | script -qec %s /dev/null")
        :format(quote(rule.typed), quote(command))
    end
    local said = place.path .. "/said"
    local _, _, status = os.execute(("cd %s && env -i HOME=%s PATH=%s/bin:/usr/bin:/bin LANG=C.UTF-8 TERM=xterm "
      .. "timeout %d sh -c %s >%s 2>&1 </dev/null"):format(
      quote(place.path), quote(home_for(rule)), quote(place.path),
      rule.seconds or 60, quote(command), quote(said)))
    return status, assert(sys.read(said, 1 << 24))
  end

  for _, topic in ipairs(TOPICS) do
    it("of moonlatch " .. topic .. " --help", function()
      local words = {}
      for word in (topic .. " --help"):gmatch("%S+") do words[#words + 1] = word end
      local help = place:run(words)
      assert.equal(0, help.status, help.err)
      local examples = examples_of(help.out)
      assert(#examples > 0, help.out)
      for _, line in ipairs(examples) do
        local rule = rule_for(line)
        local status, said = run(line, rule)
        if rule.status ~= false then assert.equal(rule.status or 0, status, line .. "\n" .. said) end
        assert(said:find(rule.says or ""), line .. "\n" .. said)
      end
    end)
  end
end)


