--- One installation of ours: a state folder, a clock that may be wrong, and the runs of
--- its program, each with a library and a process of its own. A run may be killed at any
--- moment: then it is never resumed, and its journal closes as the kernel would close it.

local door = require "simulate.door"
local host_journal = require "host.journal"
local near_cloud = require "near_cloud"
local secret = require "host.secret"
local sys = require "host.sys"
local universe = require "simulate.universe"

local M = {}

local KEY = secret.from "0123456789abcdef0123456789abcdef"
local FULL = "the journal cannot be written: database or disk is full. Make room on that disk, then run it again"
local DEAD = setmetatable({}, { __tostring = function() return "the program is dead" end })

---@class simulate.installation
---@field name string
---@field folder string
---@field id string of its journal
---@field life integer another one after its state was lost
---@field skew number seconds its clock is ahead of what is right
---@field full boolean its disk
---@field sealed table<string, host.secret> what its journal keeps, by id
---@field backup table?
---@field run simulate.run? that goes on now
local Installation = {}
Installation.__index = Installation

---@class simulate.run one process of an installation
---@field installation simulate.installation
---@field world simulate.world
---@field process simulate.process
---@field deadly integer? steps until it is killed
---@field journal table
---@field time table the library's own
---@field maker string who makes what it makes
---@field looks table<string, { at: number, moment: number }> by object id: when it last saw the account
---@field wrote table<string, number> by object id: when it last wrote the account's current entry
---@field touched table<string, number> by object id: when it last changed an entry of the account
---@field skewed number? seconds its clock was off from the start, when that is too much
---@field began number
---@field status integer? its exit status
---@field told string? what a person reads of it
---@field heard string[] what it told a person
local Run = {}
Run.__index = Run

---------------------------------------------------------------------------
-- Death

--- Kill it, from outside or from within.
function Run:kill()
  if self.process.done or self.process.dead then return end
  self.process.dead = true
  self.world:note("%s is killed", self.installation.name)
  self:let_go()
end

--- Raise when it is dead.
function Run:check()
  if self.process.dead then error(DEAD, 0) end
end

--- Here it may be killed.
function Run:risk()
  self:check()
  if not self.deadly then return end
  self.deadly = self.deadly - 1
  if self.deadly > 0 then return end
  self:kill()
  error(DEAD, 0)
end

--- Outside of all tasks: when it is dead, nothing more happens here.
function Run:stay()
  if self.process.dead then self.process:vanish() end
end

--- What the kernel does when a process ends.
function Run:let_go()
  for _, lease in ipairs(self.leases) do lease:close() end
  self.leases = {}
  self.real:close()
  if self.installation.run == self then self.installation.run = nil end
end

---------------------------------------------------------------------------
-- The journal

local Journal = {}

local function keep(run, id, value) table.insert(run.staged, { id = id, value = value }) end

function Journal.seal(run, id, value)
  run.real:seal(id, value)
  keep(run, id, near_cloud.twin(value))
end

function Journal.forget(run, id)
  run.real:forget(id)
  keep(run, id, false)
end

local function settle(run)
  for _, one in ipairs(run.staged) do
    run.installation.sealed[one.id] = one.value or nil
    if not one.value then run.world.truth:note_forgotten() end
  end
  run.staged = {}
end

-- After a commit that failed, a journal takes nothing more.
local function refuse(run)
  run.refusing, run.staged = true, {}
  return nil, FULL
end

function Journal.commit(run)
  run:risk()
  if run.installation.full then return refuse(run) end
  local ok, message = run.real:commit()
  if ok then settle(run) end
  run:risk()
  return ok, message
end

--- Why nothing can be put on record any more, if so.
---@return string? message
function Run:refuses() return self.refusing and FULL or nil end

function Journal.lease(run, name)
  local lease, message = run.real:lease(name)
  if lease then table.insert(run.leases, lease) end
  return lease, message
end

-- A real one is random, and who gives way to whom may follow from it.
function Journal.installation(run) return run.installation.id end
function Journal.installations(run) return { run.installation.id } end

function Journal.close() end

local READS = { get = true, list = true, unseal = true, history = true, installation = true, installations = true,
  restored_at = true, lease = true, head = true, hash = true, verify = true, close = true }

local function journal_of(run)
  return setmetatable({}, { __index = function(_, name)
    return function(_, ...)
      run:check()
      if run.refusing and name == "commit" then return nil, FULL end
      if run.refusing and not READS[name] then error(run.library.require("journal.commit").failure(FULL), 0) end
      if Journal[name] then return Journal[name](run, ...) end
      return run.real[name](run.real, ...)
    end
  end })
end

---------------------------------------------------------------------------
-- A run

local function clock_of(run)
  local installation, timeline = run.installation, run.world.timeline
  local start = run.world.cloud.clock.start
  return {
    least = 0,
    time = function() return start + installation.skew end,
    monotonic = function() return 1000 end,
    offset = function() return timeline:now() end,
    advance = function(_, seconds)
      run:stay()
      local till = timeline:now() + seconds
      repeat run.process:wait(till - timeline:now()) until timeline:now() >= till
      run:stay()
    end,
  }
end

local function listen(run, log)
  for _, name in ipairs { "step", "say", "note", "warn", "error", "prose", "aside" } do
    log[name] = function(text) table.insert(run.heard, tostring(text)) end
  end
  log.progress, log.detail = function() end, function() end
end

-- In the run's own process: its library, its clock, its door, and then what is to be done.
local function begin(run, act)
  local library = run.library
  run.time = library.require "time"
  listen(run, library.require "log")
  library.require("time.clock").use(clock_of(run))
  local http, profile = library.require "http.client", run.world:profile_of(run.installation)
  http.use(door.new(run), { script = {}, own = {}, look = {} })
  library.require("profile.current").use(profile)
  return library.require("task.scheduler").run(http.poll, act, library, run, profile)
end

--- Begin a run in so many seconds. `act(library, run, profile)` is what its program does.
---@param world simulate.world
---@param act fun(library: simulate.universe, run: simulate.run, profile: table): any
---@param options { after: number?, deadly: integer?, ended: nil|fun(run: simulate.run) }
---@return simulate.run
function Installation:start(world, act, options)
  local run = setmetatable({
    installation = self, world = world, deadly = options.deadly, leases = {}, staged = {}, looks = {}, wrote = {},
    touched = {}, heard = {},
    library = universe.new(), maker = ("%s, life %d"):format(self.name, self.life),
  }, Run)
  run.real = assert(host_journal.open(self.folder, KEY, "login.example/contoso"))
  run.journal = journal_of(run)
  run.process = world.timeline:process(options.after or 0, function()
    run.began = world:now()
    local ok, result = pcall(begin, run, act)
    run:stay()
    if not ok then error(result, 0) end
    return result
  end, function()
    run:let_go()
    if options.ended then options.ended(run) end
  end)
  self.run = run
  return run
end

--- Its journal, to be looked at while no run goes on.
---@return host.journal.journal
function Installation:open() return assert(host_journal.open(self.folder, KEY, "login.example/contoso")) end

---------------------------------------------------------------------------
-- Its state

local function copy(from, to) assert(os.execute(("rm -rf '%s' && cp -a '%s' '%s'"):format(to, from, to))) end

--- Copy its state aside.
function Installation:back_up()
  copy(self.folder, self.folder .. "-backup")
  self.backup = { sealed = table.move({}, 1, 0, 1, {}), life = self.life }
  for id, value in pairs(self.sealed) do self.backup.sealed[id] = value end
end

--- Bring that copy back.
---@param truth simulate.truth
---@return boolean
function Installation:restore(truth)
  if not self.backup then return false end
  copy(self.folder .. "-backup", self.folder)
  truth:note_lost(self.sealed, self.backup.sealed)
  self.sealed = {}
  for id, value in pairs(self.backup.sealed) do self.sealed[id] = value end
  self.restored = true
  return true
end

--- Its state is gone: what comes after is another installation.
---@param truth simulate.truth
function Installation:lose(truth)
  sys.remove_tree(self.folder)
  assert(sys.mkdir(self.folder))
  truth:note_lost(self.sealed, {})
  self.sealed, self.backup, self.life = {}, nil, self.life + 1
  self.id = self.draw_id()
end

--- A new installation.
---@param name string
---@param folder string
---@param draw_id fun(): string of a journal: 8 hex digits
---@return simulate.installation
function M.new(name, folder, draw_id)
  assert(sys.mkdir(folder))
  return setmetatable({
    name = name, folder = folder, life = 1, skew = 0, full = false, sealed = {}, draw_id = draw_id, id = draw_id(),
  }, Installation)
end

return M
