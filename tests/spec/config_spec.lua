-- takes 3 s: plays a person at a terminal
-- `moonlatch config`: what a profile says, what is wrong with a configuration, and editing it.

local json = require "host.json"
local moonlatch = require "moonlatch"
local sys = require "host.sys"

describe("config", function()
  local place <const> = moonlatch.place()
  teardown(function() local _ <close> = place end)

  local function config(text, ...) return place:run { "--config", place:write("mine.lua", text), "config", ... } end

  local FULL = [==[
-- profiles = { x = {
local shared = { from = "keyring" }
return { default = "x", profiles = {
  ["x"] = { tenant = "X.com", --[[ not here: key = 1,
    ]] key = shared,
    sign_in = { method = "client_secret", client_id = "AB", secret = { from = "sealed" } },
    folders = { reports = "out" },
    programs = { sync = { "/bin/sync", "--password=s3cret", confirms = true } },
    peers = { hook = { url = "https://hooks.contoso.com/services/s3cret" } },
    managed = { select = { "Tier 0", "Tier 1" } },
  },
} }
]==]

  it("shows each setting with its line, or that it is the default, and no secret", function()
    local outcome = config(FULL)
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    assert.matches("^Profile x %(the default%) of /%S+/mine%.lua\n\nSETTING +FROM +VALUE\n", outcome.out)
    local shown = {}
    for name, from, value in outcome.out:gmatch "\n([%l_.]+)  +(%S+ ?%d*)  +([^\n]+)" do
      shown[name] = from .. ": " .. value
    end
    assert.same({
      cloud = "default: global", emulator = "default: false",
      key = "line 5: the keyring (key login.microsoftonline.com/x.com)",
      ["folders.reports"] = ("line 7: %s/out"):format(place.path), ["managed.select"] = "line 10: Tier 0, Tier 1",
      ["peers.hook.loopback"] = "default: false", ["peers.hook.strict_certificates"] = "default: true",
      ["peers.hook.url"] = "line 9: https://hooks.contoso.com/…",
      ["programs.sync"] = "line 8: /bin/sync and 1 more words, confirms",
      ["sign_in.client_id"] = "line 6: ab", ["sign_in.method"] = "line 6: client_secret",
      ["sign_in.secret"] = "line 6: what is kept sealed",
      state = ("default: %s/.local/state/moonlatch/login.microsoftonline.com/x.com"):format(place.path),
      tenant = "line 4: X.com", write_budget = "default: 3000 changes in 150 s",
    }, shown)
    assert.is_nil((outcome.out .. config(FULL, "show", "x", "--json").out):find "s3cret")
  end)

  it("takes relative paths for those beside the file, also when the file is named by a relative path", function()
    place:write("beside/mine.lua", "return { profiles = { x = { tenant = 'x.com', folders = { out = 'out' } } } }")
    for _, path in ipairs { "beside/mine.lua", "./beside/mine.lua", place.path .. "/beside/mine.lua" } do
      local outcome = place:run { "config", "--config", path }
      assert.matches("\nfolders%.out +line 1 +" .. place.path:gsub("%p", "%%%0") .. "/beside/out\n", outcome.out)
    end
  end)

  it("shows a profile by its name, also as JSON", function()
    local text = "return { profiles = { a = { tenant = 'a.com' }, b = { tenant = 'b.com' } } }"
    local shown = json.decode(config(text, "show", "b", "--json").out)
    assert.same({ "b", false, place.path .. "/mine.lua" }, { shown.profile, shown.is_default, shown.file })
    local tenant
    for _, setting in ipairs(shown.settings) do
      if setting.name == "tenant" then tenant = setting end
    end
    assert.same({ name = "tenant", value = "b.com", from = "file", line = 1 }, tenant)
    assert.equal("error: choose the profile 'bb' of " .. place.path .. "/mine.lua\n  why: there is no such profile\n"
      .. "  fix: Did you mean 'b'?\n", config(text, "show", "bb").err)
  end)

  local BROKEN = [[
local shared = { from = "sealed" }
return {
  default = "contso",
  profiles = {
    contoso = {
      tennant = "contoso.com",
      client_secret = "s3cret",
      sign_in = { method = "browsr", client_secret = "s3cret" },
    },
    b = { tenant = "b.com",
      key = shared },
    c = { tenant = "c.com",
      cloud = { login = "http://l.c.com",
        graph = "http://g.c.com" },
      peers = { p = { url = "https://graph.microsoft.com" } } },
    d = { tenant = "d.com", cloud = "gccc" },
  },
}
]]

  it("names everything that is wrong with its line, why, and what to do", function()
    local outcome = config(BROKEN, "check")
    assert.same({ 1, "" }, { outcome.status, outcome.err })
    local path, places = place.path .. "/mine.lua", {}
    for line, where in outcome.out:gmatch "error: [^\n]-/mine%.lua:(%d+): ([^\n]+)" do
      places[#places + 1] = line .. " " .. where
    end
    assert.same({
      "3 default", "6 profiles.contoso.tennant", "7 profiles.contoso.client_secret",
      "8 profiles.contoso.sign_in.client_secret", "8 profiles.contoso.sign_in.method", "11 profiles.b.key.from",
      "13 profiles.c.cloud.login", "14 profiles.c.cloud.graph", "15 profiles.c.peers.p", "16 profiles.d.cloud",
    }, places)
    for _, text in ipairs {
      ":3: default\n  why: there is no profile 'contso'\n  fix: Did you mean 'contoso'?\n",
      ":6: profiles.contoso.tennant\n  why: there is no such member\n  fix: Did you mean \"tenant\"?\n",
      ":7: profiles.contoso.client_secret\n  why: there is no such member\n  fix: Write in its place: sign_in = { "
        .. "method = \"client_secret\", client_id = \"…\", secret = { from = \"sealed\" } }, then: moonlatch login "
        .. "--secret client-secret. A configuration never contains a secret.\n",
      ":16: profiles.d.cloud\n  why: \"gccc\" is not a known cloud\n  fix: Did you mean \"gcc\"?\n",
    } do
      assert.truthy(outcome.out:find(path .. text, 1, true), outcome.out)
    end
    assert.matches("\n\n10 errors in " .. path:gsub("%p", "%%%0") .. "\n$", outcome.out)
    assert.is_nil(outcome.out:find "s3cret")
  end)

  it("names the line where Lua cannot read the file, and knows no lines where functions are", function()
    local outcome = config("return {\n  profiles = {\n    x = }", "check")
    assert.matches("^error: [^\n]-/mine%.lua:3\n  why: [^\n]-mine%.lua:3: unexpected symbol near '}'\n", outcome.out)
    local told = json.decode(config("local function f() return 'x', 'y' end\n"
      .. "return { profiles = { x = {\ntenant = 1 } } }", "check", "--json").out)
    assert.same({ problems = { { where = "profiles.x.tenant", why = "a string is needed, but it is a number",
      fix = ('Write "contoso.onmicrosoft.com" as profiles.x.tenant in %s/mine.lua.'):format(place.path) } },
      profiles = { "x" }, file = place.path .. "/mine.lua" }, told)
  end)

  it("says what was checked where nothing is wrong, and what was not", function()
    local outcome = config(FULL, "check")
    assert.same({ 0, "", place.path .. "/mine.lua: no error (x). Files and services that it names were not looked at: "
      .. "`moonlatch doctor` does that.\n" }, { outcome.status, outcome.err, outcome.out })
  end)

  it("never advises to change the mode of a folder that --config names", function()
    assert(os.execute(("mkdir -m 777 %s/open"):format(place.path)))
    local outcome = place:run { "whoami", "--config", place.path .. "/open" }
    assert.equal(("error: read the configuration %s/open\n  why: refused '%s/open': it is a folder\n"
      .. "  fix: Name a file with --config FILE.\n"):format(place.path, place.path), outcome.err)
  end)

  describe("edit", function()
    local GOOD = "return { profiles = { x = { tenant = 'x.com' } } } -- mine\n"
    local path, copy = place.path .. "/mine.lua", place.path .. "/mine.edit.lua"

    -- What a terminal shows when this shell script is the editor; "$1" is the file.
    local function edit(script, talk)
      local editor = place:write("editor", "#!/bin/sh\n" .. script .. "\n")
      assert(os.execute("chmod +x " .. editor))
      local status, shown = place:talk({ "config", "edit", "--config", path }, talk or {},
        { before = { "EDITOR=" .. editor .. " --wait" } }):gsub("\r", "")
        :gsub("\27%[%d+m", ""):match "^(%-?%d+)\n%l+\n(.*)$"
      return tonumber(status), shown
    end

    local function read(name) return sys.read(name, 65536) end

    it("puts the copy in the place of the file, and keeps its mode", function()
      place:write("mine.lua", GOOD)
      assert(os.execute("chmod 644 " .. path))
      local status, shown = edit [[test "$1" = --wait && sed -i s/x.com/y.com/ "$2"]]
      assert.same({ 0, path .. ": changed.\n" }, { status, shown })
      assert.equal("return { profiles = { x = { tenant = 'y.com' } } } -- mine\n", read(path))
      assert.equal(420, sys.stat(path).mode) -- 0644
      assert.is_nil(sys.stat(copy))
      assert.same({ 0, path .. ": not changed.\n" }, { edit ":" })
    end)

    it("refuses what is broken, keeps the copy, and goes on with it", function()
      place:write("mine.lua", GOOD)
      local status, shown = edit([[sed -i s/tenant/tennant/ "$2"]], { "Open the editor again?", "n\\n" })
      assert.equal(1, status)
      assert.matches("%.lua:1: profiles%.x%.tennant\n", shown)
      assert.truthy(shown:gsub("%s+", " "):find((
        "error: take over the edited configuration %s why: it has 1 error fix: %s is unchanged. What you wrote is in "
        .. "%s: `moonlatch --config %s config edit` goes on with it."):format(path, path, copy, path), 1, true), shown)
      assert.same({ GOOD, "return { profiles = { x = { tennant = 'x.com' } } } -- mine\n" }, { read(path), read(copy) })
      status, shown = edit([[sed -i 's/tennant/tenant/; s/x.com/z.com/' "$2"]])
      assert.equal(0, status, shown)
      assert.matches("^Going on with %S+/mine%.edit%.lua,%s+which an earlier%s+edit left%.\n", shown)
      assert.equal("return { profiles = { x = { tenant = 'z.com' } } } -- mine\n", read(path))
    end)

    it("opens the editor again when the person wants that", function()
      place:write("mine.lua", GOOD)
      local status, shown = edit([[case $(cat "$2") in *tenant*) sed -i s/tenant/tennant/ "$2";;
        *) sed -i 's/tennant.*com/tenant = "w.com/; s/com.*}$/com" } } }/' "$2"; echo "return { profiles = { x = {
        tenant = 'w.com' } } }" >"$2";; esac]], { "Open the editor again?", "y\\n" })
      assert.same({ 0, "return { profiles = { x = {\n        tenant = 'w.com' } } }\n" }, { status, read(path) }, shown)
    end)

    it("changes nothing when the editor fails, is not there, or another program changed the file", function()
      place:write("mine.lua", GOOD)
      local status, shown = edit "exit 3"
      assert.equal(1, status)
      assert.matches("error: edit %S+/mine%.edit%.lua\n  why: the editor ended with the status 3\n", shown)
      shown = place:talk({ "config", "edit", "--config", path }, {}, { before = { "VISUAL=no-such-editor" } })
      assert.matches("why: the editor 'no%-such%-editor' is not in /usr/local/bin, /usr/bin or /bin\r\n", shown)
      local theirs = GOOD:gsub("x.com", "theirs.com")
      status, shown = edit(([[sed -i s/x.com/y.com/ "$2"; printf %%s "%s" >%s]]):format(theirs, path))
      assert.equal(1, status)
      assert.matches("why: another program changed it meanwhile\n", shown)
      assert.same({ theirs, GOOD:gsub("x.com", "y.com"), nil }, { read(path), (read(copy)) })
      sys.remove(copy)
    end)

    it("needs a terminal", function()
      local outcome = config(GOOD, "edit")
      assert.same({ 2, ("error: edit the configuration %s\n  why: an editor needs a terminal\n"
        .. "  fix: Change the file in another way, then check it: moonlatch config check\n"):format(path) },
        { outcome.status, outcome.err })
    end)
  end)
end)
