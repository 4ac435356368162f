--- Resources: things with a stable key that a workflow can read, compare with what is wanted, and create, change or
--- delete.

local class = require "base.class"
local json = require "host.json"
local secret = require "host.secret"

local M = {}

---------------------------------------------------------------------------
-- Values that are not known yet

local Unknown = class "unknown"
function Unknown.__tostring() return "known after apply" end
function Unknown.__concat() return M.unknown end
function Unknown:__index(member)
  if type(member) == "string" then return self end -- no number keys, so that loops over it end
end

--- What a plan has in place of a value that only applying brings. Every member of it, and every text joined to it, is
--- unknown too.
M.unknown = Unknown {}

--- Is the value known, with everything in it?
---@param value any
---@return boolean
function M.known(value)
  if rawequal(value, M.unknown) then return false end
  if type(value) ~= "table" then return true end
  if getmetatable(value) ~= nil and not json.is_array(value) then return true end
  for _, member in next, value do
    if not M.known(member) then return false end
  end
  return true
end

---------------------------------------------------------------------------
-- Comparing

-- Does `actual` have everything in `wanted`? Other members do not count.
local function says(actual, wanted)
  if rawequal(wanted, M.unknown) then return false end
  if secret.is(wanted) then return secret.is(actual) and secret.equals(actual, wanted) end
  if type(wanted) ~= "table" then return actual == wanted end
  if type(actual) ~= "table" or #actual ~= #wanted then return false end
  for name, value in pairs(wanted) do
    if not says(actual[name], value) then return false end
  end
  return true
end

---@class resource.change
---@field member string
---@field from any
---@field to any

--- The members in which `actual` differs from `wanted`, sorted by name.
---@param actual table
---@param wanted table
---@return resource.change[]
function M.compare(actual, wanted)
  local changes = {}
  for name, value in pairs(wanted) do
    if not says(actual[name], value) then
      changes[#changes + 1] = { member = name, from = actual[name], to = value }
    end
  end
  table.sort(changes, function(a, b) return a.member < b.member end)
  return changes
end

---------------------------------------------------------------------------
-- Kinds

---@class resource.Resource
---@field kind string "application"
---@field name string its name, for people
---@field from any[]? values that it is made from; it cannot be read while one of these is unknown
---@field wanted table? the members that it should have
---@field made string? what a plan says about it when it does not exist yet
---@field read fun(self): table? what exists; nil when nothing does
---@field create fun(self): table? create it, and return what exists then
---@field once string? how the service makes sure that there is only one; nil: it accepts a second one
---@field update nil|fun(self, actual: table, changes: resource.change[]): table?
---@field delete nil|fun(self, actual: table, run: workflow.Run)
---@field key nil|fun(self): string its name on record, and in a lease
---@field differs fun(self, actual: table): resource.change[]
---@field host table? the application it belongs to, with `ours` or `adopted`, and `restored` when that was just done
---@field returning table? what creating it will restore
---@field part boolean? is it a part of its host, and deleted with it?
---@field adopt nil|fun(self, run: workflow.Run, actual: table) called when acting on something that exists
---@field gone nil|false|fun(): boolean after deleting: is it gone? false: no need to look
---@field seen fun(self, value: table?): boolean is the change visible? Asked until it is
---@field ours fun(self, actual: table, run: workflow.Run): boolean, string? is it proven that this workflow made it;
--- and if not, why
local Resource = class("resource.Resource", { open = { "kind", "name" } })

--- The differences from what is wanted.
---@param actual table
---@return resource.change[]
function Resource:differs(actual)
  return M.compare(actual, self.wanted or {})
end

--- Is the change visible? By default: reading returns it, without a difference.
---@return boolean
function Resource:seen()
  local actual = self:read()
  return actual ~= nil and #self:differs(actual) == 0
end

--- Without proof it is not ours.
---@return boolean, string?
function Resource.ours()
  return false, "nothing proves that it was made here"
end

--- Can it be read now?
---@return boolean
function Resource:readable()
  for _, value in ipairs(self.from or {}) do
    if not M.known(value) then return false end
  end
  return true
end

--- Read it now, so that ensuring it later need not read. For reading many things side by side.
---@return table? what is there
function Resource:fetch()
  self.fetched = { value = self:readable() and self:read() or nil }
  return self.fetched.value
end

--- "application 'Devolutions PAM'"
---@return string
function Resource:__tostring()
  return ("%s '%s'"):format(self.kind, self.name)
end

--- Is it something that a run can ensure?
---@param value any
---@return boolean
function M.is(value) return class.is(value, Resource) end

--- Define a kind of resource. Calling the kind with a table makes one.
---@param kind string
---@param options { open: string[]? }? what a script sees of one, besides its kind and name
---@return table
function M.kind(kind, options)
  local Kind = class("resource.Resource", { parent = Resource, open = options and options.open })
  Kind.kind = kind
  return Kind
end

return M
