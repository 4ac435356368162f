-- What editors are told of the interfaces: `moonlatch types DIR`.

local definitions = require "script.definitions"
local interfaces = require "script.interfaces"
local moonlatch = require "moonlatch"
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
    assert.equal(#interfaces.names() + 1, count)
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
    assert.truthy(files["policy.lua"]:find("---@overload fun(fields: table): table\nlocal M = {}", 1, true))
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

  it("are written into a folder", function()
    local place <close> = moonlatch.place()
    local outcome = place:run { "types", place.path .. "/types" }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    assert.matches("^%d+ files of definitions are in .*workspace.library", outcome.out)
    for name, text in pairs(files) do assert.equal(text, sys.read(place.path .. "/types/" .. name, 1 << 20)) end
    outcome = place:run { "types", "/proc/nowhere" }
    assert.equal(1, outcome.status)
    assert.matches("error: write the definitions /proc/nowhere/.*fix: Make sure that the folder .* name another folder"
      .. ": moonlatch "
      .. "types DIR%. .*", outcome.err)
  end)
end)
