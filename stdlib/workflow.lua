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
---@field settled boolean? starts only when everything before it is visible and no person is waited for
---@field act fun(run: workflow.Run, have: table, args: table)

---@class workflow.Declaration
---@field id string marks what the job makes; a copy that keeps the id continues with what the original made
---@field summary string
---@field args table?
---@field needs table?
---@field steps workflow.Step[]
local Declaration = class("workflow.Declaration", { open = {
  "with", "after", "extend", "id", "summary", "description", "args", "needs", "examples", "steps",
} })

local read_step = options_of("workflow.step", { settled = "boolean", act = "function", [1] = "function" })

--- Make a step: `step "Service principal" (function(run, have, args) … end)`. `have` contains what earlier steps found
--- and made; each step adds to it.
---@param name string
---@return fun(act: function|table): workflow.Step
function M.step(name)
  return function(act)
    if type(act) == "function" then return { name = name, act = act } end
    local fields = read_step(act)
    return { name = name, settled = fields.settled, act = fields.act or fields[1] }
  end
end

---@class workflow.declare.fields
---@field id string what its things are marked with
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

--- Declare a job. Returns what a script returns.
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

local function place_of(steps, name)
  for i, step in ipairs(steps) do
    if step.name == name then return i end
  end
  local names = {}
  for i, step in ipairs(steps) do names[i] = "'" .. step.name .. "'" end
  fail.raise {
    kind = "config", what = ("change the step '%s'"):format(name), why = "there is no step of that name",
    fix = "The steps are " .. table.concat(names, ", ") .. ".",
  }
end

local function copy(declaration)
  local twin = {}
  for name, value in pairs(declaration) do twin[name] = value end
  twin.steps = table.move(declaration.steps, 1, #declaration.steps, 1, {})
  return Declaration(twin)
end

--- The same job with some steps replaced, by name; `false` leaves a step out.
---@param replaced table<string, workflow.Step|false>
---@return workflow.Declaration
function Declaration:with(replaced)
  local twin = copy(self)
  for name, step in pairs(replaced) do
    local place = place_of(twin.steps, name)
    if step then twin.steps[place] = { name = name, settled = step.settled, act = step.act }
    else table.remove(twin.steps, place) end
  end
  return twin
end

--- The same job with one more step, after the named one.
---@param name string
---@param step workflow.Step
---@return workflow.Declaration
function Declaration:after(name, step)
  local twin = copy(self)
  table.insert(twin.steps, place_of(twin.steps, name) + 1, step)
  return twin
end

local function merged(a, b)
  local both = {}
  for name, value in pairs(a or {}) do both[name] = value end
  for name, value in pairs(b or {}) do both[name] = value end
  return both
end

local function joined(a, b)
  local both = merged(a)
  for peer, calls in pairs(b or {}) do
    local before = both[peer] or {}
    both[peer] = table.move(calls, 1, #calls, #before + 1, table.move(before, 1, #before, 1, {}))
  end
  for _, kind in ipairs { "when", "peers" } do -- by name
    if a and a[kind] or b and b[kind] then both[kind] = merged(a and a[kind], b and b[kind]) end
  end
  return both
end

local read_more = options_of("workflow.Declaration:extend", { summary = "string", args = "table", needs = "table" })

--- The same job with more arguments and needs. An argument of the same name is replaced; needs are added.
---@param more { summary: string?, args: table?, needs: table? }
---@return workflow.Declaration
function Declaration:extend(more)
  local twin = copy(self)
  more = read_more(more)
  twin.summary = more.summary or self.summary
  twin.args = merged(self.args, more.args)
  twin.needs = joined(self.needs, more.needs)
  return twin
end

---------------------------------------------------------------------------
-- Resources of a script's own

local METHODS = sets.of {
  "read", "create", "update", "delete", "key", "ours", "seen", "differs", "adopt", "gone", "readable", "once",
}

-- A method that is misspelt would never be called: a resource that is to be deleted would stay.
local function check_name(name)
  if type(name) ~= "string" or not name:find "^%l" then
    error(("'%s' is no name for a method of a resource"):format(tostring(name)), 4)
  end
  local meant = not METHODS[name] and nearest(name, METHODS)
  if not meant then return end
  fail.raise {
    kind = "usage", what = "define a resource", why = ("it has no method '%s'"):format(name),
    fix = ("Did you mean '%s'? A method of your own needs a name that is less like it."):format(meant),
  }
end

-- What is not the author's to say: metamethods, and what ensuring keeps on a resource.
local function check_methods(methods)
  for name, value in pairs(methods) do
    check_name(name)
    if type(value) == "table" then error(("'%s' of a resource is a table: a resource gets it"):format(name), 3) end
  end
  if type(methods.read) ~= "function" then error("a resource needs read: what is there now", 3) end
end

-- What the journal keeps under the keys of the library's own kinds decides what `destroy` removes: a resource of a
-- script has no such key, whatever it says.
local function own_key(kind, key)
  return function(self) return ("of a script/%s/%s"):format(kind, key(self)) end
end

--- Define a kind of resource: `workflow.resource "group" { read = function(self) … end, create = …, … }`. It gives a
--- function that makes one of that kind from its fields (name, wanted, …), which `run:ensure` takes. A method gets the
--- resource; it reads its fields and calls its other methods, and changes neither.
---
--- Methods: read (what is there, nil when nothing is), create, update(self, actual, changes), delete(self, actual), key
--- (what it is on record as), ours(self, actual) (is it provably made here, and if not, why), seen, differs.
--- `once` is a text: by what the far side itself takes one only.
---@param kind string what plans call it: "group"
---@return fun(methods: table<string, function>): fun(fields: table): resource.Resource
function M.resource(kind)
  return function(methods)
    check_methods(methods)
    local Kind = resource.kind(kind, { open = "all" })
    for name, method in pairs(methods) do Kind[name] = method end
    if methods.key then Kind.key = own_key(kind, methods.key) end
    return function(fields)
      local own = {}
      for name, value in pairs(fields) do own[name] = value end
      return Kind(own)
    end
  end
end

return M
