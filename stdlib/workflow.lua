--- Jobs of named steps. The same steps plan, apply, verify and destroy; the only difference is whether acting is
--- switched on.

local class = require "base.class"
local fail = require "fail"
local nearest = require "base.nearest"
local options_of = require("base.options").of
local resource = require "resource.new"
local sets = require "base.sets"

local M = {}

---@class workflow.Step
---@field name string
---@field settled boolean? start the step only when all earlier changes are visible and the run waits for no person
---@field beside boolean? make the changes beside those of the step before, on which this step does not depend
---@field act fun(run: workflow.Run, have: table, args: table)

---@class workflow.Declaration
---@field id string the mark of the objects that the job makes; a copy with the same id continues with the objects of
--- the
--- original
---@field summary string
---@field args table?
---@field needs table?
---@field steps workflow.Step[]
local Declaration = class("workflow.Declaration", { open = {
  "with", "after", "extend", "id", "summary", "description", "args", "needs", "examples", "steps",
} })

local read_step = options_of("workflow.step", {
  settled = "boolean", beside = "boolean", act = "function", [1] = "function",
})

local function check_step(name, fields)
  if not (fields.settled and fields.beside) then return end
  fail.raise {
    kind = "usage", what = ("declare the step '%s'"):format(name),
    why = "it is `settled`, which waits for the step before, and `beside`, which does not",
    fix = "Remove `settled` or `beside` from the step.",
  }
end

--- Make a step: `step "Service principal" (function(run, have, args) … end)`. `have` contains the objects that earlier
--- steps found and made; each step adds to it.
---@param name string
---@return fun(act: function|table): workflow.Step
function M.step(name)
  return function(act)
    if type(act) == "function" then return { name = name, act = act } end
    local fields = read_step(act)
    check_step(name, fields)
    return { name = name, settled = fields.settled, beside = fields.beside, act = fields.act or fields[1] }
  end
end

---@class workflow.declare.fields
---@field id string the mark of the objects that the job makes
---@field summary string
---@field description string?
---@field args table?
---@field needs table?
---@field examples string[]?
---@field steps workflow.Step[]

local read_declaration = options_of("workflow.declare", {
  id = "string", summary = "string", description = "string", args = "table", needs = "table", examples = "table",
  steps = "table",
})

--- Declare a job. A script returns this declaration.
---@param fields workflow.declare.fields
---@return workflow.Declaration
function M.declare(fields)
  local declaration = read_declaration(fields)
  for i, step in ipairs(declaration.steps or {}) do
    if type(step) ~= "table" or type(step.name) ~= "string" or type(step.act) ~= "function" then
      error(("steps[%d] is not a step: write step \"its name\" (function(run, have, args) … end)"):format(i), 2)
    end
  end
  return Declaration(declaration)
end

local function place_of_step(steps, name)
  for i, step in ipairs(steps) do
    if step.name == name then return i end
  end
  local names = {}
  for i, step in ipairs(steps) do names[i] = "'" .. step.name .. "'" end
  fail.raise {
    kind = "config", what = ("change the step '%s'"):format(name), why = "there is no step of that name",
    fix = "Name one of its steps: " .. table.concat(names, ", ") .. ".",
  }
end

local function copy_declaration(declaration)
  local copy = {}
  for name, value in pairs(declaration) do copy[name] = value end
  copy.steps = table.move(declaration.steps, 1, #declaration.steps, 1, {})
  return Declaration(copy)
end

--- The same job with some steps replaced, by name; `false` leaves a step out.
---@param replaced table<string, workflow.Step|false>
---@return workflow.Declaration
function Declaration:with(replaced)
  local copy = copy_declaration(self)
  for name, step in pairs(replaced) do
    local place = place_of_step(copy.steps, name)
    if step then copy.steps[place] = { name = name, settled = step.settled, beside = step.beside, act = step.act }
    else table.remove(copy.steps, place) end
  end
  return copy
end

--- The same job with one more step, after the named one.
---@param name string
---@param step workflow.Step
---@return workflow.Declaration
function Declaration:after(name, step)
  local copy = copy_declaration(self)
  table.insert(copy.steps, place_of_step(copy.steps, name) + 1, step)
  return copy
end

local function merge_tables(a, b)
  local joined = {}
  for name, value in pairs(a or {}) do joined[name] = value end
  for name, value in pairs(b or {}) do joined[name] = value end
  return joined
end

local function join_needs(a, b)
  local joined = merge_tables(a)
  for peer, calls in pairs(b or {}) do
    local before = joined[peer] or {}
    joined[peer] = table.move(calls, 1, #calls, #before + 1, table.move(before, 1, #before, 1, {}))
  end
  for _, kind in ipairs { "when", "peers" } do -- by name
    if a and a[kind] or b and b[kind] then joined[kind] = merge_tables(a and a[kind], b and b[kind]) end
  end
  return joined
end

local read_more = options_of("workflow.Declaration:extend", { summary = "string", args = "table", needs = "table" })

--- The same job with more arguments and needs. An argument of the same name is replaced; needs are added.
---@param more { summary: string?, args: table?, needs: table? }
---@return workflow.Declaration
function Declaration:extend(more)
  local copy = copy_declaration(self)
  more = read_more(more)
  copy.summary = more.summary or self.summary
  copy.args = merge_tables(self.args, more.args)
  copy.needs = join_needs(self.needs, more.needs)
  return copy
end

---------------------------------------------------------------------------
-- Resources that a script defines

local RESOURCE_METHODS = sets.of {
  "read", "create", "update", "delete", "key", "ours", "seen", "differs", "adopt", "gone", "readable", "once",
}

-- Raise "usage" for a name that looks like a misspelt method. A misspelt method would never be called: without
-- `delete`, for example, `destroy` would leave the object.
local function check_method_name(name)
  if type(name) ~= "string" or not name:find "^%l" then
    error(("'%s' is no name for a method of a resource"):format(tostring(name)), 4)
  end
  local meant = not RESOURCE_METHODS[name] and nearest(name, RESOURCE_METHODS)
  if not meant then return end
  fail.raise {
    kind = "usage", what = "define a resource", why = ("'%s' is not a method that Moonlatch calls, but resembles "
      .. "'%s'"):format(name, meant),
    fix = ("Rename it to '%s'; if it is a helper of your own, choose a name that is less similar."):format(meant),
  }
end

-- Check the methods of a kind of resource: metamethods and tables are refused, and `read` is required.
local function check_resource_methods(methods)
  for name, value in pairs(methods) do
    check_method_name(name)
    if type(value) == "table" then error(("'%s' of a resource is a table: a resource gets it"):format(name), 3) end
  end
  if type(methods.read) ~= "function" then
    error("a resource needs the method read, which returns the existing object", 3)
  end
end

-- The key of a script's resource in the journal. The prefix keeps it apart from the keys of the library's resources,
-- because the records under these decide what `destroy` removes.
local function script_resource_key(kind, key)
  return function(self) return ("of a script/%s/%s"):format(kind, key(self)) end
end

--- Define a kind of resource: `workflow.resource "group" { read = function(self) … end, create = …, … }`. Returns a
--- function that makes a resource of this kind from its fields (name, wanted, …), for `run:ensure`. A method gets the
--- resource: it may read the fields and call the other methods, and must not change them.
---
--- Methods: read (returns the existing object; nil when there is none), create, update(self, actual, changes),
--- delete(self, actual), key (returns the key of its records), ours(self, actual) (is it proven that this workflow made
--- the object? if not, why), seen, differs. `once` is a text: how the service refuses a second object.
---@param kind string the name of the kind in plans: "group"
---@return fun(methods: table<string, function>): fun(fields: table): resource.Resource
function M.resource(kind)
  return function(methods)
    check_resource_methods(methods)
    local Kind = resource.kind(kind, { open = "all" })
    for name, method in pairs(methods) do Kind[name] = method end
    if methods.key then Kind.key = script_resource_key(kind, methods.key) end
    return function(fields)
      local fields_copy = {}
      for name, value in pairs(fields) do fields_copy[name] = value end
      return Kind(fields_copy)
    end
  end
end

return M
