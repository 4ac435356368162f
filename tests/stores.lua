--- Doubles of services that keep secrets: tests/stores.py in a process of its own, with its control paths.

local client = require "client"
local json = require "host.json"
local process = require "host.process"

local M = {}

---@class stores
---@field base string
---@field ca string
---@field log string
---@field token string
---@field folder string
local Stores = { __name = "stores" }
Stores.__index = Stores

local NAMES = { "vault", "keys", "kubernetes" }

--- Start the doubles; they end with close().
---@param folder string an empty folder for them
---@return stores
function M.start(folder)
  local words = { "/usr/bin/python3", "-B", SOURCE .. "/tests/stores.py", folder }
  local child = assert(process.start(words, nil, nil, "kept"))
  local self = assert(json.decode(assert(child:line(30))))
  self.folder, self.child, self.client = folder, child, client.open(self.ca)
  return setmetatable(self, Stores)
end

function Stores:close()
  self.client:close()
  self.child:close()
end

--- The text of `peers` for a profile; the bearer token of all of them is in this file.
---@param token_file string
---@return string
function Stores:peers(token_file)
  local list = {}
  for i, name in ipairs(NAMES) do
    list[i] = ("%s = { url = '%s/%s', ca = '%s', credential = { bearer = { from = 'file', path = '%s' } } },"):format(
      name, self.base, name, self.ca, token_file)
  end
  return ("peers = { %s },"):format(table.concat(list, " "))
end

--- Ask a control path. Returns the text of the answer; nil for any status but 2xx.
---@param method string
---@param path string
---@param body table?
---@return string?
function Stores:ask(method, path, body)
  local status, text = self.client:ask(method, self.base .. path, { "Content-Type: application/json" },
    body and json.encode(body))
  return tonumber(status) < 300 and text or nil
end

--- Everything that is stored, by service; secrets come as secrets.
---@return table
function Stores:state() return assert(json.decode(assert(self:ask("GET", "/state")))) end

--- The value at a place as its consumer reads it; nil when there is none.
---@param store "vault"|"keys"|"kubernetes"
---@param key string
---@return string?
function Stores:held(store, key) return self:ask("GET", ("/held/%s/%s"):format(store, key)) end

--- Put something into a service, in the service's own form; nil removes it.
---@param store "vault"|"keys"|"kubernetes"
---@param key string
---@param value table?
function Stores:set(store, key, value)
  assert(self:ask("POST", "/set", { store = store, key = key, value = value }))
end

--- Let something happen to the next request that fits: see tests/stores.py.
---@param fields table
function Stores:rule(fields)
  local file <close> = assert(io.open(self.folder .. "/rules", "a"))
  file:write(json.encode(fields), "\n")
end

--- The methods of the requests whose path has this text, in order.
---@param text string
---@return string
function Stores:methods(text)
  local list = {}
  for line in io.lines(self.log) do
    local one = json.decode(line)
    if one.path:find(text, 1, true) then list[#list + 1] = one.method end
  end
  return table.concat(list, " ")
end

return M
