--- What a workflow ensures: something with a stable key that can be read,
--- compared with what is wanted, and made so.

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
  if type(member) == "string" then return self end -- and nothing at places, so that loops over it end
end

--- What a plan has in place of a value that only applying brings. Any member of
--- it, and any text joined to it, is unknown too.
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

-- Does what is there say what is wanted? Members nobody asked for do not count.
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

--- The members of `wanted` that `actual` says otherwise, in the order of their names.
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
---@field name string what a person calls this one
---@field from any[]? what it is made from; it cannot be read while one of these is unknown
---@field wanted table? the members that are to be so
---@field made string? what a plan says of it when it is not there yet
---@field read fun(self): table? what is there; nil when nothing is
---@field create fun(self): table? make it; what is there now
---@field once string? by what the far side itself sees to it that there is one only; nil: it takes a second one, too
---@field give_way nil|fun(self, made: table) called after creating, where the far side takes a second one: remove
--- what was made, and raise "conflict", when somebody else has made the same and was first
---@field update nil|fun(self, actual: table, changes: resource.change[]): table?
---@field delete nil|fun(self, actual: table, run: workflow.Run)
---@field key nil|fun(self): string what it is on record as, and what a lease on it is called
---@field differs fun(self, actual: table): resource.change[]
---@field host table? the application it hangs on, with `ours` or `adopted`, and `restored` when that was just done
---@field returning table? what creating it restores, as it will be
---@field part boolean? of its host: goes when that goes
---@field adopt nil|fun(self, run: workflow.Run, actual: table) called when acting on what was there already
---@field gone nil|false|fun(): boolean after deleting, is it seen to be gone? false: no need to look
---@field seen fun(self, value: table?): boolean can everybody see the change? asked until it says yes
---@field ours fun(self, actual: table, run: workflow.Run): boolean, string? is it provably ours, and if not, why
local Resource = class("resource.Resource", { open = { "kind", "name" } })

--- What differs from what is wanted.
---@param actual table
---@return resource.change[]
function Resource:differs(actual)
  return M.compare(actual, self.wanted or {})
end

--- Is the change observable? By default: reading gives it, without a difference.
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

--- Could this be read now?
---@return boolean
function Resource:readable()
  for _, value in ipairs(self.from or {}) do
    if not M.known(value) then return false end
  end
  return true
end

--- Read it now, so that ensuring it later need not. For reading many things side by side.
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
