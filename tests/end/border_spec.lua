-- Scripts that try to leave what they declared, in the real program beside an emulator: each is refused, and nothing
-- that it tried has happened.

local rehearsal = require "rehearsal"
local sys = require "host.sys"

describe("a script that declares GET /users", function()
  local emu

  setup(function() emu = rehearsal.new("--lag", "0") end)
  teardown(function() debug.getmetatable(emu).__close(emu) end)

  local function run(code)
    local path = emu.place:write("mine.lua", ([[
return { summary = "S", needs = { graph = { "GET /users" } }, run = function()
  %s
end }]]):format(code))
    return emu:run { "run", path }
  end

  local function refused(outcome, why)
    assert.not_equal(0, outcome.status)
    assert(outcome.err:find(why, 1, true), outcome.err .. outcome.out)
  end

  it("has no door to widen, and no way around it", function()
    refused(run 'require("http").door():mode("write")', "scripts may not require 'http'; the interface is 'graph'")
    refused(run 'require("http.client").door():mode("write")', "scripts may not require 'http.client'")
    refused(run 'require("graph").patch("/users/adele@contoso.onmicrosoft.com", { jobTitle = "Owned" })',
      "the script does not say that it needs this call")
    refused(run [[
      local graph = require "graph"
      pcall(function() graph.get = graph.patch end)
      graph.get("/groups")]], "the script does not say that it needs this call")
    local title = emu:run { "-e", "require('graph').get('/users/adele@contoso.onmicrosoft.com').jobTitle" }
    assert.is_nil(title.out:find("Owned", 1, true))
  end)

  it("signs in nowhere else, by no copy of the profile", function()
    refused(run 'require("oauth.sign_in").sign_in {}', "scripts may not require 'oauth.sign_in'")
    refused(run 'require("profile.current").current()', "scripts may not require 'profile.current'")
    refused(run 'require("entra.admin").sign_in { profile = { login = "https://evil.test", tenant = "x" } }',
      "the first argument has to be the run that the step got")
  end)

  it("runs no program and writes no file by way of the library's inside", function()
    local file = emu.place.path .. "/touched"
    refused(run(('require("rotation.command").notify({}, { "/usr/bin/touch", %q })'):format(file)),
      "scripts may not require 'rotation.command'")
    refused(run(('require("sink.file").write(%q, "x")'):format(file)), "require 'sink.file' in line 2 of ~/mine.lua")
    refused(run(('require("machine.secret_file").write(%q, "x")'):format(file)), "scripts may not require")
    assert.is_nil(sys.stat(file))
  end)

  it("may do no more with --write, which is for code that declares nothing", function()
    local path = emu.place:write("declared.lua", [[
return { summary = "S", needs = { graph = { "GET /users" } }, run = function()
  require("graph").patch("/users/adele@contoso.onmicrosoft.com", { jobTitle = "Owned" })
end }]])
    local outcome = emu:run { "run", path, "--write" }
    assert.same({ 2, "" }, { outcome.status, outcome.out })
    assert.equal(("error: run %s with --write\n  why: --write is for a file that declares nothing; this script "
      .. "declares in `needs` what it may do\n  fix: Leave out --write; and add the calls that the script lacks to its "
      .. "`needs`.\n")
      :format(path), outcome.err)
  end)

  it("makes no call while it is loaded, and does not run after it made one", function()
    local EAGER = [[
local groups = require("graph").get("/groups")
return { summary = "S", needs = { graph = { "GET /users" } }, run = function() print(#groups.value) end }]]
    emu.place:write(".config/moonlatch/scripts/eager.lua", EAGER)
    refused(emu:run { "run", "eager" },
      "fix: Correct the file: it only describes the script, and work belongs in `run` or in a step.")
    local outcome = emu:run { "run", emu.place:write("eager.lua", EAGER) }
    assert.same({ 1, "" }, { outcome.status, outcome.out })
    refused(outcome, "why: the file made calls, and then returned a declaration\n"
      .. "  fix: Move the calls into its function `run`, and add them to `needs`.")
  end)

  it("is behind the same border as -e, and as a file that declares nothing", function()
    for _, code in ipairs {
      'require("session\0")', 'require("http.client")', 'require("base/class")', '("x"):dump()',
      'require("graph").get = print', "debug.getregistry()", "load('return 1')()", "setmetatable({}, { __gc = print })",
    } do
      local words = code:find("\0", 1, true) and { "run", emu.place:write("nul.lua", code) } or { "-e", code }
      assert.equal(1, emu:run(words).status, code)
      assert.equal(1, emu:run({ "run", emu.place:write("bare.lua", code) }).status, code)
    end
    assert.equal("true\n", emu:run({ "-e", "require('string') == string and ('x').dump == nil" }).out)
  end)
end)
