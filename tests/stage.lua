--- A stage for workflows: a virtual clock, a door with nothing behind it, a
--- journal in memory, and ears for what is said.

local fake = require "fake_door"
local log = require "log"
local secret = require "host.secret"

local M = {}

---------------------------------------------------------------------------
-- A journal with the shape of host.journal's, in memory

local Journal = {}
Journal.__index = Journal

local function copy(value)
  if type(value) ~= "table" then
    assert(not secret.is(value), "a secret in a record")
    return value
  end
  local twin = {}
  for name, member in pairs(value) do twin[name] = copy(member) end
  return twin
end

function Journal:put(kind, id, state, body, time)
  if self.broken then error(self.broken, 0) end
  local key = kind .. "\0" .. id
  local row = self.rows[key]
  if not row then
    row = { created = time, kind = kind, id = id }
    self.rows[key] = row
    table.insert(self.order, key)
  end
  row.state, row.body, row.updated = state, copy(body), time
  table.insert(self.trail, { kind = kind, id = id, state = state })
end

function Journal:get(kind, id)
  return copy(self.rows[kind .. "\0" .. id])
end

function Journal:list(kind, except)
  local list = {}
  for _, key in ipairs(self.order) do
    local row = self.rows[key]
    if row.kind == kind and row.state ~= except then list[#list + 1] = copy(row) end
  end
  return list
end

function Journal:seal(id, value)
  assert(secret.is(value))
  self.sealed[id] = value
end

function Journal:unseal(id) return self.sealed[id] and secret.copy(self.sealed[id]) end
function Journal:forget(id) self.sealed[id] = nil end

function Journal:keep(name, body) self.values[name] = copy(body) end
function Journal:kept(name) return copy(self.values[name]) end

function Journal:kept_names(start)
  local names = {}
  for name in pairs(self.values) do
    if name:sub(1, #start) == start then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

function Journal:audit(kind, body)
  table.insert(self.audits, { kind = kind, body = copy(body) })
end

function Journal:commit()
  self.commits = self.commits + 1
  if self.full then return nil, "the disk is full" end
  return true
end

function Journal:installation() return self.name end
function Journal.restored_at() return nil end

function Journal:lease(name)
  if self.leases[name] then return nil, "another process holds it" end
  self.leases[name] = true
  return { close = function() self.leases[name] = nil end }
end

--- The states an id went through.
---@param id string
---@return string[]
function Journal:states(id)
  local list = {}
  for _, entry in ipairs(self.trail) do
    if entry.id == id and list[#list] ~= entry.state then list[#list + 1] = entry.state end
  end
  return list
end

--- An empty journal.
---@param name string? of the installation
function M.journal(name)
  return setmetatable({
    rows = {}, order = {}, sealed = {}, values = {}, audits = {}, trail = {}, leases = {}, commits = 0,
    name = name or "0a0b0c0d",
  }, Journal)
end

---------------------------------------------------------------------------
-- What is said

--- Hear what is said instead of printing it, until closed.
---@return { said: string[], warned: string[] }
function M.ears()
  local heard = { said = {}, warned = {} }
  local before = {}
  for _, name in ipairs { "step", "say", "note", "warn", "progress", "detail" } do before[name] = log[name] end
  log.step = function(name) table.insert(heard.said, name) end
  log.say = function(text) table.insert(heard.said, text) end
  log.note = log.say
  log.warn = function(text) table.insert(heard.warned, text) end
  log.progress, log.detail = function() end, function() end
  return setmetatable(heard, { __close = function()
    for name, fn in pairs(before) do log[name] = fn end
  end })
end

--- Run `fn(...)` as a task, alone with a virtual clock.
---@param fn function
---@param clock fake.clock?
---@return any ...
function M.run(fn, clock)
  return fake.run(fake.door(), clock or fake.clock(), fn)
end

return M
