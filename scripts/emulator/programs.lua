--- Programs that sign in with a client secret in a rhythm of their own: a second consumer, a forgotten script. A person
--- gives them their secret, as text. They do nothing with their token.

local form = require "emulator.pam.form"
local inside = require "emulator.inside"
local json = require "json"
local time = require "time"

local M = {}

---@class emulator.programs
---@field list table<string, table> by name
local Programs = { __name = "emulator.programs" }
Programs.__index = Programs

---@param options { tenant: emulator.tenant, ask: function }
---@return emulator.programs
function M.new(options)
  return setmetatable({ tenant = options.tenant, ask = options.ask, list = {} }, Programs)
end

---@class emulator.program
---@field name string
---@field client_id string
---@field client_secret string|host.secret
---@field every string|number the rhythm: "1d"; the first sign-in is at once
---@field address string? by default 203.0.113.99

--- Start a program.
---@param fields emulator.program
function Programs:add_program(fields)
  form.given(fields, "name", "client_id", "client_secret", "every")
  self.list[fields.name] = { name = fields.name, client_id = fields.client_id, every = time.duration(fields.every),
    secret = form.pasted(fields.client_secret), address = fields.address or "203.0.113.99", due = self.tenant.now() }
end

--- Change a program: its secret, its rhythm or its address.
---@param name string
---@param fields { client_secret: string|host.secret|nil, every: string|number|nil, address: string? }
function Programs:edit_program(name, fields)
  local program = form.there(self.list, "program", name)
  if fields.client_secret then program.secret = form.pasted(fields.client_secret) end
  program.every = fields.every and time.duration(fields.every) or program.every
  program.address = fields.address or program.address
end

--- Stop a program for good.
---@param name string
function Programs:remove_program(name)
  form.there(self.list, "program", name)
  self.list[name] = nil
end

local function sign_in(self, program, moment)
  program.due, program.last = moment + program.every, moment
  local token, message = inside.sign_in(self.ask, { tenant = self.tenant.id, client_id = program.client_id,
    client_secret = program.secret, address = program.address })
  program.message = not token and message or nil
end

--- The next sign-in; see emulator.schedule.
---@return number moment, function? act, table? program
function Programs:next_act()
  local found
  for _, program in pairs(self.list) do
    local earlier = not found or program.due < found.due or program.due == found.due and program.name < found.name
    if earlier then found = program end
  end
  if not found then return math.huge end
  return found.due, sign_in, found
end

--- All programs, without secrets.
---@return table
function Programs:state()
  local rows = json.array {}
  for name, one in pairs(self.list) do
    rows[#rows + 1] = { name = name, client_id = one.client_id, address = one.address, every = one.every,
      last = one.last and time.iso(one.last), message = one.message }
  end
  table.sort(rows, function(a, b) return a.name < b.name end)
  return { programs = rows }
end

return M
