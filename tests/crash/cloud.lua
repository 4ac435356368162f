--- An emulator of one's own, in a process of its own, with its control page and a client of what it serves.

local client = require "client"
local emulators = require "emulators"
local json = require "host.json"
local process = require "host.process"
local program = require "crash.program"
local sys = require "host.sys"

local M = {}

---@class crash.cloud
---@field folder string with the ready profile; the journal lies in `state` of it
---@field ready table what it said when it was ready
---@field client client
---@field log string file of what it says
---@field mark integer where in it what was said since the last calm begins
local Cloud = { __name = "cloud" }
Cloud.__index = Cloud

--- Start one. Close it.
---@param seed integer
---@param users integer? besides the named people (3)
---@return crash.cloud
function M.start(seed, users)
  local home = assert(sys.temporary "moonlatch-crash-")
  local self = { home = home, folder = home .. "/cloud", log = home .. "/log", mark = 0 }
  self.child = assert(process.start { "/bin/sh", "-c", 'exec "$@" 2>"$0"', self.log, table.unpack(emulators.words(
    self.folder, "--verbose", "--users", tostring(users or 3), "--seed", tostring(seed))) })
  setmetatable(self, Cloud)
  local line = self.child:line(30)
  self.ready = json.decode(line or error("the emulator did not start", 2))
  self.client = client.open(self.ready.ca)
  return self
end

function Cloud:__close()
  self.client:close()
  self.child:close()
  assert(sys.remove_tree(self.home))
end

---@class crash.call
---@field url string
---@field method string?
---@field headers string[]? "Name: value"
---@field body string?

--- Several calls, one after the other: their texts, and their statuses.
---@param calls crash.call[]
---@return string[] texts, integer[] statuses
function Cloud:call(calls)
  local texts, statuses = {}, {}
  for i, call in ipairs(calls) do
    statuses[i], texts[i] = assert(self.client:ask(call.method or "GET", call.url, call.headers or {}, call.body))
  end
  return texts, statuses
end

--- The same, where good statuses are expected.
---@param calls crash.call[]
---@return string[] texts
function Cloud:ask(calls)
  if #calls == 0 then return {} end
  local texts, statuses = self:call(calls)
  for i, call in ipairs(calls) do
    if not statuses[i] or statuses[i] >= 300 then
      error(("%s %s: %s %s"):format(call.method or "GET", call.url, tostring(statuses[i]), texts[i]), 2)
    end
  end
  return texts
end

local JSON = { "Content-Type: application/json" }
local FORM = { "Content-Type: application/x-www-form-urlencoded" }

---------------------------------------------------------------------------
-- The control page

--- Ask the emulator's own page; a body makes it a POST.
---@param path string
---@param body table?
---@return any
function Cloud:control(path, body)
  local call = { url = self.ready.control .. path, method = body and "POST", headers = JSON,
    body = body and json.encode(body) }
  return (json.decode(self:ask({ call })[1]))
end

--- Graph as a Global Administrator with every permission.
---@param path string
---@param body table?
---@return any
function Cloud:graph(path, body)
  return self:control("/graph/v1.0" .. path, body)
end

--- Several reads of Graph at once.
---@param paths string[]
---@return any[]
function Cloud:graph_all(paths)
  local calls, values = {}, {}
  for i, path in ipairs(paths) do calls[i] = { url = self.ready.control .. "/graph/v1.0" .. path } end
  for i, text in ipairs(self:ask(calls)) do values[i] = json.decode(text) end
  return values
end

--- From now on, this goes wrong.
---@param rule string
function Cloud:fault(rule) self:control("/faults", { rule = rule }) end

--- Nothing goes wrong any more. What is held stays held.
function Cloud:calm()
  self:ask { { url = self.ready.control .. "/faults", method = "DELETE" } }
  self.mark = #program.read(self.log)
end

--- Was a fault met since it was calm? By which request. Cheap, so that it can be asked all the time.
---@return string? request
function Cloud:struck()
  local file <close> = assert(io.open(self.log))
  file:seek("set", self.mark)
  return file:read("a"):match("fault: (%u+ [^\n]-): [^\n]*\n")
end

--- Let time pass.
---@param span string "155d"
function Cloud:pass(span) self:control("/clock", { advance = span }) end

--- What was asked of the services so far, oldest first.
---@return table[]
function Cloud:requests() return self:control("/requests").requests end

---------------------------------------------------------------------------
-- Signing in, and the Devolutions Server

local function escape(text)
  return (text:gsub("[^%w._-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function ask_for_token(self, form)
  local words = {}
  for name, value in pairs(form) do words[#words + 1] = name .. "=" .. escape(value) end
  local url = ("%s/%s/oauth2/v2.0/token"):format(self.ready.login, self.ready.tenant)
  return self:call({ { url = url, method = "POST", headers = FORM, body = table.concat(words, "&") } })
end

--- Does this secret sign the application in? The status, and what was said.
---@param client_id string
---@param secret string
---@return integer status, string text
function Cloud:sign_in(client_id, secret)
  local texts, statuses = ask_for_token(self, {
    grant_type = "client_credentials", client_id = client_id, client_secret = secret,
    scope = "https://graph.microsoft.com/.default",
  })
  return statuses[1], texts[1]
end

--- Is this the person's password? Here only: a client may not ask so on Entra.
---@param upn string
---@param password string
---@return boolean
function Cloud:is_password(upn, password)
  local _, statuses = ask_for_token(self, {
    grant_type = "password", client_id = self.ready.admin.client_id, username = upn, password = password,
    scope = "openid",
  })
  return statuses[1] == 200
end

-- Several calls of the Devolutions Server, or one that sends something.
local function devolutions(self, paths, body)
  local calls = {}
  for i, path in ipairs(paths) do
    calls[i] = { url = self.ready.devolutions .. path, method = body and "POST", body = body,
      headers = { JSON[1], self.token and "tokenId: " .. self.token } }
  end
  return self:ask(calls)
end

--- Sign in to the Devolutions Server; its sessions are short.
function Cloud:open_server()
  local key = program.read(self.ready.config):match('app_key = "([^"]+)"')
  local secret = program.read(self.folder .. "/devolutions.secret")
  self.token = nil
  self.token = devolutions(self, { "/api/v1/login" }, ('{"appKey":"%s","appSecret":"%s"}'):format(key, secret))[1]
    :match('"tokenId":"([^"]+)"')
end

local function vaults(self)
  local paths = {}
  for vault in devolutions(self, { "/api/v1/vault" })[1]:gmatch('"id":"([^"]+)"') do
    paths[#paths + 1] = "/api/v1/vault/" .. vault .. "/entry"
  end
  return paths
end

--- All entries of all vaults, with their secrets, as the server's own text.
---@return string[]
function Cloud:entries()
  local folders, lists, paths = vaults(self), {}, {}
  for i, path in ipairs(folders) do lists[i] = path .. "?pageSize=100" end
  for i, text in ipairs(devolutions(self, lists)) do
    for entry in text:gmatch('"id":"([^"]+)"') do
      paths[#paths + 1] = folders[i] .. "/" .. entry .. "?includePasswords=true"
    end
  end
  local texts = devolutions(self, paths)
  table.sort(texts)
  return texts
end

--- Put an entry into the first vault.
---@param text string JSON
function Cloud:add_entry(text)
  devolutions(self, { vaults(self)[1] }, text)
end

return M
