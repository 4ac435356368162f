--- Many credentials in little memory: twenty thousand applications have to fit beside each other, because the list is
--- sorted. A credential and its object are packed into one short text each, and unpacked where they are looked at.

local class = require "base.class"

local M = {}

---@class applications.owner a registration or service principal that has a credential
---@field place integer of the object in the list
---@field id string object id
---@field client_id string lower case
---@field name string
---@field origin "application"|"service principal" where its credentials are
---@field tenant "own"|"foreign"|"unknown" whose registration it is
---@field other_tenants boolean? may other tenants have it, too, whose logs and reports are not read?
---@field permissions string[]|false that can reach Global Administrator; false: not known
---@field federated string[]|false names of the federated credentials of a registration; false: not known
---@field owners string[]|false|nil names, ids of owners without one; false: not known; nil: not read yet
---@field unnamed boolean? is there an owner of whom only the id may be read?
---@field use_by_kind applications.use_by_kind? nil: unknown

---@class applications.credential
---@field of applications.owner
---@field kind "secret"|"certificate"|"signing certificate"|"federated"
---@field name string
---@field key string lower case; "" of a federated credential
---@field from number? moment from which it is valid
---@field ends number? moment at which it expires; nil: it is federated and does not, or the date cannot be read
---@field use applications.use? nil: unknown

---@class applications.use the last use of a credential, as far as it is known
---@field at number? nil: the report tracks the credential, and saw no use
---@field source "report"|"log"
---@field address string? from where, when the log says
---@field failed boolean? that sign-in failed
---@field ours boolean? it may be a proof by Moonlatch

---@class applications.use_by_kind the last use of an application, whatever the credential
---@field last number? of all kinds
---@field people number? when people signed in through it

---@class applications.credential_list
---@field count integer
---@field ends (number|false)[] when each credential expires; false: never
---@field packed string[] the rest of each credential
---@field object integer[] the place of each credential's object
---@field objects string[] the objects, packed
---@field permissions table<integer, string[]>|false by the place of the object
---@field federated table<integer, string[]>|false
---@field owners table<integer, string[]|false>
---@field unnamed table<integer, boolean>
---@field uses table<integer, applications.use> by the place of the credential
---@field last_of table<string, number> when an application was last used, by its client id
---@field people_of table<string, number> when people last signed in through it, by its client id
local List = class "applications.credential_list"

local KINDS = { "secret", "certificate", "signing certificate", "federated" }
local ORIGINS = { "application", "service principal" }
local TENANTS = { "own", "foreign", "unknown" }
local SHARED = 128 -- in the number of the tenant: other tenants may have the application, too
local CREDENTIAL, OBJECT = "<Bds1s2", "<BBs1s1s2"
local NO_START = -math.huge
local NONE = {}

local numbers = {} -- of the words above
for _, words in ipairs { KINDS, ORIGINS, TENANTS } do
  for number, word in ipairs(words) do numbers[word] = number end
end

--- An empty list. Without `permissions` or `federated`, these are not known of any object.
---@param known { permissions: boolean, federated: boolean }
---@return applications.credential_list
function M.new(known)
  return List {
    count = 0, ends = {}, packed = {}, object = {}, objects = {}, owners = {}, unnamed = {}, uses = {},
    last_of = {}, people_of = {},
    permissions = known.permissions and {}, federated = known.federated and {},
  }
end

--- Add an object; returns its place.
---@param fields { id: string, client_id: string, name: string, origin: string, tenant: string, federated: string[]?,
--- other_tenants: boolean? }
---@return integer
function List:add_object(fields)
  local place = #self.objects + 1
  local tenant = numbers[fields.tenant] + (fields.other_tenants and SHARED or 0)
  self.objects[place] = OBJECT:pack(numbers[fields.origin], tenant, fields.id, fields.client_id, fields.name)
  if self.federated then self.federated[place] = fields.federated end
  return place
end

--- Add a credential of the object at a place.
---@param object integer
---@param credential applications.credential
function List:add(object, credential)
  local place = self.count + 1
  self.count, self.object[place], self.ends[place] = place, object, credential.ends or false
  self.packed[place] = CREDENTIAL:pack(numbers[credential.kind], credential.from or NO_START, credential.key,
    credential.name)
end

--- When an application was last used, as far as the report on service principals tells.
---@param client_id string
---@return applications.use_by_kind?
function List:use_by_kind(client_id)
  local last = self.last_of[client_id]
  return last and { last = last, people = self.people_of[client_id] }
end

--- The object at a place.
---@param place integer
---@return applications.owner
function List:object_at(place)
  local origin, tenant, id, client_id, name = OBJECT:unpack(self.objects[place])
  return {
    place = place, id = id, client_id = client_id, name = name, origin = ORIGINS[origin],
    tenant = TENANTS[tenant % SHARED], other_tenants = tenant >= SHARED or nil,
    permissions = self.permissions and (self.permissions[place] or NONE),
    federated = self.federated and (self.federated[place] or NONE),
    owners = self.owners[place], unnamed = self.unnamed[place], use_by_kind = self:use_by_kind(client_id),
  }
end

--- The credential at a place.
---@param place integer
---@return applications.credential
function List:at(place)
  local kind, from, key, name = CREDENTIAL:unpack(self.packed[place])
  return {
    of = self:object_at(self.object[place]), kind = KINDS[kind], from = from ~= NO_START and from or nil, key = key,
    name = name, ends = self.ends[place] or nil, use = self.uses[place],
  }
end

--- Go through credentials: place, credential. Without places, through all.
---@param places integer[]?
---@return fun(): integer?, applications.credential?
function List:each(places)
  local i = 0
  return function()
    i = i + 1
    local place = i
    if places then place = places[i] end
    if place and place <= self.count then return place, self:at(place) end
  end
end

--- The places of all credentials.
---@return integer[]
function List:places()
  local places = {}
  for place = 1, self.count do places[place] = place end
  return places
end

--- The places of the objects of these credentials, each once.
---@param places integer[]
---@return integer[]
function List:objects_of(places)
  local seen, objects = {}, {}
  for _, place in ipairs(places) do
    local object = self.object[place]
    if not seen[object] then objects[#objects + 1] = object end
    seen[object] = true
  end
  return objects
end

return M
