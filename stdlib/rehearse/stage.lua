--- The stage of a rehearsal: a private emulator, its clock, and its control page for events in the tenant.

local call = require "graph.call"
local class = require "base.class"
local fail = require "fail"
local gate = require "host.gate"
local hint = require "log.hint"
local http = require "http.client"
local native_graph = require "host.graph"
local native_journal = require "host.journal"
local profiles = require "profile.current"
local scheduler = require "task.scheduler"
local secret = require "host.secret"
local session_emulator = require "session.emulator"
local sys = require "host.sys"
local time_clock = require "time.clock"

local M = {}

---@class rehearse.stage
---@field emulator session.emulator
---@field profile profile the emulator's ready one
---@field tenant table acts of another admin: tenant.change_password("t0-anna")
---@field server table acts in Devolutions Server: server.permit("view_password", false)
---@field touched table<string, boolean> accounts whose passwords somebody else changed, by name
local Stage = class "rehearse.stage"

---------------------------------------------------------------------------
-- The emulator's page

local function raise_emulator_refused(what, why)
  fail.raise {
    kind = "config", what = what, why = why,
    fix = hint.text "Correct the fault rule: `{moonlatch} emulator --help` shows its form.",
  }
end

-- Open the way to the emulator's control page. Its changes have a journal of their own, because the gate sends no
-- change without a journal.
local function open_control_page(self)
  local folder = self.profile.state .. "-stage"
  assert(sys.mkdir(folder))
  self.journal = assert(native_journal.open(folder, secret.random(32), "the stage of a rehearsal", self.clock))
  self.control = gate.door("emulator", self.journal)
  local base = self.profile.login
  assert(self.control:peer("graph", base, self.profile.ca))
  self.rights = self.control:rights("the stage of a rehearsal", "declared")
  self.rights:allow("graph", "GET", "/emulator/*")
  self.rights:allow("graph", "POST", "/emulator/*")
  self.control:seal()
end

local function call_control_page(self, method, path, body, query)
  local before, acting = http.use(self.control, { script = self.rights, own = self.rights, diagnosis = self.rights })
  local _ <close> = setmetatable({}, { __close = function() http.use(before, acting) end })
  local request = native_graph.request(self.profile.login, method, "/emulator" .. path, query, body)
  local answer, message = scheduler.run(http.poll, http.send, request)
  if not answer then raise_emulator_refused("speak with the private emulator", message) end
  local value, failure = native_graph.judge(request, answer)
  return value or raise_emulator_refused(body and (body.rule or body["do"]) or path, failure.message)
end

--- Make requests fail from now on, by a rule of the emulator.
---@param rule string "graph PATCH /users/* drop-after 2"
function Stage:fault(rule) call_control_page(self, "POST", "/faults", { rule = rule }) end

--- The rules, and how often each was applied.
---@return { rule: string, hits: integer, left: integer|string }[]
function Stage:faults() return call_control_page(self, "GET", "/faults").faults end

--- The values in the vaults, compared with those in force.
---@return { name: string, of: string, kind: string, pending: boolean, in_force: boolean }[]
function Stage:stored_values() return call_control_page(self, "GET", "/held").held end

--- Read from Graph as a Global Administrator, without the lag of reads.
---@param path string "/users"
---@param options graph.options? select, filter and the like
---@return table
function Stage:graph(path, options)
  return call_control_page(self, "GET", "/graph/v1.0" .. path, nil, call.query(options or {}))
end

-- Any action of the emulator's control page, by its name: tenant.change_password("t0-anna").
local function control_actions(self, path)
  return setmetatable({}, { __index = function(_, name)
    return function(...)
      if name == "change_password" then self.touched[tostring((...))] = true end
      return call_control_page(self, "POST", path, { ["do"] = name, with = { ... } }).result
    end
  end })
end

---------------------------------------------------------------------------
-- Emulated time

--- Let time pass. The emulator and the program share the clock.
---@param seconds number
function Stage:pass(seconds)
  if seconds > 0 then self.clock:advance(seconds) end
end

--- The present time on this stage.
---@return number
function Stage:now() return sys.time() + self.clock:offset() end

---------------------------------------------------------------------------
-- Opening it

--- Open a stage. It is closed with its variable.
---@param options { scripts: string?, seed: integer?, users: integer? }
---@return rehearse.stage
function M.open(options)
  local self = Stage { touched = {} }
  self.emulator = session_emulator.start(options)
  local ok, err = pcall(function()
    self.profile = profiles.load { config = self.emulator.config }
    self.clock = assert(sys.clock(self.profile.clock))
    open_control_page(self)
    self.tenant, self.server = control_actions(self, "/tenant"), control_actions(self, "/devolutions")
  end)
  if ok then return self end
  self:close()
  error(err, 0)
end

--- End the emulator. Calling it again does nothing.
function Stage:close()
  for _, part in ipairs { "control", "journal", "emulator", "clock" } do
    if self[part] then self[part]:close() end
    self[part] = nil
  end
  time_clock.use(nil)
end

Stage.__close = Stage.close

return M
