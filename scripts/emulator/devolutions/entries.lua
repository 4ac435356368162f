--- The entries of a vault, in the order in which they were made. Finding some by id, name or tag costs the same
--- however many there are.

local M = {}

---@class emulator.devolutions.entry
---@field id string
---@field name string may be set at any time
---@field path string
---@field type string
---@field subType string
---@field description string
---@field tags string[] may be set at any time; the list itself is not changed
---@field data table
---@field created number
---@field modified number
---@field sealed boolean? did another admin seal it?

---@class emulator.devolutions.entries
---@field changes integer how often an entry was added, removed, renamed or tagged
local Entries = { __name = "emulator.devolutions.entries" }
Entries.__index = Entries

---@return emulator.devolutions.entries
function M.new()
  return setmetatable({ order = {}, place_of = {}, by_name = {}, by_tag = {}, gaps = 0, changes = 0 }, Entries)
end

-- Add the entry to the list of all entries with its name, or of all with one of its tags.
local function add_to_list(self, lists, key, entry)
  local list = lists[key:lower()] or {}
  local at = #list + 1
  while at > 1 and self.place_of[list[at - 1].id] > self.place_of[entry.id] do at = at - 1 end
  if list[at - 1] == entry then return end -- the entry has the tag twice
  table.insert(list, at, entry)
  lists[key:lower()] = list
end

local function remove_from_list(lists, key, entry)
  local list = lists[key:lower()] or {}
  for place, other in ipairs(list) do
    if other == entry then table.remove(list, place) end
  end
  if #list == 0 then lists[key:lower()] = nil end
end

local function add_tags(self, entry)
  for _, tag in ipairs(entry._tags) do add_to_list(self, self.by_tag, tag, entry) end
end

local function remove_tags(self, entry)
  for _, tag in ipairs(entry._tags) do remove_from_list(self.by_tag, tag, entry) end
end

-- An entry keeps its name and its tags apart, so that setting them is noticed.
local Entry = { __name = "emulator.devolutions.entry" }

local KEPT_APART = { name = "_name", tags = "_tags" }

function Entry:__index(member)
  local kept = KEPT_APART[member]
  return kept and rawget(self, kept) or nil
end

function Entry:__newindex(member, value)
  local home = self._home
  if member == "name" then
    if value == self._name then return end
    remove_from_list(home.by_name, self._name, self)
    self._name = value
    add_to_list(home, home.by_name, value, self)
  elseif member == "tags" then
    if table.concat(value, "\n") == table.concat(self._tags, "\n") then return end
    remove_tags(home, self)
    self._tags = value
    add_tags(home, self)
  else
    return rawset(self, member, value)
  end
  home.changes = home.changes + 1
end

--- Add an entry, behind the others.
---@param entry emulator.devolutions.entry
---@return emulator.devolutions.entry
function Entries:add(entry)
  local place = #self.order + 1
  self.order[place], self.place_of[entry.id] = entry, place
  entry._home, entry._name, entry._tags, entry.name, entry.tags = self, entry.name, entry.tags or {}, nil, nil
  add_to_list(self, self.by_name, entry._name, setmetatable(entry, Entry))
  add_tags(self, entry)
  self.changes = self.changes + 1
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
  remove_from_list(self.by_name, self.order[place].name, self.order[place])
  remove_tags(self, self.order[place])
  self.changes = self.changes + 1
  self.order[place], self.place_of[id] = false, nil
  self.gaps = self.gaps + 1
  if self.gaps > #self.order // 2 then close_up(self) end
end

--- Go through the entries, oldest first; with a name or a tag, only the entries that have it, in any case.
---@param name string?
---@param tag string?
---@return fun(): emulator.devolutions.entry?
function Entries:each(name, tag)
  local list, place = name and self.by_name[name:lower()] or tag and self.by_tag[tag:lower()], 0
  list = list or not name and not tag and self.order or {}
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
--- until an entry is added, removed, renamed or tagged.
---@param query table<string, string>
---@param first boolean for the first page?
---@return emulator.devolutions.entry[]
function Entries:matching(query, first)
  local what = ("%s\n%s\n%s"):format(query.name or "", query.path or "", query.tag or "")
  local last = self.listing
  if not first and last and last.what == what and last.changes == self.changes then return last.found end
  local found = {}
  for entry in self:each(query.name ~= "" and query.name or nil, query.tag ~= "" and query.tag or nil) do
    if fits(query, entry) then found[#found + 1] = entry end
  end
  self.listing = { what = what, changes = self.changes, found = found }
  return found
end

return M
