--- The emulated tenant and Devolutions Server behind a door in this very process: no
--- sockets, a clock that the test moves, and anything can go wrong at any request.
--
-- Requests keep their bodies for the emulator beside the real, masked ones, and
-- answers get their secrets back after the real judges have read them.

package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local batch = require "emulator.graph.batch"
local crypto = require "host.crypto"
local devolutions = require "emulator.devolutions"
local fake = require "fake_door"
local gate = require "host.gate"
local graph = require "emulator.graph"
local host_devolutions = require "host.devolutions"
local host_graph = require "host.graph"
local host_oauth = require "host.oauth"
local httpd = require "http.server"
local json = require "host.json"
local secret = require "host.secret"
local sys = require "host.sys"
local tenant = require "emulator.tenant"
local time = require "time"
local time_clock = require "time.clock"

local M = {}

local START = 1795000000

---------------------------------------------------------------------------
-- What travels beside the wire

local bodies = setmetatable({}, { __mode = "k" }) -- request -> what it carries
local answers = setmetatable({}, { __mode = "k" }) -- answer -> the body it was made of

--- A copy of a value with copies of its secrets: each side may close its own.
---@param value any
---@return any
local function twin(value)
  if secret.is(value) then return secret.copy(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for name, member in next, value do copy[name] = twin(member) end
  return json.is_array(value) and json.array(copy) or copy
end

M.twin = twin

local function graft(value, body)
  for name, member in pairs(body) do
    if secret.is(member) then value[name] = twin(member)
    elseif type(member) == "table" and type(value[name]) == "table" then graft(value[name], member) end
  end
end

local function wrap(module, name, note)
  local plain = module[name]
  module[name] = function(...)
    local request, message = plain(...)
    if request then bodies[request] = note(...) end
    return request, message
  end
end

local function wrap_judge(module)
  local plain = module.judge
  module.judge = function(request, answer)
    local value, more = plain(request, answer)
    if type(value) == "table" and type(answers[answer]) == "table" then graft(value, answers[answer]) end
    return value, more
  end
end

wrap(host_graph, "request", function(_, _, _, _, body, headers) return { body = twin(body), headers = headers } end)
wrap(host_devolutions, "request", function(_, _, _, _, body) return { body = twin(body) } end)
wrap(host_devolutions, "login", function(_, key, value) return { body = { appKey = key, appSecret = twin(value) } } end)
wrap(host_oauth, "client_secret", function(_, client, value)
  return { client = client, secret = twin(value) }
end)
wrap_judge(host_graph)
wrap_judge(host_devolutions)

---------------------------------------------------------------------------
-- The services

---@class near_cloud
---@field tenant emulator.tenant
---@field server emulator.devolutions
---@field clock fake.clock
---@field app table what add_app returned: whom we sign in as
---@field profile table
---@field meet nil|fun(request: table): string? what happens to a request: "before", "after", a status, or nothing
---@field requests table[]
---@field sessions integer how many sessions of the server there were
local Cloud = { __name = "near cloud" }
Cloud.__index = Cloud

---@class near_cloud.caller one program of ours, as the services know it
---@field session string? its session at the server
---@field claims table? of its token

local function token_for(self, body, caller)
  local ok, why = self.tenant:check_secret(body.client, body.secret)
  if not ok then
    local code = why == "expired" and 7000222 or why == "unknown_app" and 700016 or 7000215
    local words = ("AADSTS%d: no."):format(code)
    return 401, {}, { error = "invalid_client", error_codes = { code }, error_description = words }
  end
  local principal = self.tenant:principal_of(body.client)
  self.issued = self.issued + 1
  local claims = {
    oid = principal.id, appid = body.client, tid = self.tenant.id, idtyp = "app",
    app_displayname = principal.displayName, roles = self.tenant:app_roles(principal.id),
    wids = self.tenant:directory_roles(principal.id),
    n = self.issued, exp = self.tenant.now() // 1 + 3600,
  }
  local text = ("%s.%s.sig"):format(crypto.base64url('{"alg":"none"}'), crypto.base64url(json.encode(claims)))
  if body.client == self.app.appId then caller.claims = claims end -- others sign in for a proof only
  return 200, {}, { token_type = "Bearer", expires_in = 3600, access_token = secret.from(text) }, text
end

local SERVE = {}

function SERVE.login(self, _, body, caller)
  local status, headers, answer, text = token_for(self, body, caller)
  if text then answer.access_token = text end
  return status, headers, answer
end

function SERVE.graph(self, seen, body, caller)
  local headers = {}
  for name, value in pairs(body.headers or {}) do headers[name:lower()] = value end
  return graph.handle(self.tenant, {
    method = seen.method, path = seen.path, query = seen.query, base = "https://graph.example", body = body.body,
    header = function(name) return headers[name:lower()] end, stale = seen.stale,
  }, caller.claims)
end

function SERVE.devolutions(self, seen, body, caller)
  return devolutions.handle(self.server, {
    method = seen.method, path = seen.path, query = seen.query, body = body.body,
    header = function(name) return name == "tokenid" and caller.session or nil end,
    json = function() return body.body end,
  })
end

-- The session's token has to be text once, for a header.
local function note_session(self, answer, caller)
  if type(answer) ~= "table" or not secret.is(answer.tokenId) then return answer end
  self.sessions = self.sessions + 1
  caller.session = ("session-%d"):format(self.sessions)
  self.server.sessions[#self.server.sessions].token = secret.from(caller.session)
  return { tokenId = caller.session }
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- A request as the services see it.
---@param request host.request
---@return { method: string, path: string, query: table, peer: string, name: string } seen
function M.describe(request)
  local path, query = request:url():match("^%a+://[^/]*([^?]*)%??(.*)$")
  return {
    method = request:method(), path = path, query = batch.options(query), peer = request:peer(), name = decode(path),
  }
end

--- What a request carries beside what is on the wire: its body with its secrets.
---@param request host.request
---@return table
function M.carried(request) return bodies[request] or {} end

--- Let the services do what a request asks for, now.
---@param caller near_cloud.caller
---@param seen table as M.describe gives it
---@param carried table
---@return integer status, table headers, any body
function Cloud:serve(caller, seen, carried)
  local status, headers, body = SERVE[seen.peer](self, seen, carried, caller)
  if seen.path:find("/login$") then body = note_session(self, body, caller) end
  return status, headers, body
end

local function text_of(body)
  if type(body) == "table" then return json.encode(body) end
  return body or ""
end

--- The answer made of it.
---@param status integer
---@param headers table
---@param body any
---@return host.answer
function Cloud:answer(status, headers, body)
  headers["Date"] = headers["Date"] or httpd.date(self.tenant.now())
  if type(body) == "table" then headers["Content-Type"] = "application/json" end
  local answer = gate.answer(status, headers, text_of(body))
  answers[answer] = body
  return answer
end

--- What a service says that does not do it.
---@param status integer
---@param wait integer? seconds, of a throttle
---@return integer status, table headers, table body
function M.refuse(status, wait)
  local headers = status == 429 and { ["Retry-After"] = ("%d"):format(wait or 2) } or {}
  return status, headers, { error = { code = "x", message = "it was asked to" } }
end

---------------------------------------------------------------------------
-- The door

local Transfer = { __name = "near transfer" }
Transfer.__index = Transfer

function Transfer:answer()
  if self.kind then return nil, "the connection was cut", self.kind, self.maybe_sent end
  return self.reply
end

-- What is given up before the next poll never leaves, as at the real door.
function Transfer:close()
  for place, other in ipairs(self.door.queued) do
    if other == self then return table.remove(self.door.queued, place) end
  end
end

Transfer.__close = Transfer.close

local Door = {}
Door.__index = Door

local function reply(self, transfer, ...) transfer.reply = self.cloud:answer(...) end

-- One request of those that were queued: what happens to it.
local function carry(self, transfer)
  local cloud, seen = self.cloud, transfer.seen
  local fate = cloud.meet and cloud.meet(seen, "before")
  if fate == "before" then
    transfer.kind, transfer.maybe_sent = "cut", true
    return
  end
  if tonumber(fate) then return reply(self, transfer, M.refuse(tonumber(fate))) end
  local status, headers, body = cloud:serve(self, seen, transfer.body)
  seen.status = status
  if cloud.meet then cloud.meet(seen, "applied") end
  if fate == "after" then
    transfer.kind, transfer.maybe_sent = "cut", true
    return
  end
  reply(self, transfer, status, headers, body)
end

function Door:submit(request, _, rights, _, note)
  assert(rights, "nobody's rights")
  local seen = M.describe(request)
  seen.note, seen.rights = note, rights.name
  table.insert(self.cloud.requests, seen)
  local transfer = setmetatable({
    door = self, seen = seen, body = bodies[request] or {}, changes = request:changes(),
  }, Transfer)
  table.insert(self.queued, transfer)
  if transfer.changes and self.journal then self.journal:audit("request", { note = note or "" }, time.now()) end
  return transfer
end

-- Where the program may die, a test has it die.
local function risk(self)
  if self.cloud.mortal then self.cloud.mortal() end
end

function Door:poll(ms)
  local queued = self.queued
  self.queued = {}
  risk(self)
  if self.journal and #queued > 0 then assert(self.journal:commit()) end
  for _, transfer in ipairs(queued) do
    risk(self)
    carry(self, transfer)
    risk(self)
  end
  if #queued == 0 and ms > 0 then time_clock.advance(ms / 1000) end
  return queued
end

function Door:running() return #self.queued end
function Door.flush() return 0 end

-- Programs go through a gate of this machine, with the rights of the test.
function Door:run(_, ...)
  if not self.programs then
    self.programs = gate.door("emulator", self.journal)
    for name, words in pairs(self.cloud.programs or {}) do self.programs:program(name, words) end
    self.rights = self.programs:rights("the test", "write")
    self.programs:seal()
  end
  return self.programs:run(self.rights, ...)
end

function Door:ran(...) return self.programs:ran(...) end
function Door:close() self.queued = {} end

---------------------------------------------------------------------------
-- A cloud

--- Run `fn(...)` as a task behind a door of this cloud.
---@param journal host.journal.journal?
function Cloud:run(journal, fn, ...)
  local door = setmetatable({ cloud = self, queued = {}, journal = journal }, Door)
  return fake.run(door, self.clock, fn, ...)
end

local PERMISSIONS = { "User.Read.All", "GroupMember.Read.All", "RoleManagement.Read.Directory",
  "User-PasswordProfile.ReadWrite.All", "User.RevokeSessions.All", "Application.ReadWrite.OwnedBy" }

---@class near_cloud.options
---@field seed integer?
---@field users integer? besides the named people
---@field lag number[]|false|nil
---@field permissions string[]?
---@field roles string[]?

--- A cloud with an application that may rotate.
---@param options near_cloud.options?
---@return near_cloud
function M.new(options)
  options = options or {}
  local self = setmetatable({ clock = fake.clock(START), requests = {}, issued = 0, sessions = 0 }, Cloud)
  local function now() return START + self.clock:offset() end -- the services' clock is right, whatever ours says
  self.tenant = tenant.new { seed = options.seed or 1, users = options.users or 0, now = now, lag = options.lag }
  self.server = devolutions.new { seed = options.seed or 1, now = now }
  self.app = self.tenant:add_app {
    name = "Rotator", permissions = options.permissions or PERMISSIONS,
    roles = options.roles or { "Privileged Authentication Administrator" }, days = 3650,
  }
  self.folder = assert(sys.temporary "near-cloud-")
  local function file(name, value)
    assert(sys.write(self.folder .. "/" .. name, value, "new"))
    return { from = "file", path = self.folder .. "/" .. name }
  end
  self.profile = {
    name = "near", kind = "emulator", tenant = self.tenant.domain, login = "https://login.example",
    graph = "https://graph.example/v1.0", state = self.folder,
    sign_in = { method = "client_secret", client_id = self.app.appId, secret = file("app", self.app.secret) },
    devolutions = { server = "https://dvls.example", app_key = self.server.app_key, vault = "Privileged",
      app_secret = file("dvls", self.server.app_secret), linked = true },
  }
  return self
end

--- Let seconds pass.
function Cloud:wait(seconds) self.clock:advance(seconds) end

--- The entries of the vault, by name: lists, for there may be several of one.
---@return table<string, table[]>
function Cloud:entries()
  local by_name = {}
  for entry in self.server.entries[self.server:vault_id "Privileged"]:each() do
    by_name[entry.name] = by_name[entry.name] or {}
    table.insert(by_name[entry.name], entry)
  end
  return by_name
end

--- Is this the password in force?
---@param who string
---@param value host.secret?
function Cloud:in_force(who, value)
  local row = self.tenant.users:newest(self.tenant.ids[who] or who)
  return value ~= nil and secret.equals(row._password, value)
end

function Cloud:__close()
  require("oauth.sign_in").sign_out()
  require("profile.current").use(nil)
  sys.remove_tree(self.folder)
end

return M
