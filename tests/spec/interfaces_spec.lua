-- The interfaces of scripts: each function that takes options refuses a misspelt one. The list of functions is what the
-- comments in stdlib say, so that a new function is held to it, too.

local fail = require "fail"
local interfaces = require "script.interfaces"
local reference = require "script.reference"
local workflow = require "workflow"
local workflow_run = require "workflow.run"

-- Classes of which scripts hand in what the library gave them, or data that is not options.
local OBJECTS = {}
for name in ([[Task devolutions.entry discover.finding doctor.report entra.account entra.admin entra.found
  setup.rotator.found host.secret oauth.principal policy.selection resource.Resource rotation.Credential
  rotation.Secret sink.entry workflow.Declaration workflow.Run workflow.Step entra.application
  entra.credential_policy entra.graph_principal notice.notice]]):gmatch("%S+") do
  OBJECTS[name] = true
end

-- Parameters that are tables of the script's or the service's own names: bodies, directory objects, what steps share.
local DATA = {}
for name in ([[body have args principal application held accounts managed template ids roles permissions
  things replaced entry value items rows functions act actual wanted thing list methods]]):gmatch("%S+") do
  DATA[name] = true
end

local MISSPELT = { zqx_misspelt = 1 }

-- The options that a parameter takes, as a call would have them misspelt; nil for a parameter that takes none.
local function misspelt(full, param)
  local kind = param.type:gsub("%?$", ""):gsub("|nil$", "")
  local is_list = kind:match("%[%]$") ~= nil
  local name = kind:gsub("[%[%]%(%)]", "")
  if kind:match("^{%s*[%w_]+:") or kind:match("^{%s*[%w_]+%?:") then return MISSPELT end
  for part in name:gmatch("[^|]+") do
    local class = reference.class(part)
    if class and not OBJECTS[part] and #class.fields > 0 then return is_list and { MISSPELT } or MISSPELT end
  end
  assert(kind ~= "table" or DATA[param.name] or param.name == "...", ("%s: the parameter '%s' is any table: say which "
    .. "options it takes, or name it as data in this test"):format(full, param.name))
end

local DUMMIES = { string = "x", integer = 1, number = 1, boolean = true, table = {}, ["function"] = function() end }

local function dummy(param)
  local kind = param.type:gsub("[?|].*$", "")
  if kind:find("^fun") then return DUMMIES["function"] end
  if DUMMIES[kind] ~= nil then return DUMMIES[kind] end
  return {}
end

-- Call with options misspelt at this place; fails unless that is refused.
local function check(full, call, params, place, options)
  local args = {}
  for i, param in ipairs(params) do args[i] = i == place and options or dummy(param) end
  local ok, failure = pcall(call, table.unpack(args, 1, #params))
  assert(not ok, full .. " takes a misspelt option")
  assert(fail.is(failure, "usage"), full .. ": " .. tostring(failure))
  assert.equal("it has no option 'zqx_misspelt'", failure.why, full)
end

local function function_of(module, name)
  local value = require(module)
  return name == module:match("[^.]+$") and type(value) == "function" and value or value[name]
end

-- Objects whose methods scripts call.
local function samples()
  local run
  local declaration = workflow.declare {
    id = "test", summary = "s", steps = { workflow.step "Look" (function(given) run = given end) },
  }
  workflow_run.run(declaration, "plan", {}, {})
  return { ["workflow.Run"] = run, ["workflow.Declaration"] = declaration }
end

-- Calls `visit(full, function, params, place, options)` for each parameter that takes options.
local function each_options(module, visit)
  local count = 0
  for _, entry in ipairs(reference.functions(module)) do
    for place, param in ipairs(entry.params) do
      local options = misspelt(entry.full, param)
      if options then
        count = count + 1
        visit(entry.full, function_of(module, entry.name), entry.params, place, options)
      end
    end
  end
  return count
end

describe("each interface", function()
  it("refuses a misspelt option, in each function that takes options", function()
    local count = 0
    for _, name in ipairs(interfaces.names()) do count = count + each_options(name, check) end
    assert(count >= 25, ("only %d functions take options"):format(count))
  end)

  it("refuses a misspelt option in the methods of what it gives", function()
    local count = 0
    for name, object in pairs(samples()) do
      for _, entry in ipairs(reference.class(name).methods) do
        for place, param in ipairs(entry.params) do
          local options = misspelt(entry.full, param)
          if options then
            count = count + 1
            check(entry.full, function(...) return object[entry.name](object, ...) end, entry.params, place, options)
          end
        end
      end
    end
    assert.equal(3, count)
  end)

  it("lists the functions that act for a run, and no others", function()
    local count = 0
    for _, name in ipairs(interfaces.names()) do
      local listed = {}
      for fn in pairs(interfaces.of(name).of_run or {}) do listed[fn] = true end
      for _, entry in ipairs(reference.functions(name)) do
        local first = entry.params[1]
        local acts_for_run = first ~= nil and first.type == "workflow.Run"
        assert.equal(acts_for_run, listed[entry.name] == true, entry.full)
        listed[entry.name] = nil
        count = count + (acts_for_run and 1 or 0)
      end
      assert.same({}, listed, name)
    end
    assert.equal(17, count)
  end)

  it("says of each function what it takes and gives", function()
    for _, name in ipairs(interfaces.names()) do
      for _, entry in ipairs(reference.functions(name)) do
        assert(entry.doc ~= "", entry.full .. " has no description")
        local said = {}
        for _, param in ipairs(entry.params) do said[param.name] = true end
        for parameter in entry.parameters:gmatch("[%w_]+") do
          assert(said[parameter], ("%s: nothing is said of '%s'"):format(entry.full, parameter))
        end
      end
    end
  end)
end)

describe("the test of the options", function()
  local function lax(options) return options end

  it("sees a function that takes a misspelt option", function()
    local param = { name = "options", type = "graph.options?" }
    local ok, message = pcall(check, "lax", lax, { param }, 1, misspelt("lax", param))
    assert.is_false(ok)
    assert.matches("lax takes a misspelt option", tostring(message), 1, true)
  end)

  it("sees a parameter of which nobody says what it takes", function()
    assert.has_error(function() misspelt("lax", { name = "settings", type = "table" }) end)
  end)
end)
