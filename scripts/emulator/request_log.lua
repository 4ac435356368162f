--- The log of the requests to the emulator. Secrets in addresses are masked; bodies are kept only when asked for, and
--- masked.

local json = require "json"
local log = require "log"
local secret = require "secret.emulator"

local M = {}

local KEEP = 10000 -- entries

---@class emulator.request_log.entry
---@field n integer
---@field time string emulator time
---@field peer string
---@field method string
---@field path string with the query; secrets in it are masked
---@field status integer|string the status of the answer, or "dropped", "cut", "held"
---@field caller string? client id
---@field person string? object id, when a person's token was used
---@field fault string? the fault rule that applied
---@field exchange { headers: table, body: string?, answer: string? }? JSON texts, when bodies are kept

---@class emulator.record
local Record = { __name = "emulator.record" }
Record.__index = Record

---@return emulator.record
function M.new()
  return setmetatable({ entries = {}, count = 0, first = 1 }, Record)
end

--- Add an entry; its number is put in.
---@param entry emulator.request_log.entry
function Record:add(entry)
  self.count = self.count + 1
  entry.n, entry.path = self.count, secret.redact(entry.path)
  self.entries[self.count] = entry
  if self.count - self.first >= KEEP then
    self.entries[self.first] = nil
    self.first = self.first + 1
  end
  if not log.verbose() then return end
  log.detail(("%d %s %s %s: %s"):format(entry.n, entry.peer, entry.method, entry.path, tostring(entry.status)))
end

--- The entries after number n, oldest first.
---@param n integer
---@return emulator.request_log.entry[]
function Record:after(n)
  local list = json.array {}
  for i = math.max(self.first, n + 1), self.count do list[#list + 1] = self.entries[i] end
  return list
end

--- Remove all entries; the numbers go on.
function Record:clear()
  self.entries, self.first = {}, self.count + 1
end

return M
