--- An emulator of one's own, in a process of its own, with its control page; and
--- curl as somebody else's client of what it serves.

local json = require "host.json"
local process = require "host.process"
local program = require "crash.program"
local sys = require "host.sys"

local M = {}

---@class crash.cloud
---@field folder string with the ready profile; the journal lies in `state` of it
---@field ready table what it said when it was ready
---@field calls integer curl calls so far
---@field log string file of what it says
---@field mark integer where in it what was said since the last calm begins
local Cloud = { __name = "cloud" }
Cloud.__index = Cloud

--- Start one. Close it.
---@param seed integer
---@return crash.cloud
function M.start(seed)
  local home = assert(sys.temporary "moonlatch-crash-")
  local self = { home = home, folder = home .. "/cloud", log = home .. "/log", calls = 0, mark = 0 }
  local child = assert(process.start { "/bin/sh", "-c", 'exec "$@" 2>"$0"', self.log, os.getenv "MOONLATCH", "emulator",
    "--private", "--verbose", "--users", "3", "--seed", tostring(seed), "--directory", self.folder })
  self.child = child
  setmetatable(self, Cloud)
  local line = child:line(30)
  self.ready = json.decode(line or error("the emulator did not start", 2))
  return self
end

function Cloud:__close()
  self.child:close()
  assert(sys.remove_tree(self.home))
end

---------------------------------------------------------------------------
-- curl

local function quote(text) return '"' .. text:gsub('[\\"]', "\\%0") .. '"' end

-- Secrets go by a file, never by the command line.
local function settings(self, folder, call)
  local lines = { "silent", "show-error", "cacert = " .. quote(self.ready.ca), "url = " .. quote(call.url),
    "request = " .. quote(call.method or "GET"), [[write-out = "\n%{http_code}"]] }
  for _, header in ipairs(call.headers or {}) do lines[#lines + 1] = "header = " .. quote(header) end
  if call.body then
    assert(sys.write(folder .. "/body", call.body, "replace"))
    lines[#lines + 1] = "data-binary = " .. quote("@" .. folder .. "/body")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- One call; its answer as text and its status.
---@param call { url: string, method: string?, headers: string[]?, body: string? }
---@return string text, integer status
function Cloud:curl(call)
  self.calls = self.calls + 1
  local folder = ("%s/curl-%d"):format(self.home, self.calls)
  assert(sys.mkdir(folder))
  assert(sys.write(folder .. "/settings", settings(self, folder, call), "replace"))
  local outcome = program.run(folder, { "/usr/bin/curl", "--disable", "--config", folder .. "/settings" })
  assert(sys.remove_tree(folder))
  local text, status = outcome.out:match("^(.*)\n(%d+)$")
  if outcome.status ~= 0 then error(("curl %s: %s"):format(call.url, outcome.err), 2) end
  return text, tonumber(status)
end

--- The same, where an answer in JSON and a good status are expected.
---@param call table
---@return any value, string text
function Cloud:ask(call)
  local text, status = self:curl(call)
  if status >= 300 then error(("%s %s: %d %s"):format(call.method or "GET", call.url, status, text), 2) end
  return json.decode(text), text
end

local JSON = { "Content-Type: application/json" }

---------------------------------------------------------------------------
-- The control page

--- Ask the emulator's own page; a body makes it a POST.
---@param path string
---@param body table?
---@return any
function Cloud:control(path, body)
  return (self:ask { url = self.ready.control .. path, method = body and "POST", headers = JSON,
    body = body and json.encode(body) })
end

--- Graph as a Global Administrator with every permission; the value, without pages.
---@param path string
---@param body table?
---@return any
function Cloud:graph(path, body)
  return self:control("/graph/v1.0" .. path, body)
end

--- From now on, this goes wrong.
---@param rule string
function Cloud:fault(rule) self:control("/faults", { rule = rule }) end

--- Nothing goes wrong any more. What is held stays held.
function Cloud:calm()
  self:ask { url = self.ready.control .. "/faults", method = "DELETE" }
  self.mark = #program.read(self.log)
end

--- Was a fault met since it was calm? Cheap, so that it can be asked all the time.
---@return boolean
function Cloud:struck()
  local file <close> = assert(io.open(self.log))
  file:seek("set", self.mark)
  return file:read("a"):find("fault: ", 1, true) ~= nil
end

--- Let time pass.
---@param span string "155d"
function Cloud:pass(span) self:control("/clock", { advance = span }) end

--- What was asked of the services so far, oldest first.
---@return table[]
function Cloud:requests() return self:control("/requests").requests end

---------------------------------------------------------------------------
-- Signing in, and the Devolutions Server

--- Does this secret sign the application in? The status, and what was said.
---@param client_id string
---@param secret string
---@return integer status, string text
function Cloud:sign_in(client_id, secret)
  local function escape(text)
    return (text:gsub("[^%w._-]", function(c) return ("%%%02X"):format(c:byte()) end))
  end
  local text, status = self:curl {
    url = ("%s/%s/oauth2/v2.0/token"):format(self.ready.login, self.ready.tenant), method = "POST",
    body = ("grant_type=client_credentials&client_id=%s&client_secret=%s&scope=%s"):format(
      escape(client_id), escape(secret), escape("https://graph.microsoft.com/.default")),
  }
  return status, text
end

local function devolutions(self, path, body)
  local _, text = self:ask {
    url = self.ready.devolutions .. path, method = body and "POST", body = body,
    headers = { JSON[1], self.token and "tokenId: " .. self.token },
  }
  return text
end

--- Sign in to the Devolutions Server; its sessions are short.
function Cloud:open_server()
  local key = program.read(self.ready.config):match('app_key = "([^"]+)"')
  local secret = program.read(self.folder .. "/devolutions.secret")
  self.token = nil
  self.token = devolutions(self, "/api/v1/login", ('{"appKey":"%s","appSecret":"%s"}'):format(key, secret))
    :match('"tokenId":"([^"]+)"')
end

--- All entries of all vaults, with their secrets, as the server's own text.
---@return string[]
function Cloud:entries()
  local texts = {}
  for vault in devolutions(self, "/api/v1/vault"):gmatch('"id":"([^"]+)"') do
    local base = "/api/v1/vault/" .. vault .. "/entry"
    for entry in devolutions(self, base .. "?pageSize=100"):gmatch('"id":"([^"]+)"') do
      texts[#texts + 1] = devolutions(self, base .. "/" .. entry .. "?includePasswords=true")
    end
  end
  table.sort(texts)
  return texts
end

--- Put an entry into the first vault.
---@param text string JSON
function Cloud:add_entry(text)
  local vault = devolutions(self, "/api/v1/vault"):match('"id":"([^"]+)"')
  devolutions(self, "/api/v1/vault/" .. vault .. "/entry", text)
end

return M
