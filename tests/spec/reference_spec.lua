local reference = require "script.reference"
local sys = require "host.sys"

local TEXT = [[
--- What it is for.
--
-- More of it.

local native = require "host.json"
local other = require "task"

local M = {}

---@class thing.options how to do it
---@field often integer? how often
---@field each fun(item: any): boolean called for each

---@class thing.Thing: base
--- A thing.
local Thing = {}

--- Close it.
function Thing:close() end

-- Private.
local function hidden() end

--- Do it.
--- Twice.
---@param path string where
---@param options thing.options?
---@param ... any
---@return table|nil value, string? message
function M.make(path, options, ...) end

M.decode = native.decode
M.null = native.null
M.map, M.all = other.map, other.all
--- Made elsewhere.
---@param fields table
M.made = maker "it"
M.plain = 3

return M
]]

-- Commands and checks declare what they are; what their members mean is said where that is asked for.
local function declares(name)
  local text = sys.embedded("stdlib/" .. name:gsub("%.", "/") .. ".lua")
  return text:find "\nreturn {" ~= nil or name:find "^doctor%.check%." ~= nil
end

describe("the reference", function()
  local module = reference.parse(TEXT, "thing")

  it("reads what a file says of itself and of its functions", function()
    assert.equal("What it is for.\n\nMore of it.", module.doc)
    local make = module.functions[1]
    assert.same({ "make", "thing.make", "path, options, ...", "Do it.\nTwice." },
      { make.name, make.full, make.parameters, make.doc })
    assert.same({ { name = "path", type = "string", text = "where" },
      { name = "options", type = "thing.options?", text = "" },
      { name = "...", type = "any", text = "" } }, make.params)
    assert.same({ "table|nil value, string? message" }, make.returns)
    assert.equal("function M.make(path, options, ...) end",
      TEXT:match(("[^\n]*\n"):rep(make.line - 1) .. "([^\n]*)"))
  end)

  it("reads classes with their fields and methods", function()
    assert.same({ { name = "often", type = "integer?", text = "how often" },
      { name = "each", type = "fun(item: any): boolean", text = "called for each" } },
      module.classes["thing.options"].fields)
    assert.equal("how to do it", module.classes["thing.options"].doc)
    local thing = module.classes["thing.Thing"]
    assert.same({ "base", "A thing.", "thing.Thing:close" }, { thing.parent, thing.doc, thing.methods[1].full })
  end)

  it("reads functions that others make", function()
    local made = module.functions[#module.functions]
    assert.same({ "thing.made", "fields", "Made elsewhere." }, { made.full, made.parameters, made.doc })
  end)

  it("takes what another module says for a name that stands for it", function()
    assert.matches("^Strict decode", reference.entry("json.decode").doc)
    assert.equal("json.decode", reference.entry("json.decode").full)
    assert.equal("parts", reference.entry("graph.batch").parameters)
    assert.is_nil(reference.entry("json.null"))
  end)

  it("finds functions, modules that are functions, classes of ours and of the host", function()
    assert.equal("word, known", reference.entry("base.nearest").parameters)
    assert.matches("Sign a person in", reference.entry("oauth.device").doc)
    assert.equal("path, limit", reference.entry("host.sys.read").parameters)
    assert.equal("graph.options", reference.class("graph.options").name)
    assert.matches("Wipe the secret now", reference.class("host.secret").methods[1].doc)
    assert.is_nil(reference.entry("graph.nothing"))
    assert.is_nil(reference.module("nothing"))
    assert.is_nil(reference.class("nothing.at.all"))
  end)

  it("says something of every public function of the library", function()
    local missing, count = {}, 0
    for _, name in ipairs(reference.modules()) do
      if reference.module(name).doc == "" then missing[#missing + 1] = name end
      for _, entry in ipairs(reference.functions(name)) do
        count = count + 1
        if entry.doc == "" and not declares(name) then missing[#missing + 1] = entry.full end
      end
    end
    assert.same({}, missing)
    assert.is_true(count > 250, count)
  end)

  it("misses none of them", function()
    for _, name in ipairs(reference.modules()) do
      local ok, module_value = pcall(require, name)
      local known = {}
      for _, entry in ipairs(reference.functions(name)) do known[entry.name] = true end
      for key, value in pairs(ok and not declares(name) and type(module_value) == "table" and module_value or {}) do
        if type(value) == "function" and type(key) == "string" and not key:match("^__") then
          assert(known[key], ("%s.%s has no description"):format(name, key))
        end
      end
    end
  end)

  it("says something of every native function", function()
    local count = 0
    for _, path in ipairs(sys.embedded_list "stdlib/meta/host/") do
      for _, entry in ipairs(reference.functions("host." .. path:match("(%w+)%.lua$"))) do
        count = count + 1
        assert(entry.doc ~= "", entry.full)
      end
    end
    assert.is_true(count > 100, count)
  end)
end)
