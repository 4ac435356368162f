--- Jobs made of named steps: planned, applied, verified and destroyed by the
--- same steps. What differs is only whether acting is switched on.

local class = require "base.class"
local fail = require "fail"
local resource = require "resource.new"

local M = {}

---@class workflow.Step
---@field name string
---@field settled boolean? starts only when all before it is observable and no person is waited for
---@field act fun(run: workflow.Run, have: table, args: table)

---@class workflow.Declaration
---@field id string what its things are marked with; a copy that keeps it goes on with what the original made
---@field summary string
---@field args table?
---@field needs table?
---@field steps workflow.Step[]
local Declaration = class("workflow.Declaration", { open = {
  "with", "after", "extend", "id", "summary", "description", "args", "needs", "examples", "steps",
} })

--- A step: `step "Service principal" (function(run, have, args) … end)`. `have` is
--- what the steps before found and made; each adds to it.
---@param name string
---@return fun(act: function|table): workflow.Step
function M.step(name)
  return function(act)
    if type(act) == "function" then return { name = name, act = act } end
    return { name = name, settled = act.settled, act = act.act or act[1] }
  end
end

--- Declare a job; returns what a script returns.
---@param declaration table id, summary, args, needs, steps
---@return workflow.Declaration
function M.declare(declaration)
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

--- The same job with one step more, after the one named.
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
  if a and a.when or b and b.when then both.when = merged(a and a.when, b and b.when) end
  return both
end

--- The same job with more arguments and more needs; what is given again is replaced,
--- needs are added to.
---@param more { summary: string?, args: table?, needs: table? }
---@return workflow.Declaration
function Declaration:extend(more)
  local twin = copy(self)
  twin.summary = more.summary or self.summary
  twin.args = merged(self.args, more.args)
  twin.needs = joined(self.needs, more.needs)
  return twin
end

---------------------------------------------------------------------------
-- Resources of a script's own

-- What is not the author's to say: metamethods, and what ensuring keeps on a resource.
local function check_methods(methods)
  for name, value in pairs(methods) do
    if type(name) ~= "string" or not name:find "^%l" then
      error(("'%s' is no name for a method of a resource"):format(tostring(name)), 3)
    end
    if type(value) == "table" then error(("'%s' of a resource is a table: a resource gets it"):format(name), 3) end
  end
  if type(methods.read) ~= "function" then error("a resource needs read: what is there now", 3) end
end

--- Define a kind of resource: `workflow.resource "group" { read = function(self) … end, create = …, … }`.
--- What this gives makes one of that kind from its fields (name, wanted, …), which `run:ensure` takes. A method gets
--- the resource; it reads its fields and calls its other methods, and changes neither.
---
--- Methods: read (what is there, nil when nothing is), create, update(self, actual, changes), delete(self, actual), key
--- (what it is on record as), ours(self, actual) (is it provably made here, and if not, why), seen, differs, give_way.
--- `once` is a text: by what the far side itself takes one only.
---@param kind string what plans call it: "group"
---@return fun(methods: table<string, function>): fun(fields: table): resource.Resource
function M.resource(kind)
  return function(methods)
    check_methods(methods)
    local Kind = resource.kind(kind, { open = "all" })
    for name, method in pairs(methods) do Kind[name] = method end
    return function(fields)
      local own = {}
      for name, value in pairs(fields) do own[name] = value end
      return Kind(own)
    end
  end
end

return M
