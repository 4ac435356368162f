-- What editors are told of the interfaces: `moonlatch types DIR`.

local definitions = require "script.definitions"
local interfaces = require "script.interfaces"
local json = require "host.json"
local moonlatch = require "moonlatch"
local paths = require "graph.paths"
local sys = require "host.sys"

describe("the definitions for editors", function()
  local files = definitions.files()

  it("are Lua, each with its name, and one for each interface", function()
    local count = 0
    for name, text in pairs(files) do
      assert(load(text, "@" .. name))
      assert.equal(name:gsub("%.lua$", ""):gsub("/", "."), text:match("^%-%-%-@meta (%S+)\n"))
      count = count + 1
    end
    assert.equal(#interfaces.names() + 2, count)
  end)

  it("have every function that a script sees, with its parameters and what is said of it", function()
    for _, name in ipairs(interfaces.names()) do
      local module, text = require(name), files[name:gsub("%.", "/") .. ".lua"]
      if type(module) == "function" then assert.matches("\nlocal function M%(%w+%) end\n", text) end
      for key, value in pairs(type(module) == "table" and module or {}) do
        if type(value) == "function" then
          assert(text:find(("\nfunction M.%s("):format(key), 1, true), ("%s.%s is not defined"):format(name, key))
        end
      end
    end
    assert.truthy(files["graph.lua"]:find("---@param options graph.options?\n", 1, true))
    assert.truthy(files["policy.lua"]:find("---@overload fun(fields: policy.fields): table\nlocal M = {}", 1, true))
    assert.truthy(files["test.lua"]:find("---@overload fun(fields: table): table\nlocal M = {}", 1, true))
    assert.truthy(files["policy.lua"]:find("\nfunction M.devolutions.server(fields) end\n", 1, true))
    assert.truthy(files["peer.lua"]:find("---@field [string] Peer", 1, true))
  end)

  it("have the types that these speak of, with members and methods", function()
    local text = files["types.lua"]
    for _, line in ipairs {
      "---@class graph.options\n", "---@class workflow.Run\n", ":ensure(target) end\n",
      "---@class Failure: fail.fields\n",
      "---@class Task\n", "---@field filter ", ":wait() end\n",
    } do
      assert(text:find(line, 1, true), line)
    end
  end)

  it("have Graph's types with their members, and its paths", function()
    local text = files["graph_types.lua"]
    for _, entry in ipairs(paths.all()) do
      assert(text:find(("\n---| %q # "):format(entry.path), 1, true), entry.path)
    end
    for _, name in ipairs { "user", "group", "application", "servicePrincipal", "directoryAudit" } do
      local class = assert(text:match(("\n%%-%%-%%-@class graph.entity.%s\n(.-)\n\n"):format(name)), name)
      for _, property in ipairs(paths.properties(name)) do
        assert(class:find(("---@field %s "):format(property.name), 1, true), name .. "." .. property.name)
      end
    end
    local overload = '---@overload fun(path: "/users", options: graph.options?): graph.entity.user[]\n'
    assert.truthy(files["graph.lua"]:find(overload, 1, true))
    assert.is_nil(files["graph.lua"]:find('"/auditLogs/signIns", options: graph.options?): graph.entity', 1, true))
  end)

  it("have well-formed annotations, and define every type that they name", function()
    local annotations = require "annotations"
    local defined, used, count = annotations.new(), {}, 0
    for name, text in pairs(files) do
      for number, line in annotations.lines(text) do
        count = count + 1
        local ok, why = defined:read(line, used)
        assert(ok, ("%s:%d: %s\n%s"):format(name, number, why, line))
      end
    end
    assert.is_true(count > 1500)
    local unknown = {}
    for name in pairs(used) do
      if not defined:has(name) then unknown[#unknown + 1] = name end
    end
    table.sort(unknown)
    assert.same({}, unknown)
    for _, wrong in ipairs {
      "---@param", "---@param x", "---@field a {", "---@return fun(a: string", "---@class", "---@x y",
      "---@param x string|",
      "---@overload string", "---@field a { b: }", "---@field a string[",
    } do
      assert.is_false((annotations.new():read(wrong, {})), wrong)
    end
  end)

  it("are written into a folder, with the settings for the editor beside the scripts", function()
    local place <close> = moonlatch.place()
    local outcome = place:run { "types", place.path .. "/types" }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    local luarc = place.path .. "/.config/moonlatch/scripts/.luarc.json"
    assert.equal(("%d files of definitions are in %s/types.\n%s: the settings for the editor.\n"):format(
      #interfaces.names() + 2, place.path, luarc), outcome.out)
    local settings = json.decode(sys.read(luarc, 10000))
    assert.same({ place.path .. "/types" }, settings["workspace.library"])
    assert.same({ "?.lua", "lib/?.lua" }, settings["runtime.path"])
    assert.equal("disable", settings["runtime.builtin"].io)
    assert.not_matches("settings", place:run({ "types", place.path .. "/types" }).out)
    assert.matches('exists. Add to it: "workspace.library": %[".*/others"%]\n$',
      place:run({ "types", place.path .. "/others" }).out)
    assert.not_matches("exists", place:run({ "types", place.path .. "/third", "--only" }).out)
    for name, text in pairs(files) do assert.equal(text, sys.read(place.path .. "/types/" .. name, 1 << 20)) end
    outcome = place:run { "types", "/proc/nowhere" }
    assert.equal(1, outcome.status)
    assert.matches("error: write the definitions /proc/nowhere/.*fix: Make sure that the folder .* name another folder"
      .. ": moonlatch "
      .. "types DIR%. .*", outcome.err)
  end)
end)
