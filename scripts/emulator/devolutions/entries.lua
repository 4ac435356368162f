--- The entries of a vault, in the order in which they were made. Finding one by its id or name costs the same however
--- many there are.

local M = {}

---@class emulator.devolutions.entry
---@field id string
---@field name string may be set at any time
---@field path string
---@field type string
---@field subType string
---@field description string
---@field tags string[]
---@field data table
---@field created number
---@field modified number
---@field sealed boolean? did another admin seal it?

---@class emulator.devolutions.entries
---@field changes integer how often an entry was added, removed or renamed
local Entries = { __name = "emulator.devolutions.entries" }
Entries.__index = Entries

---@return emulator.devolutions.entries
function M.new()
  return setmetatable({ order = {}, place_of = {}, by_name = {}, gaps = 0, changes = 0 }, Entries)
end

local function add_name(self, entry)
  local key = entry.name:lower()
  local list = self.by_name[key] or {}
  local at = #list + 1
  while at > 1 and self.place_of[list[at - 1].id] > self.place_of[entry.id] do at = at - 1 end
  table.insert(list, at, entry)
  self.by_name[key] = list
  self.changes = self.changes + 1
end

local function remove_name(self, entry)
  local key = entry.name:lower()
  local list = self.by_name[key]
  for place, other in ipairs(list) do
    if other == entry then table.remove(list, place) end
  end
  if #list == 0 then self.by_name[key] = nil end
  self.changes = self.changes + 1
end

-- An entry keeps its name apart, so that setting the name is noticed.
local Entry = { __name = "emulator.devolutions.entry" }

function Entry:__index(member)
  return member == "name" and rawget(self, "_name") or nil
end

function Entry:__newindex(member, value)
  if member ~= "name" then return rawset(self, member, value) end
  if value == self._name then return end
  remove_name(self._home, self)
  self._name = value
  add_name(self._home, self)
end

--- Add an entry, behind the others.
---@param entry emulator.devolutions.entry
---@return emulator.devolutions.entry
function Entries:add(entry)
  local place = #self.order + 1
  self.order[place], self.place_of[entry.id] = entry, place
  entry._home, entry._name, entry.name = self, entry.name, nil
  add_name(self, setmetatable(entry, Entry))
  return entry
end

--- The entry with an id.
---@param id string
---@return emulator.devolutions.entry?
function Entries:get(id)
  return self.order[self.place_of[id]]
end

-- Close the gaps that removed entries left.
local function close_up(self)
  local order = {}
  for entry in self:each() do
    order[#order + 1] = entry
    self.place_of[entry.id] = #order
  end
  self.order, self.gaps = order, 0
end

--- Remove an entry.
---@param id string
function Entries:remove(id)
  local place = self.place_of[id]
  remove_name(self, self.order[place])
  self.order[place], self.place_of[id] = false, nil
  self.gaps = self.gaps + 1
  if self.gaps > #self.order // 2 then close_up(self) end
end

--- Go through the entries, oldest first; with a name, only the entries of that name, in any case.
---@param name string?
---@return fun(): emulator.devolutions.entry?
function Entries:each(name)
  local list, place = name and (self.by_name[name:lower()] or {}) or self.order, 0
  return function()
    repeat place = place + 1 until list[place] ~= false
    return list[place]
  end
end

local function has_tag(entry, tag)
  for _, other in ipairs(entry.tags) do
    if other:lower() == tag:lower() then return true end
  end
  return false
end

--- `name` is compared whole; `path` matches a part, and an empty path is ignored; `type` is ignored (go-dvls,
--- entries.go).
local function fits(query, entry)
  if query.name and query.name ~= "" and entry.name:lower() ~= query.name:lower() then return false end
  if query.path and query.path ~= "" and not entry.path:lower():find(query.path:lower(), 1, true) then return false end
  return not query.tag or query.tag == "" or has_tag(entry, query.tag)
end

--- The entries that fit a query's `name`, `path` and `tag`. The result for the first page is kept for the later pages
--- until an entry is added, removed or renamed.
---@param query table<string, string>
---@param first boolean for the first page?
---@return emulator.devolutions.entry[]
function Entries:matching(query, first)
  local what = ("%s\n%s\n%s"):format(query.name or "", query.path or "", query.tag or "")
  local last = self.listing
  if not first and last and last.what == what and last.changes == self.changes then return last.found end
  local found = {}
  for entry in self:each(query.name ~= "" and query.name or nil) do
    if fits(query, entry) then found[#found + 1] = entry end
  end
  self.listing = { what = what, changes = self.changes, found = found }
  return found
end

return M
