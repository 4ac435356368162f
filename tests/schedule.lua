--- A random schedule over a real network: thousands of tasks that send, wait, branch,
--- run out of time and are cancelled, against a server that answers, fails, is late,
--- retires connections and breaks them. Every task ends once, and nothing is left.

local graph = require "host.graph"
local http = require "http.client"
local nginx = require "nginx"
local scheduler = require "task.scheduler"
local task = require "task"
local test_door = require "test_door"
local time_clock = require "time.clock"

local M = {}

local LOCATIONS = [[
    location /v1.0/soon { return 200 '{"id":"x"}'; }
    location /v1.0/later { echo_sleep 0.02; echo -n '{"id":"x"}'; }
    location /v1.0/never { echo_sleep 5; echo -n '{"id":"x"}'; }
    location /v1.0/busy { return 503 '{"error":{"code":"serviceNotAvailable","message":""}}'; }
    location /v1.0/broken { return 444; }
    location /v1.0/directoryObjects/ { return 200 '{"value":[]}'; }
]]

--- What may become of a request, by what was asked.
local ALLOWED = {
  soon = { [200] = true, cut = true, connect = true },
  later = { [200] = true, timeout = true, cut = true, connect = true },
  never = { timeout = true, cut = true, connect = true },
  busy = { [503] = true, cut = true, connect = true },
  broken = { cut = true, connect = true },
  once = { [200] = true, cut = true, connect = true },
}

--- Is everything there that this needs?
---@return boolean
function M.is_possible() return nginx.is_there(true) end

--- The server. Close it.
---@return nginx
function M.server() return nginx.start(LOCATIONS, 60) end

local function request_for(server, what)
  if what ~= "once" then return graph.request(server.base, "GET", "/" .. what) end
  local request = graph.request(server.base, "POST", "/directoryObjects/getByIds", nil, { ids = { "1" } })
  request:set_repeatable(false)
  return request
end

---@class schedule.count
---@field begun integer tasks
---@field ended integer
---@field failed integer
---@field cancelled integer
---@field answers integer
---@field failures table<string, integer> by kind

local function new_count()
  return { begun = 0, ended = 0, failed = 0, cancelled = 0, answers = 0, failures = {} }
end

local KINDS = { "soon", "soon", "soon", "soon", "later", "later", "once", "busy", "never", "broken" }

local function ask(server, count)
  local what = KINDS[math.random(#KINDS)]
  if what == "broken" and math.random() < 0.7 then what = "soon" end
  local timeout = what == "never" and 0.05 or math.random() < 0.1 and 0.01 or 10
  if what == "soon" or what == "once" then timeout = 10 end
  local answer <close>, _, kind = http.send(request_for(server, what), nil, { timeout = timeout })
  local outcome = answer and answer:status() or kind
  assert(ALLOWED[what][outcome], ("%s brought %s"):format(what, tostring(outcome)))
  if answer then count.answers = count.answers + 1 else count.failures[kind] = (count.failures[kind] or 0) + 1 end
end

local ACTS = {
  ask, ask, ask, ask,
  function() task.sleep(math.random() / 50) end,
  function(server, count) task.map({ 1, 2, 3 }, 2, function() ask(server, count) end) end,
  function(server, count) task.each({ 1, 2 }, 2, function() ask(server, count) end) end,
  function(server, count)
    local child = task.spawn(ask, server, count)
    child:wait()
  end,
  function(server, count) pcall(task.within, math.random() / 50, ask, server, count) end,
  function() if math.random() < 0.1 then error("a task of its own accord", 0) end end,
}

-- One task: it is counted when it begins, and however it ends, once.
local function live(server, count)
  count.begun = count.begun + 1
  local how = "cancelled"
  local _ <close> = setmetatable({}, { __close = function() count[how] = count[how] + 1 end })
  local ok, err = pcall(function()
    for _ = 1, math.random(4) do ACTS[math.random(#ACTS)](server, count) end
  end)
  how = ok and "ended" or "failed"
  if not ok then error(err, 0) end
end

local function cancel_some(tasks, share)
  return function()
    for _ = 1, #tasks * share // 1 do
      task.sleep(math.random() / 500)
      tasks[math.random(#tasks)]:cancel("cancelled at random")
    end
  end
end

-- Streams that were lost would show here: as many at once as there are.
local function all_streams_are_free(server)
  local list = {}
  for i = 1, 100 do list[i] = i end
  task.map(list, 100, function()
    local message
    for _ = 1, 20 do -- a connection may still be on its way out
      local answer <close>, why = http.send(request_for(server, "soon"), nil, { timeout = 10 })
      if answer then return end
      message = why
    end
    error(message, 0)
  end)
end

local function main(server, tasks_wanted, count)
  local tasks = {}
  for i = 1, tasks_wanted do
    tasks[i] = task.spawn(live, server, count)
    if i % 50 == 0 then task.sleep(math.random() / 100) end
  end
  local killer = task.spawn(cancel_some(tasks, 0.2))
  for _, one in ipairs(tasks) do pcall(one.wait, one) end
  killer:wait()
  all_streams_are_free(server)
end

--- Run so many tasks; what became of them. Raises when something is amiss.
---@param server nginx
---@param tasks integer
---@param seed integer
---@return schedule.count
function M.run(server, tasks, seed)
  math.randomseed(seed)
  local count = new_count()
  local door <close> = test_door.new("emulator")
  assert(door:peer("graph", server.base, server.ca))
  door:mode("read")
  local clock = time_clock.use(nil)
  local before, acting = http.use(door.gate, door:acting())
  local _ <close> = setmetatable({}, { __close = function()
    http.use(before, acting)
    time_clock.use(clock)
  end })
  scheduler.run(http.poll, main, server, tasks, count)
  assert(door:running() == 0, "requests are left in flight")
  assert(count.begun == count.ended + count.failed + count.cancelled, "a task ended twice, or never")
  return count
end

return M
