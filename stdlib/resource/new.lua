--- Resources: objects with a stable key that a workflow can read, compare with the wanted values, create, change and
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
  if type(member) == "string" then return self end -- nil for numbers, so that ipairs over it ends
end

--- The value that a plan uses in the place of a value that is known only after apply. Every member of it is unknown,
--- and so is a text joined to it.
M.unknown = Unknown {}

--- Is the value known, with all its members?
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
-- Comparing a resource

-- Does `actual` have all the values of `wanted`? Members of `actual` that are not in `wanted` do not count.
local function has_wanted_values(actual, wanted)
  if rawequal(wanted, M.unknown) then return false end
  if secret.is(wanted) then return secret.is(actual) and secret.equals(actual, wanted) end
  if type(wanted) ~= "table" then return actual == wanted end
  if type(actual) ~= "table" or #actual ~= #wanted then return false end
  for name, value in pairs(wanted) do
    if not has_wanted_values(actual[name], value) then return false end
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
    if not has_wanted_values(actual[name], value) then
      changes[#changes + 1] = { member = name, from = actual[name], to = value }
    end
  end
  table.sort(changes, function(a, b) return a.member < b.member end)
  return changes
end

---------------------------------------------------------------------------
-- Kinds of resources

---@class resource.Resource
---@field kind string "application"
---@field name string its name, for people
---@field from any[]? values that the resource is made from; it cannot be read while one of these is unknown
---@field wanted table? the members that the resource should have
---@field made string? what a plan prints about the resource when it does not exist yet
---@field read fun(self): table? returns the object in the service; nil when it does not exist
---@field create fun(self): table? creates the object, and returns it
---@field once string? how the service refuses a second object of the same key; nil: the service accepts a second one
---@field update nil|fun(self, actual: table, changes: resource.change[]): table?
---@field delete nil|fun(self, actual: table, run: workflow.Run)
---@field key nil|fun(self): string the key of its records and of its lease
---@field differs fun(self, actual: table): resource.change[]
---@field host table? the application that the resource belongs to, with `ours` or `adopted`, and with `restored` when
--- the application was just restored
---@field returning table? the deleted object that creating this resource restores
---@field part boolean? is the resource a part of its host, and deleted with the host?
---@field adopt nil|fun(self, run: workflow.Run, actual: table) called when acting on an object that exists
---@field gone nil|false|fun(): boolean called after deleting until it returns true; false: the deletion needs no check
---@field seen fun(self, value: table?): boolean called after a change until it returns true: is the change visible?
---@field ours fun(self, actual: table, run: workflow.Run): boolean, string? is it proven that this workflow made the
--- object? The second result is why not.
local Resource = class("resource.Resource", { open = { "kind", "name" } })

--- The members in which the object differs from the wanted values.
---@param actual table
---@return resource.change[]
function Resource:differs(actual)
  return M.compare(actual, self.wanted or {})
end

--- Is the change visible? By default: can the object be read, and does it have the wanted values?
---@return boolean
function Resource:seen()
  local actual = self:read()
  return actual ~= nil and #self:differs(actual) == 0
end

--- By default, nothing proves that this workflow made the object.
---@return boolean, string?
function Resource.ours()
  return false, "nothing proves that it was made here"
end

--- Can the resource be read now: are all values that it is made from known?
---@return boolean
function Resource:readable()
  for _, value in ipairs(self.from or {}) do
    if not M.known(value) then return false end
  end
  return true
end

--- Read the resource now, so that ensuring it later does not read it again. For reading many resources side by side.
---@return table? value the object; nil when it does not exist
function Resource:fetch()
  self.fetched = { value = self:readable() and self:read() or nil }
  return self.fetched.value
end

--- Kind and name of the resource: "application 'Devolutions PAM'".
---@return string
function Resource:__tostring()
  return ("%s '%s'"):format(self.kind, self.name)
end

--- Is the value a resource, which a run can ensure?
---@param value any
---@return boolean
function M.is(value) return class.is(value, Resource) end

--- Define a kind of resource. Calling the kind with a table makes a resource.
---@param kind string
---@param options { open: string[]? }? the members that a script may read, besides kind and name
---@return table
function M.kind(kind, options)
  local Kind = class("resource.Resource", { parent = Resource, open = options and options.open })
  Kind.kind = kind
  return Kind
end

return M
