--- The emulated cloud as one object: tenant, login service, Graph, Devolutions Server and managed identities on four
--- addresses, with latency, faults, a clock and a log of requests; and PAM in Devolutions Cloud and Devolutions Server,
--- which has no address.

local control = require "emulator.control"
local crypto = require "base.crypto"
local devolutions = require "emulator.devolutions"
local fail = require "fail"
local faults = require "emulator.faults"
local graph = require "emulator.graph"
local http_server = require "http.server"
local json = require "json"
local login = require "emulator.login"
local pam = require "emulator.pam"
local private_folder = require "machine.private_folder"
local profile = require "emulator.profile"
local programs = require "emulator.programs"
local request_log = require "emulator.request_log"
local schedule = require "emulator.schedule"
local tenant = require "emulator.tenant"
local time = require "time"
local time_clock = require "time.clock"

local M = {}

---@class emulator.world
---@field ready table what the ready line says
---@field tenant emulator.tenant
---@field login emulator.login
---@field devolutions emulator.devolutions
---@field cloud emulator.pam privileged access in Devolutions Cloud
---@field server emulator.pam privileged access in Devolutions Server
---@field programs emulator.programs others that sign in by themselves
---@field faults emulator.faults
---@field record emulator.record
---@field clock host.sys.clock
---@field service httpd.service
---@field admin string user principal name of the seeded Global Administrator
---@field consumer "server"|"cloud" whose profile is the default
---@field client string client id of the tool people sign in with
local World = { __name = "emulator.world" }
World.__index = World

local CODES = {
  [400] = "BadRequest", [401] = "InvalidAuthenticationToken", [403] = "Authorization_RequestDenied",
  [404] = "Request_ResourceNotFound", [409] = "Directory_ConcurrencyViolation", [429] = "TooManyRequests",
  [500] = "generalException", [503] = "serviceNotAvailable",
}

--- The refusal of Graph, where Graph's code is not reached.
local function graph_refusal(status, message, request)
  local id = crypto.uuid()
  local inner = { date = time.iso(time.now()):sub(1, 19), ["request-id"] = id }
  inner["client-request-id"] = request and request.header("client-request-id") or id
  local body = { error = { code = CODES[status] or "UnknownError", message = message, innerError = inner } }
  return { status = status, headers = { ["request-id"] = id, ["Content-Type"] = "application/json" }, body = body }
end

--- The answer of Graph: reads the body, finds the caller.
local function ask_graph(self, request, caller)
  if request.size > 0 then
    local body, message = request.json()
    if body == nil then return graph_refusal(400, "Unable to read JSON request payload: " .. message, request) end
    request.body = body
  end
  return graph.handle(self.tenant, request, caller)
end

local function handle_graph(self, request)
  local caller, message = self.login:caller(request.header("authorization"))
  request.caller, request.refusal = caller, message
  local status, headers, body = ask_graph(self, request, caller)
  if not caller and headers then
    local page = self.login.base .. "/common/oauth2/authorize"
    headers["WWW-Authenticate"] = ('Bearer realm="", authorization_uri="%s"'):format(page)
  end
  return status, headers, body
end

local function handle_devolutions(self, request)
  return devolutions.handle(self.devolutions, request)
end

--- Each service: the function that answers, and how it refuses under a fault rule.
local SERVICES = {
  login = {
    handle = function(self, request) return self.login:handle(request) end,
    refuse = function(self, status) return self.login:refuse(status) end,
  },
  graph = {
    handle = handle_graph,
    refuse = function(_, status) return graph_refusal(status, "The emulator was asked to fail here.") end,
  },
  devolutions = {
    handle = handle_devolutions,
    refuse = function(_, status)
      return { status = status, headers = {}, body = { message = "The emulator was asked to fail here." } }
    end,
  },
}

SERVICES.identity = {
  handle = function(self, request) return self.login:identity(request) end,
  refuse = function(_, status)
    return { status = status, headers = {}, body = { error = "emulated", error_description = "Asked to fail here." } }
  end,
}

local function as_answer(status, headers, body)
  if type(status) == "table" then return status end
  return { status = status, headers = headers, body = body }
end

local OUTCOMES = { drop = "dropped", cut = "cut", hold = "held" }

-- The request and its answer, secrets masked.
local function exchange(request, answer)
  return {
    headers = { Prefer = request.header("prefer"), ConsistencyLevel = request.header("consistencylevel") },
    body = request.body and json.encode(request.body),
    answer = type(answer.body) == "table" and json.encode(answer.body) or nil,
  }
end

local function note(self, peer, request, answer, rule)
  local caller = request.caller or {}
  self.record:add {
    exchange = self.exchanges and exchange(request, answer) or nil,
    time = time.iso(time.now()), peer = peer, method = request.method,
    path = request.path .. (request.text ~= "" and "?" .. request.text or ""),
    status = OUTCOMES[answer.how] or answer.status, caller = caller.appid,
    person = caller.idtyp == "user" and caller.oid or nil, fault = rule and rule.text,
  }
end

-- A request from inside the emulator: the same code and log, but no fault rules.
local function ask_inside(self, peer, request)
  local answer = as_answer(SERVICES[peer].handle(self, request))
  note(self, peer, request, answer)
  return answer.status, answer.body
end

-- Call `act` at a moment that has passed: everything that reads the time then reads that moment.
local function at(moment, act)
  local clock = time_clock.use { offset = function() return 0 end, time = function() return moment end }
  local ok, message = pcall(act)
  time_clock.use(clock)
  if not ok then error(message, 0) end
end

--- Do what became due in the world by itself.
function World:catch_up()
  schedule.catch_up({ self.tenant, self.cloud, self.server, self.programs }, time.now(), at)
end

-- Where a request comes from: the caller says so, because every caller is on this machine.
local function address_of(self, request)
  return request.header("x-emulator-address") or self.tenant.flags.address or "127.0.0.1"
end

--- Answer one request to a service: faults, latency, log.
local function serve(self, peer, request)
  request.address = address_of(self, request)
  local service = SERVICES[peer]
  self:catch_up()
  if peer == "login" and control.owns(request.path) then return control.handle(self, request) end
  local rule = self.faults:take(peer, request.method, request.path)
  local function ask(asked) return as_answer(service.handle(self, asked)) end
  local answer = rule and faults.apply(rule, request, ask, function(status) return service.refuse(self, status) end)
    or ask(request)
  if answer.headers then answer.headers["Date"] = http_server.date(time.now()) end
  answer.wait = (answer.wait or 0) + self.latency
  note(self, peer, request, answer, rule)
  return answer
end

local function read_listen(text)
  local host, port = text:match("^%[(.+)%]:(%d+)$")
  if not host then host, port = text:match("^([^:]+):(%d+)$") end
  return host or text, tonumber(port or 0)
end

local function listen(self, text)
  local host, port = read_listen(text)
  local listeners = {}
  for i, name in ipairs { "login", "graph", "devolutions", "identity" } do
    listeners[i] = {
      name = name, host = host, port = port == 0 and 0 or port + i - 1, plain = name == "identity",
      handle = function(request) return serve(self, name, request) end,
    }
  end
  return http_server.open { listeners = listeners }
end

local FRONT = { "login", "graph", "devolutions" }

-- Use the addresses of a proxy in front of the emulator in everything the emulator says about itself.
local function stand_behind(service, addresses)
  if not addresses or #addresses == 0 then return end
  for i, name in ipairs(FRONT) do
    local address = addresses[i] or ""
    if #addresses ~= #FRONT or not address:find("^https://[^/]+$") then
      fail.raise {
        kind = "usage", what = "start the emulator behind " .. table.concat(addresses, ","),
        why = "it takes three addresses, as https://HOST:PORT",
        fix = "Name the addresses of the login service, Graph and Devolutions Server, in this order and between "
          .. "commas.",
      }
    end
    service.bases[name] = address
  end
end

local function read_options(options)
  local range, message = control.lag(options.lag or "1-5")
  if range == nil then
    fail.raise { kind = "usage", what = "start the emulator", why = message, fix = "For example: --lag 1-5, or --lag "
      .. "0." }
  end
  local rules = faults.new()
  for _, rule in ipairs(options.fault or {}) do
    local ok, wrong = rules:add(rule)
    if not ok then
      fail.raise { kind = "usage", what = "start the emulator", why = wrong,
        fix = "For example: --fault 'graph PATCH /users/* 503 2'. `moonlatch emulator --help` shows the form." }
    end
  end
  return range, rules
end

local function check_approve(self, name)
  if name == "none" or name == "decline" or self.tenant:person(name) then return end
  local people = {}
  for i, person in ipairs(self.tenant:people()) do people[i] = person.key end
  fail.raise {
    kind = "usage", what = "start the emulator", why = ("nobody is called %q"):format(name),
    fix = "Name one of these with --approve: none, decline, " .. table.concat(people, ", ") .. ".",
  }
end

local FLIP = 2 -- the flag reads_flip of a tenant that is served, see tenant/flags.lua

local function make_tenant(self, options, range)
  local flags = { reads_flip = FLIP }
  if range then flags.sign_in_delay, flags.audit_delay = { 120, 300 }, { 30, 120 } end -- seconds
  for name, value in pairs(options.flags or {}) do flags[name] = value end
  self.tenant = tenant.new {
    seed = options.seed or 1, users = options.users or 0, applications = options.applications, now = time.now,
    lag = range, flags = flags,
  }
  self.admin, self.client = self.tenant:people()[1].upn, tenant.CLI_APP
  check_approve(self, options.approve or self.admin)
end

---@class emulator.options
---@field listen string? "127.0.0.1:9443": the login service's; the others take the next three ports. No port: any
---@field behind string[]? addresses of a proxy in front: for the login service, Graph, Devolutions Server
---@field users integer? besides the named people
---@field applications integer? besides the named ones
---@field seed integer?
---@field latency integer? milliseconds
---@field lag string? "1-5" seconds; "0": none
---@field fault string[]? rules
---@field clock string? file
---@field directory string? for the authority, the clock and the ready profile
---@field devolutions "server"|"cloud"|nil whose profile is the default one
---@field approve string? who signs in: a person, "none" or "decline"
---@field interval integer? seconds between two polls of a device code
---@field refresh "reuse"|"once"|nil how often a refresh token is good
---@field exchanges boolean? keep headers and bodies in the log, secrets masked
---@field signing_key string? PEM text of the RSA key that signs tokens; by default a new key
---@field flags table? switches of the tenant (tests)

local function pam_of(self, edition, address)
  return pam.new {
    edition = edition, address = address, seed = self.tenant.seed, tenant = self.tenant,
    ask = function(peer, request) return ask_inside(self, peer, request) end,
    linked = edition == "server" and function(name) return self.devolutions:value_of(name) end or nil,
  }
end

local function build(self, options, range)
  self.place = private_folder.open(options.directory)
  self.clock_file = options.clock or self.place:file("clock")
  self.clock = private_folder.clock(self.clock_file)
  time_clock.use(self.clock)
  make_tenant(self, options, range)
  self.devolutions = devolutions.new { seed = options.seed or 1, now = time.now }
  self.service = listen(self, options.listen or "127.0.0.1")
  stand_behind(self.service, options.behind)
  local bases = self.service.bases
  self.login = login.new {
    tenant = self.tenant, base = bases.login, graph = bases.graph, approve = options.approve or self.admin,
    interval = options.interval, refresh = options.refresh, signing_key = options.signing_key,
  }
  self.graph = function(request, caller) return ask_graph(self, request, caller) end
  self.cloud = pam_of(self, "cloud", profile.CLOUD)
  self.server = pam_of(self, "server", bases.devolutions)
  self.programs = programs.new { tenant = self.tenant,
    ask = function(peer, request) return ask_inside(self, peer, request) end }
  self.ready = profile.write(self)
end

--- Build the world and listen. The caller closes it.
---@param options emulator.options
---@return emulator.world
function M.open(options)
  local range, rules = read_options(options)
  local self = setmetatable({
    consumer = options.devolutions or "server", faults = rules, record = request_log.new(),
    exchanges = options.exchanges,
    latency = (options.latency or 0) / 1000,
  }, World)
  local _ <close> = setmetatable({}, { __close = function(_, failure)
    if failure then self:close() end
  end })
  build(self, options, range)
  return self
end

--- Serve for at most `ms` milliseconds.
---@param ms integer
function World:turn(ms)
  self.service:turn(ms)
end

--- Stop, and remove temporary files.
function World:close()
  if self.closed then return end
  self.closed = true
  time_clock.use(nil)
  if self.service then self.service:close() end
  if self.clock then self.clock:close() end
  if self.place then self.place:close() end
end
World.__close = World.close

return M
