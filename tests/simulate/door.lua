--- A program's door to the simulated network. It has the shape of host.gate's: what was
--- asked for leaves when the journal is durable, and to poll is to wait on the world's line
--- of time.

local near_cloud = require "near_cloud"

local M = {}

---@class simulate.transfer
---@field seen table the request as the services see it
---@field carried table
---@field changes boolean
---@field timeout number
---@field finished boolean
local Transfer = { __name = "simulated transfer" }
Transfer.__index = Transfer

function Transfer:answer()
  if not self.finished then error("transfer is still running", 2) end
  if self.kind then return nil, self.message or "the connection was cut", self.kind, self.maybe_sent end
  return self.reply
end

-- Nobody waits for it any more; what left is on its way all the same.
function Transfer:close()
  if self.finished or self.abandoned then return end
  self.abandoned = true
  self.door.count = self.door.count - 1
end

Transfer.__close = Transfer.close

---@class simulate.door: near_cloud.caller
---@field run simulate.run
---@field queued simulate.transfer[]
---@field answered simulate.transfer[]
---@field count integer queued or under way
local Door = { __name = "simulated door" }
Door.__index = Door

function Door:submit(request, _, _, timeout, note)
  self.run:check()
  if request:changes() and self.run:refuses() then return nil, self.run:refuses(), "journal" end
  local seen = near_cloud.describe(request)
  seen.note = note
  local transfer = setmetatable({
    door = self, seen = seen, carried = near_cloud.carried(request), changes = request:changes(), timeout = timeout,
    finished = false,
  }, Transfer)
  table.insert(self.queued, transfer)
  self.count = self.count + 1
  if transfer.changes then self.run.journal:audit("request", { note = note or "" }, self.run.time.now()) end
  return transfer
end

--- What came of a transfer.
---@param transfer simulate.transfer
---@param result { reply: host.answer?, kind: string?, message: string?, maybe_sent: boolean? }
function Door:finish(transfer, result)
  if transfer.finished or transfer.abandoned then return end
  transfer.finished = true
  for name, value in pairs(result) do transfer[name] = value end
  self.count = self.count - 1
  table.insert(self.answered, transfer)
  self.run.process:wake()
end

local function commit(self, queued)
  for _, transfer in ipairs(queued) do
    if transfer.changes then return self.run.journal:commit() end
  end
  return true
end

function Door:flush()
  local queued = self.queued
  self.queued = {}
  local ok, message = commit(self, queued)
  for _, transfer in ipairs(queued) do
    if transfer.changes and not ok then
      self:finish(transfer, { kind = "journal", message = message, maybe_sent = false })
    elseif not transfer.abandoned then
      self.run:risk()
      self.run.world.network:send(self, transfer)
      self.run:risk()
    end
  end
  return #queued
end

function Door:poll(ms)
  self.run:stay()
  self:flush()
  if #self.answered == 0 and ms > 0 then self.run.process:wait(ms / 1000) end
  self.run:stay()
  local answered = self.answered
  self.answered = {}
  return answered
end

function Door:running() return self.count + #self.answered end
function Door.peer() return true end
function Door.allow() end
function Door.mode() end
function Door.close() end

--- A door of a run.
---@param run simulate.run
---@return simulate.door
function M.new(run) return setmetatable({ run = run, queued = {}, answered = {}, count = 0 }, Door) end

return M
